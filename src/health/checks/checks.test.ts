import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import type { HttpCheckSpec, ProbeResult, ProbeSpec } from '../check.ts'
import { openProbe } from './registry.ts'

const deadlineMs = 250
const http = (changes: Partial<HttpCheckSpec> = {}): HttpCheckSpec => ({
  kind: 'http',
  path: '/healthz',
  status: [200],
  ...changes,
})

type Running = AsyncDisposable & { readonly port: number; readonly open: () => number }

async function listen(server: Server, address = '127.0.0.1'): Promise<Running> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const probe = (spec: ProbeSpec, port: number, address = '127.0.0.1'): Promise<ProbeResult> =>
  openProbe(spec)({ address, port }, { signal: AbortSignal.timeout(deadlineMs) })

const answer =
  (status: number, body: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(status).end(body)

/** A server that speaks for itself, byte by byte. */
const raw = (speak: (socket: Socket) => void): Promise<Running> =>
  listen(
    createServer((socket) => {
      socket.resume() // it hears the other side's end, as a real server does
      speak(socket)
    }),
  )

async function closedPort(): Promise<number> {
  await using server = await raw(() => {})
  return server.port
}

describe('check tcp', () => {
  test('a server that takes connections is healthy', async () => {
    await using server = await raw(() => {})
    expect(await probe({ kind: 'tcp' }, server.port)).toMatchObject({ healthy: true })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('IPv6 works as IPv4 does', async () => {
    await using server = await listen(createServer(), '::1')
    expect((await probe({ kind: 'tcp' }, server.port, '::1')).healthy).toBe(true)
  })

  test('a closed port says so at once', async () => {
    const result = await probe({ kind: 'tcp' }, await closedPort())
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string })
    expect(result.tookMs).toBeLessThan(deadlineMs)
  })

  test('an aborted probe ends at once', async () => {
    const result = await openProbe({ kind: 'tcp' })({ address: '127.0.0.1', port: 1 }, { signal: AbortSignal.abort() })
    expect(result.healthy).toBe(false)
  })
})

describe('check http', () => {
  test.each<{ name: string; spec: HttpCheckSpec; serve: RequestListener; healthy: boolean; detail: string }>([
    {
      name: 'the wanted status is healthy',
      spec: http(),
      serve: answer(200, 'ok'),
      healthy: true,
      detail: 'status 200',
    },
    { name: 'another status is not', spec: http(), serve: answer(503, ''), healthy: false, detail: 'status 503' },
    {
      name: 'a range of statuses',
      spec: http({ status: [[200, 299], 404] }),
      serve: answer(204, ''),
      healthy: true,
      detail: 'status 204',
    },
    {
      name: 'a single status beside a range',
      spec: http({ status: [[200, 299], 404] }),
      serve: answer(404, ''),
      healthy: true,
      detail: 'status 404',
    },
    {
      name: 'a redirect is not followed',
      spec: http(),
      serve: (_request, response) => void response.writeHead(302, { Location: '/' }).end(),
      healthy: false,
      detail: 'status 302',
    },
    {
      name: 'a body that matches',
      spec: http({ body: '^all (good|fine)' }),
      serve: answer(200, 'all fine here'),
      healthy: true,
      detail: 'body matches',
    },
    {
      name: 'a body that does not',
      spec: http({ body: '^all good' }),
      serve: answer(200, 'not good'),
      healthy: false,
      detail: 'does not match',
    },
    {
      name: 'a pattern beyond the first 64 KiB is not found',
      spec: http({ body: 'end' }),
      serve: answer(200, `${'x'.repeat(100_000)}end`),
      healthy: false,
      detail: 'does not match',
    },
    {
      name: 'path and host are as asked',
      spec: http({ path: '/a?b=c', host: 'www.shop', body: '^/a\\?b=c www.shop$' }),
      serve: (request, response) => void response.end(`${request.url} ${request.headers.host}`),
      healthy: true,
      detail: 'body matches',
    },
  ])('$name', async ({ spec, serve, healthy, detail }) => {
    await using server = await listen(createHttpServer(serve))
    expect(await probe(spec, server.port)).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open()).toBe(0)
  })

  test.each<{ name: string; spec?: HttpCheckSpec; speak: (socket: Socket) => void }>([
    { name: 'a server that accepts and says nothing', speak: () => {} },
    {
      name: 'one that answers too slowly',
      speak: (socket) => void setTimeout(() => socket.write('HTTP/1.1 200 OK\r\n\r\n'), 2 * deadlineMs).unref(),
    },
    { name: 'one that begins an answer and stops', speak: (socket) => void socket.write('HTTP/1.1 200') },
    {
      name: 'one that never ends its body',
      spec: http({ body: 'x' }),
      speak: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab'),
    },
    {
      name: 'one that drips headers for ever',
      speak: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\n')
        const drip = setInterval(() => socket.write('X: y\r\n'), 20)
        socket.on('close', () => clearInterval(drip))
      },
    },
    { name: 'one that resets', speak: (socket) => void socket.resetAndDestroy() },
    { name: 'one that closes at once', speak: (socket) => void socket.end() },
    {
      name: 'one that changes the protocol',
      spec: http({ body: 'x' }),
      speak: (socket) => void socket.write('HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    },
    {
      name: 'one that only ever says: go on',
      speak: (socket) => {
        const drip = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'), 10)
        socket.on('close', () => clearInterval(drip))
      },
    },
    {
      name: 'one whose headers never end',
      speak: (socket) => void socket.write(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}`),
    },
    {
      name: 'one that half-closes without a word',
      speak: (socket) => {
        socket.allowHalfOpen = true
        socket.end()
      },
    },
    {
      name: 'one that breaks off in its body',
      spec: http({ body: 'ab' }),
      speak: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab')
        setTimeout(() => socket.resetAndDestroy(), 20)
      },
    },
    { name: 'one that speaks something else', speak: (socket) => void socket.write('220 mail ready\r\n') },
  ])('$name is not healthy, in time, and no socket is left', async ({ spec = http(), speak }) => {
    await using server = await raw(speak)
    const begun = performance.now()
    expect((await probe(spec, server.port)).healthy).toBe(false)
    expect(performance.now() - begun).toBeLessThan(8 * deadlineMs)
    await expect.poll(() => server.open()).toBe(0)
  })

  test('a closed port is not healthy', async () => {
    expect((await probe(http(), await closedPort())).detail).toContain('ECONNREFUSED')
  })
})

describe('check http with a pattern', () => {
  test('a pattern that backtracks without end is no match, and holds nobody up', async () => {
    await using server = await listen(createHttpServer(answer(200, `${'a'.repeat(60)}!`)))
    const begun = performance.now()
    const result = await probe(http({ body: '^(a+)+$' }), server.port)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('too long') as string })
    expect(performance.now() - begun).toBeLessThan(8 * deadlineMs)
  })

  test('a body that drips is read until its pattern is decided', async () => {
    await using server = await raw((socket) => {
      const parts = ['HTTP/1.1 200 OK\r\n\r\n', 'al', 'l w', 'ell']
      const drip = setInterval(() => {
        const part = parts.shift()
        if (part === undefined) socket.end()
        else socket.write(part)
      }, 5)
      socket.on('close', () => clearInterval(drip))
    })
    expect((await probe(http({ body: '^all well$' }), server.port)).healthy).toBe(true)
  })

  test('a large body is not read to its end', async () => {
    await using server = await raw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nall well')
      const flood = setInterval(() => socket.write('x'.repeat(65_536)), 1)
      socket.on('close', () => clearInterval(flood))
    })
    expect((await probe(http({ body: '^all well' }), server.port)).healthy).toBe(true)
    await expect.poll(() => server.open()).toBe(0)
  })

  test('what cannot be sent is a failed check', async () => {
    for (const spec of [http({ path: '/a b\n' }), http({ host: 'bad\nname' })])
      expect(await probe(spec, 1)).toMatchObject({
        healthy: false,
        detail: expect.stringMatching(/^cannot ask/) as string,
      })
  })
})

describe('check http over TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'baton-tls-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=www.shop',
      '-keyout',
      join(directory, 'key'),
      '-out',
      join(directory, 'cert'),
    ],
    { stdio: 'ignore' },
  )
  const certificate = { key: readFileSync(join(directory, 'key')), cert: readFileSync(join(directory, 'cert')) }
  const serve: RequestListener = (request, response) => {
    const name = (request.socket as TLSSocket & { servername?: string | false }).servername
    response.end(name === false || name === undefined ? 'no name' : name)
  }

  test.each<{ name: string; spec: HttpCheckSpec; healthy: boolean }>([
    {
      name: 'any certificate will do when it is not to be verified',
      spec: http({ tls: { verify: false } }),
      healthy: true,
    },
    { name: 'an unknown one will not when it is', spec: http({ tls: { verify: true } }), healthy: false },
    {
      name: 'the host is the server name',
      spec: http({ host: 'www.shop', body: '^www.shop$', tls: { verify: false } }),
      healthy: true,
    },
    {
      name: 'sni says another',
      spec: http({ host: 'www.shop', body: '^api.shop$', tls: { verify: false, sni: 'api.shop' } }),
      healthy: true,
    },
  ])('$name', async ({ spec, healthy }) => {
    await using server = await listen(createHttpsServer(certificate, serve))
    expect((await probe(spec, server.port)).healthy).toBe(healthy)
  })

  test('a server without TLS is not healthy', async () => {
    await using server = await listen(createHttpServer(answer(200, 'ok')))
    expect((await probe(http({ tls: { verify: false } }), server.port)).healthy).toBe(false)
  })
})
