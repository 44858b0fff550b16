import type { Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { InfraError } from '../../errors.ts'
import { fakeHost } from '../../hosts/fake/fake.ts'
import type { Host } from '../../hosts/host.ts'
import { withQmp } from './qmp.ts'

const path = '/run/qmp'
const soon = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5000) })
const greeting = '{"QMP": {"version": {}, "capabilities": []}}\r\n'

/** A QEMU that answers each command with what `answer` says. */
function qemu(answer: (command: { execute: string; id: number }, stream: Duplex) => void, hello = greeting): Host {
  const host = fakeHost()
  host.listen(path, (stream) => {
    stream.write(hello)
    stream.on('data', (chunk: Buffer) => {
      for (const line of chunk
        .toString()
        .split('\n')
        .filter((text) => text !== ''))
        answer(JSON.parse(line) as { execute: string; id: number }, stream)
    })
  })
  return host
}

const reply = (stream: Duplex, id: number, value: unknown): void =>
  void stream.write(`${JSON.stringify({ return: value, id })}\r\n`)

describe('qmp client', () => {
  test('answers find their commands among events and strangers', async () => {
    const host = qemu(({ execute, id }, stream) => {
      stream.write('{"event": "RTC_CHANGE", "data": {}}\r\n')
      reply(stream, id + 100, 'for somebody else')
      reply(stream, id, `did ${execute}`)
    })
    const got = await withQmp(host, path, soon(), async (qmp) => [await qmp.execute('stop'), await qmp.monitor('info')])
    expect(got).toEqual(['did stop', 'did human-monitor-command'])
  })

  test("QEMU's refusal is told in its words", async () => {
    const host = qemu(({ execute, id }, stream) => {
      if (execute === 'qmp_capabilities') return reply(stream, id, {})
      stream.write(`{"error": {"class": "GenericError", "desc": "no such thing"}, "id": ${id}}\r\n`)
    })
    const failing = withQmp(host, path, soon(), (qmp) => qmp.execute('cont'))
    await expect(failing).rejects.toMatchObject({ code: 'failed', message: 'cont: no such thing' })
  })

  test.each([
    { name: 'a process that ends in the middle', hello: greeting, end: true, code: 'unreachable' },
    { name: 'a peer that speaks another protocol', hello: 'HTTP/1.1 400 Bad Request\r\n', end: false, code: 'failed' },
    { name: 'a peer that says nothing', hello: '', end: false, code: 'timeout' },
  ])('$name is $code', async ({ hello, end, code }) => {
    const host = qemu((_command, stream) => end && stream.end(), hello)
    const failing = withQmp(host, path, { ...soon(), patienceMs: 50 }, (qmp) => qmp.execute('stop'))
    await expect(failing).rejects.toMatchObject({ code })
  })

  test('a socket that nobody made is not-found, and a cancelled caller is cancelled', async () => {
    await expect(withQmp(fakeHost(), path, soon(), async () => 1)).rejects.toMatchObject({ code: 'not-found' })
    const controller = new AbortController()
    const host = qemu(() => controller.abort())
    const failing = withQmp(host, path, { signal: controller.signal }, async () => 1)
    await expect(failing).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('a full queue is waited for', async () => {
    const host = qemu(({ id }, stream) => reply(stream, id, 'at last'))
    let refusals = 3
    const crowded: Host = {
      ...host,
      connect: async (socket, options) => {
        if (refusals-- > 0) throw new InfraError('busy', 'connect: EAGAIN', { subject: socket, retryable: true })
        return host.connect(socket, options)
      },
    }
    expect(await withQmp(crowded, path, soon(), (qmp) => qmp.execute('stop'))).toBe('at last')
  })
})
