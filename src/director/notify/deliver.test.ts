/** Against a real HTTP server and real commands. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { closedPort, listen } from '../../../test/build/servers.ts'
import type { EventRecord } from '../control.ts'
import { environmentOf } from './command.ts'
import { deliver } from './deliver.ts'
import type { Outcome } from './sink.ts'
import { retryAfterMs } from './webhook.ts'

const record: EventRecord = {
  id: 12,
  at: '2026-11-30T09:15:02.123Z',
  event: {
    kind: 'server.health',
    cluster: 'shop',
    service: 'www',
    server: '10.0.0.1:80',
    guest: undefined,
    from: 'healthy',
    to: 'unhealthy',
    reason: 'it said\0 "no"\n$(echo x)',
    after: 9,
  },
}
const options = (ms = 5000): { key: string; signal: AbortSignal } => ({ key: 'L/12', signal: AbortSignal.timeout(ms) })

type Seen = {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function receiver(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      answer(request, response)
    })
  })
  const running = await listen(server)
  return { ...running, seen, url: `http://127.0.0.1:${running.port}/hook` }
}

const post = (url: string, ms?: number, headers: Record<string, string> = {}): Promise<Outcome> =>
  deliver({ kind: 'webhook', url, headers }, record, options(ms))

describe('webhook', () => {
  test('gets the record as JSON, its key, and the headers that were asked for', async () => {
    await using hook = await receiver((_request, response) => void response.writeHead(204).end())
    expect(await post(hook.url, undefined, { 'X-Token': 'abc' })).toEqual({ kind: 'delivered' })
    expect(hook.seen).toMatchObject([
      {
        method: 'POST',
        url: '/hook',
        headers: { 'content-type': 'application/json', 'idempotency-key': 'L/12', 'x-token': 'abc' },
      },
    ])
    expect(JSON.parse(hook.seen[0]?.body ?? '')).toEqual(JSON.parse(JSON.stringify(record)))
  })

  test('what no header can hold is not tried again', async () => {
    expect(await post('http://127.0.0.1:1/', undefined, { 'X-Token': 'a\nb' })).toMatchObject({ retryable: false })
  })

  test('a login in the URL becomes a header', async () => {
    await using hook = await receiver((_request, response) => void response.end())
    expect(await post(hook.url.replace('//', '//me:p%40ss@'))).toEqual({ kind: 'delivered' })
    expect(hook.seen[0]?.headers.authorization).toBe(`Basic ${btoa('me:p@ss')}`)
  })

  test.each<{ status: number; outcome: Partial<Outcome> }>([
    { status: 200, outcome: { kind: 'delivered' } },
    { status: 299, outcome: { kind: 'delivered' } },
    { status: 400, outcome: { kind: 'failed', reason: 'HTTP 400', retryable: false } },
    { status: 404, outcome: { kind: 'failed', retryable: false } },
    { status: 408, outcome: { kind: 'failed', retryable: true } },
    { status: 429, outcome: { kind: 'failed', retryable: true } },
    { status: 500, outcome: { kind: 'failed', reason: 'HTTP 500', retryable: true } },
    { status: 503, outcome: { kind: 'failed', retryable: true } },
  ])('$status is $outcome', async ({ status, outcome }) => {
    await using hook = await receiver((_request, response) => void response.writeHead(status).end('{}'))
    expect(await post(hook.url)).toMatchObject(outcome)
  })

  test('a redirect is not followed, nor tried again', async () => {
    await using elsewhere = await receiver((_request, response) => void response.end())
    await using hook = await receiver((_request, response) => {
      response.writeHead(301, { Location: elsewhere.url }).end()
    })
    expect(await post(hook.url)).toEqual({ kind: 'failed', reason: 'HTTP 301', retryable: false })
    expect(elsewhere.seen).toEqual([])
  })

  test.each<{ name: string; answer: (socket: Socket) => void }>([
    { name: 'says nothing', answer: () => {} },
    {
      name: 'begins an answer only',
      answer: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Le'),
    },
  ])('one that $name has failed at the deadline', async ({ answer }) => {
    await using hook = await receiver((request) => answer(request.socket))
    expect(await post(hook.url, 200)).toEqual({ kind: 'failed', reason: 'no answer in time', retryable: true })
    await expect.poll(hook.open).toBe(0)
  })

  test('one that resets, or is not there, has failed with the reason', async () => {
    await using hook = await receiver((request) => void request.socket.resetAndDestroy())
    expect(await post(hook.url)).toMatchObject({ kind: 'failed', reason: /./, retryable: true })
    const gone = await post(`http://127.0.0.1:${await closedPort()}/`)
    expect(gone).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ECONNREFUSED'), retryable: true })
  })

  test('an endless answer is not waited for', async () => {
    await using hook = await receiver((_request, response) => {
      response.writeHead(200)
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', pour)
      pour()
    })
    expect(await post(hook.url)).toEqual({ kind: 'delivered' })
    await expect.poll(hook.open).toBe(0)
  })

  test('Retry-After is read as seconds and as a date', async () => {
    await using hook = await receiver((_request, response) => {
      response.writeHead(503, { 'Retry-After': '7' }).end()
    })
    expect(await post(hook.url)).toMatchObject({ retryAfterMs: 7000 })
    const now = Date.parse('Mon, 30 Nov 2026 09:00:00 GMT')
    expect(retryAfterMs('Mon, 30 Nov 2026 09:00:30 GMT', now)).toBe(30_000)
    expect(retryAfterMs('Mon, 30 Nov 2026 08:00:00 GMT', now)).toBe(0)
    expect([retryAfterMs('soon', now), retryAfterMs(undefined, now)]).toEqual([undefined, undefined])
  })
})

const folder = mkdtempSync(join(tmpdir(), 'baton-notify-'))
afterAll(() => rmSync(folder, { recursive: true }))
const runLine = (line: string, ms?: number): Promise<Outcome> =>
  deliver({ kind: 'command', argv: ['/bin/sh', '-c', line] }, record, options(ms))

describe('command', () => {
  test('gets the record on its input and the fields as variables, whatever stands in them', async () => {
    const file = join(folder, 'told')
    const line = `cat > ${file}; printf '%s|' "$BATON_EVENT_KIND" "$BATON_EVENT_KEY" "$BATON_EVENT_REASON" "\${BATON_EVENT_GUEST-none}" >> ${file}`
    expect(await runLine(line)).toEqual({ kind: 'delivered' })
    const [json, ...variables] = readFileSync(file, 'utf8').split('\n')
    expect(JSON.parse(json ?? '')).toEqual(JSON.parse(JSON.stringify(record)))
    expect(variables.join('\n')).toBe('server.health|L/12|it said "no"\n$(echo x)|none|')
  })

  test('its variables are one for each field', () => {
    const drained = { kind: 'server.drained', target: { guest: 'web-1' }, servers: 2 } as const
    expect(environmentOf({ id: 1, at: 'T', event: drained }, 'K')).toEqual({
      BATON_EVENT_ID: '1',
      BATON_EVENT_AT: 'T',
      BATON_EVENT_KEY: 'K',
      BATON_EVENT_KIND: 'server.drained',
      BATON_EVENT_TARGET: '{"guest":"web-1"}',
      BATON_EVENT_SERVERS: '2',
    })
  })

  test.each([
    { line: 'echo oh no >&2; exit 3', reason: 'exit code 3: oh no' },
    { line: 'kill -9 $$', reason: 'it was ended by SIGKILL' },
    { line: 'exec /nowhere/program', reason: /^exit code 127: / },
  ])('$line has failed, and is worth another try', async ({ line, reason }) => {
    expect(await runLine(line)).toMatchObject({
      kind: 'failed',
      reason: typeof reason === 'string' ? reason : expect.stringMatching(reason),
      retryable: true,
    })
  })

  test('one that is not there is said so', async () => {
    const outcome = await deliver({ kind: 'command', argv: ['/nowhere/program'] }, record, options())
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ENOENT') })
  })

  test('one that does not end is killed with all that it started', async () => {
    const file = join(folder, 'pid')
    const begun = performance.now()
    const outcome = await runLine(`sleep 600 & echo $! > ${file}; wait`, 300)
    expect(outcome).toEqual({ kind: 'failed', reason: 'it did not end in time and was killed', retryable: true })
    expect(performance.now() - begun).toBeLessThan(5000)
    const pid = Number(readFileSync(file, 'utf8'))
    await expect.poll(() => isRunning(pid)).toBe(false)
  })

  test('one that leaves somebody behind with its output is not waited for, and ends well', async () => {
    const file = join(folder, 'left')
    expect(await runLine(`sleep 600 & echo $! > ${file}`)).toEqual({ kind: 'delivered' })
    process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL')
  })

  test('one that does not read what it is told, and says very much, ends well', async () => {
    expect(await runLine('exec <&-; head -c 1000000 /dev/zero >&2')).toEqual({ kind: 'delivered' })
  })
})

/** A zombie has ended, too. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
