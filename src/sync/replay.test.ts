import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReplayGuard, toleranceMs } from './replay.ts'

const now = 1_700_000_000_000n
const at = (number: number, over: { sender?: bigint; time?: bigint } = {}) => ({
  sender: 1n,
  time: now,
  number: BigInt(number),
  ...over,
})

describe('datagrams that have been heard', () => {
  test('each is taken once, also those that come late', () => {
    const guard = new ReplayGuard()
    expect([0, 2, 1, 1, 5, 2, 0, 3].map((number) => guard.admits(at(number), now))).toEqual(
      [true, true, true, false, true, false, false, true], // biome-ignore format: as above
    )
  })

  test('what is older than the window is not', () => {
    const guard = new ReplayGuard()
    guard.admits(at(5000), now)
    expect(guard.admits(at(5000 - 1023), now)).toBe(true)
    expect(guard.admits(at(5000 - 1024), now)).toBe(false)
  })

  test('a jump forgets nothing that is within the window', () => {
    const guard = new ReplayGuard()
    guard.admits(at(10), now)
    guard.admits(at(500), now)
    expect(guard.admits(at(10), now)).toBe(false)
    guard.admits(at(9000), now)
    expect(guard.admits(at(8999), now)).toBe(true)
    expect(guard.admits(at(9000), now)).toBe(false)
  })

  test('any order of any numbers: none twice', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 3000 }), { maxLength: 200 }), (numbers) => {
        const guard = new ReplayGuard()
        const taken = numbers.filter((number) => guard.admits(at(number), now))
        expect(new Set(taken).size).toBe(taken.length)
        expect(taken).toEqual(expect.arrayContaining([...(numbers.length > 0 ? [Math.max(...numbers)] : [])]))
      }),
    )
  })

  test('a clock that is too far away is not believed', () => {
    const guard = new ReplayGuard()
    expect(guard.admits(at(1, { time: now - toleranceMs - 1n }), now)).toBe(false)
    expect(guard.admits(at(1, { time: now + toleranceMs + 1n }), now)).toBe(false)
    expect(guard.admits(at(1, { time: now - toleranceMs }), now)).toBe(true)
  })

  test('senders are bounded, and forgotten only when nothing of theirs is good any more', () => {
    const guard = new ReplayGuard()
    const say = (sender: number, when: bigint) => guard.admits(at(1, { sender: BigInt(sender), time: when }), when)
    for (let sender = 0; sender < 100; sender++) expect(say(sender, now)).toBe(sender < 64)
    expect(guard.senders).toBe(64)
    expect(say(200, now + toleranceMs)).toBe(false)
    expect(say(201, now + toleranceMs + 1n)).toBe(true)
    expect(guard.senders).toBe(1)
    // Its old datagrams are too old for themselves.
    expect(guard.admits(at(1, { sender: 3n, time: now }), now + toleranceMs + 1n)).toBe(false)
  })
})
