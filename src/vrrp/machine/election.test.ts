import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { router } from '../../../test/build/vrrp.ts'
import { VirtualLink } from '../../../test/build/vrrp-link.ts'
import type { RouterConfig } from './config.ts'
import { masterDownMs } from './timers.ts'

const machines = (...priorities: number[]): RouterConfig[][] => priorities.map((priority) => [router({ priority })])

describe('an election', () => {
  test.each([
    { name: 'the highest priority', priorities: [100, 150, 120], winner: 1 },
    { name: 'of equal priorities the greater address', priorities: [100, 100, 100], winner: 2 },
    { name: 'the owner', priorities: [254, 255, 254], winner: 1 },
  ])('$name wins', ({ priorities, winner }) => {
    const link = new VirtualLink(machines(...priorities))
    link.weather = { loss: () => false, delayMs: () => 5 }
    for (const at of priorities.keys()) link.do(at, { kind: 'start' })
    link.pass(10_000)
    expect(link.masters()).toEqual([winner])
  })

  test.each([
    { version: 2 as const, intervalMs: 1000, priority: 100 },
    { version: 3 as const, intervalMs: 1000, priority: 100 },
    { version: 3 as const, intervalMs: 100, priority: 1 },
    { version: 3 as const, intervalMs: 10, priority: 200 },
  ])('version $version, $intervalMs ms: after a kill the next takes over by the formula', (changes) => {
    const link = new VirtualLink([[router({ ...changes, priority: 254 })], [router(changes)]])
    link.do(0, { kind: 'start' })
    link.do(1, { kind: 'start' })
    link.pass(20_000)
    expect(link.masters()).toEqual([0])
    // The last advertisement was sent within one interval before.
    link.kill(0)
    const killedMs = link.nowMs
    while (link.masters().length === 0) link.pass(1)
    const most = masterDownMs(router(changes), changes.priority, changes.intervalMs)
    expect(link.nowMs - killedMs).toBeLessThanOrEqual(most + 1)
    expect(link.nowMs - killedMs).toBeGreaterThanOrEqual(most - changes.intervalMs)
  })

  test('a handed-over router is followed after the skew alone', () => {
    const link = new VirtualLink(machines(150, 100))
    link.do(0, { kind: 'start' })
    link.do(1, { kind: 'start' })
    link.pass(10_000)
    link.do(0, { kind: 'yield' })
    link.pass(609)
    expect(link.masters()).toEqual([])
    link.pass(1)
    expect(link.masters()).toEqual([1])
    link.pass(60_000)
    expect(link.masters()).toEqual([1])
    link.do(0, { kind: 'resume' })
    link.pass(10_000)
    expect(link.masters()).toEqual([0])
  })
})

type Act = {
  readonly machine: number
  readonly kind: 'start' | 'stop' | 'kill' | 'cut' | 'join' | 'yield' | 'resume' | 'fault' | 'well'
  readonly waitMs: number
}
const acts = (count: number): fc.Arbitrary<Act[]> =>
  fc.array(
    fc.record({
      machine: fc.integer({ min: 0, max: count - 1 }),
      kind: fc.constantFrom('start', 'stop', 'kill', 'cut', 'join', 'yield', 'resume', 'fault', 'well'),
      waitMs: fc.integer({ min: 0, max: 3000 }),
    }),
    { maxLength: 40 },
  )

function play(link: VirtualLink, { machine, kind }: Act, priority: number): void {
  if (kind === 'kill') link.kill(machine)
  else if (kind === 'cut' || kind === 'join') link.cut(machine, kind === 'cut')
  else if (kind === 'fault') link.do(machine, { kind: 'tracked', priority, faults: ['a is ill'] })
  else if (kind === 'well') link.do(machine, { kind: 'tracked', priority, faults: [] })
  else link.do(machine, { kind })
}

const worlds = fc.integer({ min: 2, max: 4 }).chain((count) =>
  fc.record({
    priorities: fc.array(fc.integer({ min: 1, max: 254 }), { minLength: count, maxLength: count }),
    groups: fc.integer({ min: 1, max: 2 }),
    preempts: fc.boolean(),
    preemptDelayMs: fc.constantFrom(0, 2000),
    answersLower: fc.boolean(),
    intervalMs: fc.constantFrom(100, 1000),
    acts: acts(count),
    lossPercent: fc.integer({ min: 0, max: 90 }),
    latestMs: fc.integer({ min: 0, max: 3000 }),
    chances: fc.infiniteStream(fc.integer({ min: 0, max: 99 })),
  }),
)

describe('whatever has happened', () => {
  test('once messages flow there is one master for an id, and the addresses are where it is', () => {
    fc.assert(
      fc.property(worlds, ({ priorities, groups, acts, lossPercent, latestMs, chances, ...rest }) => {
        const { intervalMs } = rest
        const members = (priority: number): RouterConfig[] =>
          Array.from({ length: groups }, (_, at) =>
            router({ ...rest, name: `r${at}`, priority, isGrouped: groups > 1 }),
          )
        const link = new VirtualLink(priorities.map(members))
        const chance = (): number => chances.next().value as number
        link.weather = { loss: () => chance() < lossPercent, delayMs: () => (latestMs * chance()) / 100 }
        for (const act of acts) {
          play(link, act, priorities[act.machine] ?? 1)
          link.pass(act.waitMs)
        }
        // From here on every packet comes, in 5 ms.
        link.weather = { loss: () => false, delayMs: () => 5 }
        for (const machine of priorities.keys()) {
          link.cut(machine, false)
          link.do(machine, { kind: 'tracked', priority: priorities[machine] ?? 1, faults: [] })
          link.do(machine, { kind: 'resume' })
          link.do(machine, { kind: 'start' })
        }
        link.pass(latestMs + 10 * (3 * intervalMs + 1000))
        const masters = link.masters()
        expect(masters).toHaveLength(1)
        // Nothing changes any more, and at no moment are there two.
        link.pass(20 * intervalMs, () => {
          expect(link.masters()).toEqual(masters)
          if (groups > 1) expect(link.masters(1)).toEqual(masters)
        })
        if (rest.preempts) expect(priorities[masters[0] ?? 0]).toBe(Math.max(...priorities))
        expect(link.wrongs).toEqual([])
      }),
      { numRuns: 150 },
    )
  })
})
