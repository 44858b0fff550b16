import { describe, expect, test } from 'vitest'
import { openDescriptors, probe } from '../../../test/build/servers.ts'
import { type EchoSocket, openEchoSocket } from '../../os/icmp.ts'
import { pingProbe } from './ping.ts'

/** Why there is no ping here; undefined when there is. */
function whyNot(): string | undefined {
  try {
    openEchoSocket('127.0.0.1').close()
    return undefined
  } catch (error) {
    return String(error)
  }
}

const reason = whyNot()
if (reason !== undefined) console.warn(`check ping is not tested: ${reason}`)

describe.skipIf(reason !== undefined)('check ping', () => {
  test.each(['127.0.0.1', '127.1.2.3', '::1'])('%s echoes', async (address) => {
    const before = openDescriptors()
    expect(await probe({ kind: 'ping' }, 0, address)).toMatchObject({ healthy: true, detail: 'echoed' })
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })

  test.each([0, 1, 1400, 60_000])('with %i bytes', async (bytes) => {
    expect((await probe({ kind: 'ping', bytes }, 0, '127.0.0.1', 2000)).healthy).toBe(true)
  })

  test('many at once are told apart', async () => {
    const addresses = Array.from({ length: 50 }, (_, index) => `127.0.1.${index + 1}`)
    const before = openDescriptors()
    const results = await Promise.all(addresses.map((address) => probe({ kind: 'ping' }, 0, address, 2000)))
    expect(results.filter(({ healthy }) => healthy)).toHaveLength(50)
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })

  test.each(['0.0.0.1', '255.255.255.255'])('%s cannot be reached', async (address) => {
    const before = openDescriptors()
    expect(await probe({ kind: 'ping' }, 0, address)).toMatchObject({ healthy: false })
    expect(openDescriptors()).toBeLessThanOrEqual(before)
  })
})

/** Echoes the `echoing`th of what it was sent; before that it has errors for each `failing`th. */
function lossySocket(
  echoing: number,
  failing?: number,
): { open: () => EchoSocket; sent: number[]; closed: () => number } {
  const sent: number[] = []
  let closed = 0
  const open = (): EchoSocket => ({
    kind: 'datagram',
    send() {
      sent.push(performance.now())
      if (failing !== undefined && sent.length % failing === 0) throw new Error('EHOSTUNREACH')
    },
    receive: () => sent.length >= echoing,
    close: () => void (closed += 1),
  })
  return { open, sent, closed: () => closed }
}

describe('check ping with attempts', () => {
  const run = (attempts: number, socket: ReturnType<typeof lossySocket>, timeoutMs = 120) =>
    pingProbe({ kind: 'ping', attempts }, socket.open)(
      { address: '127.0.0.1', port: 0 },
      { signal: AbortSignal.timeout(timeoutMs), timeoutMs },
    )

  test('asks again after each share of the time, until an echo comes', async () => {
    const socket = lossySocket(3)
    expect(await run(3, socket)).toMatchObject({ healthy: true, detail: 'echoed' })
    const [first = 0, second = 0, third = 0] = socket.sent
    expect(second - first).toBeGreaterThanOrEqual(39)
    expect(third - first).toBeGreaterThanOrEqual(79)
    expect(socket.closed()).toBe(1)
  })

  test('asks no more often than it may, and says how often', async () => {
    const socket = lossySocket(4)
    expect(await run(3, socket)).toMatchObject({
      healthy: false,
      detail: 'no echo from 127.0.0.1 in time, asked 3 times',
    })
    expect(socket.sent).toHaveLength(3)
    expect(socket.closed()).toBe(1)
  })

  test('an error ends only the last attempt', async () => {
    expect(await run(3, lossySocket(3, 2))).toMatchObject({ healthy: true })
    const socket = lossySocket(9, 1)
    expect(await run(3, socket, 1000)).toMatchObject({ healthy: false, detail: '127.0.0.1: EHOSTUNREACH' })
    expect(socket.sent).toHaveLength(3)
  })
})
