import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { greatestWeight, rampedWeights } from './slow-start.ts'

const weight = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: greatestWeight }))
const servers = fc.array(
  fc.record({ weight, backMs: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }) }),
  { minLength: 1, maxLength: 6 },
)
const slowStart = fc.integer({ min: 1, max: 60_000 })
const at = (nowMs: number, slowStartMs: number, all: readonly { weight: number; backMs: number | undefined }[]) =>
  rampedWeights(
    all.map(({ weight }) => weight),
    all.map(({ backMs }) => backMs),
    slowStartMs,
    nowMs,
  )

describe('slow start', () => {
  test('a weight of 1 grows beside others of 1', () => {
    const all = [
      { weight: 1, backMs: 1000 },
      { weight: 1, backMs: undefined },
      { weight: 0, backMs: undefined },
    ]
    expect(at(1000, 20_000, all)).toEqual({ weights: [1, 20, 0], nextMs: 2000 })
    expect(at(1999, 20_000, all).weights).toEqual([1, 20, 0])
    expect(at(11_500, 20_000, all)).toEqual({ weights: [10, 20, 0], nextMs: 12_000 })
    expect(at(20_999, 20_000, all)).toEqual({ weights: [19, 20, 0], nextMs: 21_000 })
    expect(at(21_000, 20_000, all)).toEqual({ weights: [1, 1, 0], nextMs: undefined })
  })

  test('large weights are not multiplied, and never beyond what engines take', () => {
    expect(at(0, 20_000, [{ weight: 100, backMs: 0 }]).weights).toEqual([1])
    expect(at(10_000, 20_000, [{ weight: 100, backMs: 0 }]).weights).toEqual([50])
    const all = [
      { weight: 1, backMs: 0 },
      { weight: 60_000, backMs: undefined },
    ]
    expect(at(10_000, 20_000, all).weights).toEqual([1, 60_000])
  })

  test('shares of the others stay, weights only grow, and the end is what is wanted', () => {
    fc.assert(
      fc.property(servers, slowStart, (all, slowStartMs) => {
        const wanted = all.map(({ weight }) => weight)
        let nowMs = 5000
        let before = at(nowMs, slowStartMs, all)
        for (let count = 0; before.nextMs !== undefined; count += 1) {
          expect(before.nextMs).toBeGreaterThan(nowMs)
          expect(count).toBeLessThan(all.length * 20)
          expect(Math.max(...before.weights)).toBeLessThanOrEqual(greatestWeight)
          expect(before.weights.map((one) => one === 0)).toEqual(wanted.map((one) => one === 0))
          const still = all.flatMap(({ backMs }, index) => (backMs === undefined && wanted[index] ? [index] : []))
          const factors = new Set(still.map((index) => (before.weights[index] ?? 0) / (wanted[index] ?? 1)))
          expect(factors.size).toBeLessThanOrEqual(1)
          nowMs = before.nextMs
          const after = at(nowMs, slowStartMs, all)
          const growing = all.filter(({ backMs }) => backMs !== undefined)
          // With one that grows the factor stays until it has arrived.
          if (growing.length === 1 && after.nextMs !== undefined)
            for (const [index, one] of after.weights.entries())
              expect(one).toBeGreaterThanOrEqual(before.weights[index] ?? 0)
          before = after
        }
        expect(before.weights).toEqual(wanted)
      }),
    )
  })

  test('there are ten steps at least, where the weights leave room for them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 100 }), slowStart, (own, other, ms) => {
        const slowStartMs = ms + 100
        const all = [
          { weight: own, backMs: 0 },
          { weight: other, backMs: undefined },
        ]
        const seen = new Set<number | undefined>()
        for (let next: number | undefined = 0; next !== undefined; ) {
          const { weights, nextMs } = at(next, slowStartMs, all)
          if (nextMs !== undefined) seen.add(weights[0])
          next = nextMs
        }
        expect(seen.size).toBeGreaterThanOrEqual(10)
      }),
    )
  })
})
