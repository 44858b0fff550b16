import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildFlow, drawing, Scheduling, type SchedulingOptions, withWeights } from '../../../test/build/scheduling.ts'
import { type SchedulerName, schedulerNames } from '../service.ts'
import type { Flow } from './scheduler.ts'

const flowOf = (client: number, atMs = 0): Flow =>
  buildFlow({
    source: `198.51.${client >> 8}.${client & 255}`,
    destination: `10.60.${client >> 8}.${client & 255}`,
    atMs,
  })

/** What picks by the flow may answer none though somebody is usable: the kernel does. */
const byFlow: readonly SchedulerName[] = ['dh', 'sh', 'mh']
/** These keep a destination with its server though that one is over its threshold. */
const stickyOverThreshold: readonly SchedulerName[] = ['lblc']
const options = (): SchedulingOptions => ({ random: drawing(), flags: ['sh-fallback', 'mh-fallback'] })

type Step = {
  readonly kind: 'add' | 'edit' | 'remove' | 'overload' | 'pick'
  readonly n: number
  readonly weight: number
}
const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('add', 'edit', 'remove', 'overload', 'pick', 'pick', 'pick'),
    n: fc.nat(600),
    weight: fc.nat(12),
  }),
  { maxLength: 60 },
)

describe.each(schedulerNames)('scheduler %s', (name) => {
  test('gives nothing when there is no server, or none with a weight', () => {
    expect(new Scheduling(name, options()).picks(2)).toEqual(['none', 'none'])
    expect(withWeights(name, [0, 0], options()).picks(3)).toEqual(['none', 'none', 'none'])
  })

  test('gives nothing while all are overloaded and goes on afterwards', () => {
    const made = withWeights(name, [2, 1], options())
    const picksOf = (): (number | 'none')[] => Array.from({ length: 20 }, (_, client) => made.pick(flowOf(client)))
    for (const server of [2, 3]) made.set(server, { overloaded: true })
    expect(picksOf()).toEqual(Array(20).fill('none'))
    made.set(2, { overloaded: false })
    // ovf stops when it has three active connections for a weight of two.
    const isOvf = name === 'ovf'
    const expected = name === 'dh' ? [2, 'none'] : isOvf ? [2, 'none'] : [2]
    expect([...new Set(picksOf())].sort()).toEqual(expected)
  })

  test('never gives a server that is not usable, through any changes; and gives one if there is one', () => {
    const isSticky = stickyOverThreshold.includes(name)
    fc.assert(
      fc.property(steps, (all) => {
        const made = new Scheduling(name, { ...options(), counts: 'none' })
        let next = 2
        for (const { kind, n, weight } of all) {
          const server = made.list[n % Math.max(made.list.length, 1)]
          if (kind === 'add') made.add(next++, weight)
          else if (kind === 'pick') {
            const usable = made.list.filter((s) => s.weight > 0 && (isSticky || !s.overloaded)).map((s) => s.name)
            const sure = made.list.filter((s) => s.weight > 0 && !s.overloaded)
            const picked = made.pick(flowOf(n))
            if (picked !== 'none') expect(usable).toContain(picked)
            // Without fallback dh may give none, and mh's rehashing may miss the few slots of one.
            else if (!byFlow.includes(name)) expect(sure).toEqual([])
          } else if (server === undefined) continue
          else if (kind === 'remove') made.remove(server.name)
          else if (kind === 'edit') made.edit(server.name, weight)
          else made.set(server.name, { overloaded: !server.overloaded })
        }
      }),
      { numRuns: 500 },
    )
  })

  test('never gives a server that was already tried', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 6 }),
        fc.nat(600),
        (weights, client) => {
          const made = withWeights(name, weights, options())
          const tried: (number | 'none')[] = []
          for (let turn = 0; turn <= weights.length; turn++) {
            const picked = made.pick(flowOf(client))
            if (picked === 'none') break
            expect(tried).not.toContain(picked)
            tried.push(picked)
            made.set(picked, { isTried: true, overloaded: true })
          }
          if (!byFlow.includes(name)) expect(tried.length).toBe(weights.length)
        },
      ),
    )
  })

  test('shares connections that stay out by weight, or as is its way', () => {
    const made = withWeights(name, [5, 1, 3], options())
    const picks = Array.from({ length: 9000 }, (_, client) => made.pick(flowOf(client)))
    const share = [2, 3, 4].map((server) => picks.filter((pick) => pick === server).length / 1000)
    const even = [3, 3, 3]
    const byWeight = [5, 1, 3]
    const ways: { [Name in SchedulerName]: { share: readonly number[]; within: number } } = {
      rr: { share: even, within: 0 },
      lc: { share: even, within: 0 },
      dh: { share: even, within: 0.3 },
      wrr: { share: byWeight, within: 0 },
      wlc: { share: byWeight, within: 0 },
      sed: { share: byWeight, within: 0.01 },
      nq: { share: byWeight, within: 0.01 },
      lblc: { share: byWeight, within: 0 },
      lblcr: { share: byWeight, within: 0 },
      sh: { share: byWeight, within: 0.4 },
      mh: { share: byWeight, within: 0.4 },
      twos: { share: byWeight, within: 1 },
      fo: { share: [9, 0, 0], within: 0 },
      ovf: { share: [0.006, 0.002, 0.004], within: 0 },
    }
    const { share: expected, within } = ways[name]
    share.forEach((part, at) => {
      expect(Math.abs(part - (expected[at] ?? 0)), `${name}: ${share.join()}`).toBeLessThanOrEqual(within)
    })
  })
})
