/** What every check over TCP must stand: servers that refuse, are silent, slow, half-open, break off or talk nonsense. */
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { closedPort, deadlineMs, openDescriptors, probe, raw } from '../../../test/build/servers.ts'
import type { ProbeSpec } from '../check.ts'

type Misbehaviour = { readonly name: string; readonly speak: (socket: Socket) => void }

const every = (ms: number, socket: Socket, speak: () => void): void => {
  const timer = setInterval(speak, ms)
  socket.on('close', () => clearInterval(timer))
}

const misbehaviours: readonly Misbehaviour[] = [
  { name: 'accepts and says nothing', speak: () => {} },
  { name: 'resets', speak: (socket) => void socket.resetAndDestroy() },
  {
    name: 'resets when it is spoken to',
    speak: (socket) => void socket.once('data', () => socket.resetAndDestroy()),
  },
  { name: 'closes at once', speak: (socket) => void socket.end() },
  {
    name: 'half-closes without a word',
    speak: (socket) => {
      socket.allowHalfOpen = true
      socket.end()
    },
  },
  { name: 'says one byte and stops', speak: (socket) => void socket.write('\x01') },
  { name: 'drips without end', speak: (socket) => every(10, socket, () => socket.write('\x01')) },
  { name: 'floods without a line end', speak: (socket) => every(1, socket, () => socket.write('\x01'.repeat(65_536))) },
  { name: 'talks of something else', speak: (socket) => void socket.write('\x01\x02 nothing of yours\r\n\r\n') },
]

/** `slowly`: what a well server says, which comes too late here; left out when it depends on the question. */
export function standsMisbehaviour(spec: ProbeSpec, { slowly }: { readonly slowly?: string | Buffer } = {}): void {
  const all =
    slowly === undefined
      ? misbehaviours
      : [
          ...misbehaviours,
          {
            name: 'answers too late',
            speak: (socket: Socket) => void setTimeout(() => socket.write(slowly), 2 * deadlineMs).unref(),
          },
        ]
  describe(`check ${spec.kind}: a server is not healthy, in time, and nothing is left open, when it`, () => {
    test.each(all)('$name', async ({ speak }) => {
      await using server = await raw(speak)
      const before = openDescriptors()
      const begun = performance.now()
      const result = await probe(spec, server.port)
      expect(result).toMatchObject({ healthy: false, detail: expect.stringMatching(/./) as string })
      expect(performance.now() - begun).toBeLessThan(8 * deadlineMs)
      await expect.poll(() => server.open()).toBe(0)
      await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    })

    test('refuses', async () => {
      const result = await probe(spec, await closedPort())
      expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string })
    })

    test('is not even asked, as the time is over', async () => {
      await using server = await raw(() => {})
      expect((await probe(spec, server.port, '127.0.0.1', 0)).healthy).toBe(false)
      await expect.poll(() => server.open()).toBe(0)
    })
  })
}
