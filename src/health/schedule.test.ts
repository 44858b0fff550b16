import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FakeTiming, fakeTiming } from './fake-timing.ts'
import { Due, Schedule, tickMs } from './schedule.ts'

class Noted extends Due {
  readonly #onDue: () => void
  constructor(onDue: () => void) {
    super()
    this.#onDue = onDue
  }
  override onDue(): void {
    this.#onDue()
  }
}

function openWorld() {
  const timing: FakeTiming = fakeTiming()
  const schedule = new Schedule(timing)
  const heard: { readonly name: string; readonly atMs: number }[] = []
  const wait = (name: string, atMs: number, then: () => void = () => {}): Due => {
    const due = new Noted(() => {
      heard.push({ name, atMs: timing.now() })
      then()
    })
    schedule.add(due, atMs)
    return due
  }
  return { timing, schedule, heard, wait }
}

describe('schedule', () => {
  test('all that waits is called at its time, in the order of times, those of one tick in the order of asking', async () => {
    const { timing, heard, wait } = openWorld()
    wait('c', 300)
    wait('a', 100)
    wait('b', 100)
    wait('far', 100_000)
    await timing.advance(100_000)
    expect(heard).toEqual([
      { name: 'a', atMs: 100 },
      { name: 'b', atMs: 100 },
      { name: 'c', atMs: 300 },
      { name: 'far', atMs: 100_000 },
    ])
  })

  test('what comes sooner than what is slept for is not late', async () => {
    const { timing, heard, wait } = openWorld()
    wait('later', 5000)
    await timing.advance(1000)
    wait('sooner', 2000)
    await timing.advance(1000)
    expect(heard).toEqual([{ name: 'sooner', atMs: 2000 }])
  })

  test('what is past is done at the next tick; what is added while a tick is done, not in the same one', async () => {
    const { timing, heard, wait } = openWorld()
    wait('first', 50, () => wait('second', 0))
    await timing.advance(1000)
    expect(heard).toEqual([
      { name: 'first', atMs: 50 },
      { name: 'second', atMs: 50 + tickMs },
    ])
  })

  test('after a stall what is due again at once lets others have their turn', async () => {
    const timing = fakeTiming()
    const skew = { ms: 0 }
    const schedule = new Schedule({ ...timing, now: () => timing.now() + skew.ms })
    let calls = 0
    const again: Due = new Noted(() => {
      calls += 1
      schedule.add(again, 0)
    })
    schedule.add(again, 0)
    skew.ms = 5000
    await timing.advance(tickMs)
    expect(calls).toBeLessThan(4)
    await schedule[Symbol.asyncDispose]()
  })

  test('what one drops when it is called is not called, though it was due with it', async () => {
    const { timing, schedule, heard, wait } = openWorld()
    let second: Due | undefined
    wait('first', 100, () => second !== undefined && schedule.remove(second))
    second = wait('second', 100)
    await timing.advance(1000)
    expect(heard.map(({ name }) => name)).toEqual(['first'])
  })

  test('nothing is slept for when nothing waits, and the end does not wait', async () => {
    const { timing, schedule, wait } = openWorld()
    const due = wait('never', 100_000)
    await timing.advance(0)
    expect(timing.pending()).toBe(1)
    schedule.remove(due)
    schedule.remove(due)
    await timing.advance(0)
    expect(timing.pending()).toBe(0)
    wait('cut off', 100)
    await schedule[Symbol.asyncDispose]()
    expect(timing.pending()).toBe(0)
  })

  test('every wait that is not dropped ends within a tick of its time, whatever is added, moved and dropped', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), one: fc.nat(9), afterMs: fc.oneof(fc.nat(400), fc.nat(40_000)) }),
      fc.record({ kind: fc.constant('remove' as const), one: fc.nat(9), afterMs: fc.constant(0) }),
      fc.record({
        kind: fc.constant('pass' as const),
        one: fc.constant(0),
        afterMs: fc.oneof(fc.nat(50), fc.nat(20_000)),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const timing = fakeTiming()
        const schedule = new Schedule(timing)
        const wanted = new Map<number, number>()
        const wrong: string[] = []
        const dues = Array.from(
          { length: 10 },
          (_, one) =>
            new Noted(() => {
              const atMs = wanted.get(one)
              wanted.delete(one)
              const late = atMs === undefined ? Number.NaN : timing.now() - atMs
              if (!(late >= 0 && late <= tickMs)) wrong.push(`${one} at ${timing.now()}, wanted at ${atMs}`)
            }),
        )
        for (const { kind, one, afterMs } of steps) {
          const due = dues[one] as Due
          if (kind === 'pass') await timing.advance(afterMs)
          else if (kind === 'remove') {
            wanted.delete(one)
            schedule.remove(due)
          } else {
            wanted.set(one, timing.now() + afterMs)
            schedule.add(due, timing.now() + afterMs)
          }
        }
        await timing.advance(60_000)
        expect(wrong).toEqual([])
        expect(wanted.size).toBe(0)
        expect(timing.pending()).toBe(0)
      }),
      { numRuns: 40 },
    )
  })
})
