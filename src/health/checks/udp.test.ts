import { createSocket } from 'node:dgram'
import { describe, expect, test } from 'vitest'
import { datagramServer, deadlineMs, openDescriptors, probe } from '../../../test/build/servers.ts'
import type { UdpCheckSpec } from '../check.ts'

const udp = (changes: Partial<UdpCheckSpec> = {}): UdpCheckSpec => ({ kind: 'udp', ...changes })

/** A port that refuses. */
async function refusingPort(address = '127.0.0.1'): Promise<number> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  await new Promise<void>((resolve) => socket.bind(0, address, resolve))
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return port
}

describe('check udp', () => {
  test.each<{ name: string; spec: UdpCheckSpec; answers?: string; healthy: boolean; detail: string }>([
    { name: 'silence is up', spec: udp(), healthy: true, detail: 'not refused' },
    { name: 'any answer is up', spec: udp(), answers: 'x', healthy: true, detail: 'answered' },
    {
      name: 'silence is down where an answer is expected',
      spec: udp({ expect: { pattern: '' } }),
      healthy: false,
      detail: 'no answer',
    },
    {
      name: 'the expected answer',
      spec: udp({ sendHex: '70696e67', expect: { pattern: '^pong ping$' } }),
      answers: 'pong',
      healthy: true,
      detail: 'answered 9 bytes',
    },
    {
      name: 'another answer',
      spec: udp({ expect: { pattern: '^pong$' } }),
      answers: 'no',
      healthy: false,
      detail: 'not the expected one: no',
    },
    {
      name: 'bytes, some of them any',
      spec: udp({ expect: { hex: '706Fxx6x' } }),
      answers: 'pong',
      healthy: true,
      detail: 'answered',
    },
    {
      name: 'other bytes',
      spec: udp({ expect: { hex: '7070' } }),
      answers: 'pong',
      healthy: false,
      detail: 'not the expected one',
    },
    {
      name: 'too few bytes',
      spec: udp({ expect: { hex: '706f6e670000' } }),
      answers: 'pong',
      healthy: false,
      detail: 'not the expected one',
    },
    { name: 'too short', spec: udp({ minimumBytes: 9 }), answers: 'pong', healthy: false, detail: 'has 5 bytes' },
    { name: 'too long', spec: udp({ maximumBytes: 2 }), answers: 'pong', healthy: false, detail: 'has 5 bytes' },
    {
      name: 'a pattern that backtracks without end',
      spec: udp({ expect: { pattern: '^(a+)+$' } }),
      answers: `${'a'.repeat(60)}!`,
      healthy: false,
      detail: 'too long',
    },
  ])('$name', async ({ spec, answers, healthy, detail }) => {
    const said = (message: Buffer): string | undefined => answers && `${answers} ${message.toString()}`
    await using server = await datagramServer(said)
    const before = openDescriptors()
    expect(await probe(spec, server.port)).toMatchObject({
      healthy,
      detail: expect.stringContaining(detail) as string,
    })
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  test.each(['127.0.0.1', '::1'])('a refusal of %s is down, at once', async (address) => {
    for (const spec of [udp(), udp({ sendHex: '00', expect: { pattern: '' } })]) {
      const result = await probe(spec, await refusingPort(address), address)
      expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string })
      expect(result.tookMs).toBeLessThan(deadlineMs)
    }
  })

  test('an address to which nothing may be sent is down', async () => {
    const result = await probe(udp(), 9, '255.255.255.255')
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('EACCES') as string })
  })

  test('an answer that comes too late is none', async () => {
    await using server = await datagramServer((_message, from, socket) => {
      setTimeout(() => socket.send('late', from.port, from.address), 2 * deadlineMs).unref()
      return undefined
    })
    expect((await probe(udp({ expect: { pattern: 'late' } }), server.port)).healthy).toBe(false)
    // The late answer finds the server's socket open, not ours.
    await new Promise((resolve) => setTimeout(resolve, 2 * deadlineMs))
  })
})
