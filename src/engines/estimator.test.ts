import { describe, expect, test } from 'vitest'
import { noCounters } from './engine.ts'
import { Estimator } from './estimator.ts'

/** The kernel's own arithmetic, in 64-bit integers: an average in fixed point, and how it is rounded when shown. */
function kernelRates(deltas: readonly number[], shift: bigint, scale: bigint): number[] {
  let average = 0n
  return deltas.map((delta) => {
    average += ((BigInt(delta) << shift) - average) >> 2n
    return Number((average + (1n << (scale - 1n)) - 1n) >> scale)
  })
}

describe('estimator', () => {
  test.each([
    { name: 'a steady stream', deltas: Array.from({ length: 40 }, () => 200) },
    { name: 'a burst that fades', deltas: [100_000, ...Array.from({ length: 60 }, () => 0)] },
    { name: 'one packet', deltas: [1, 0, 0, 0, 0] },
    { name: 'ten gigabits a second', deltas: Array.from({ length: 20 }, () => 2_500_000_000) },
    { name: 'up and down', deltas: [3, 700, 0, 12, 99_999, 1, 0, 5] },
  ])('follows $name as the kernel does', ({ deltas }) => {
    const estimator = new Estimator()
    let sum = 0
    const seen = deltas.map((delta) => {
      sum += delta
      estimator.step({ ...noCounters, packetsIn: sum, bytesOut: sum })
      return estimator.rates
    })
    expect(seen.map(({ packetsIn }) => packetsIn)).toEqual(kernelRates(deltas, 9n, 10n))
    expect(seen.map(({ bytesOut }) => bytesOut)).toEqual(kernelRates(deltas, 4n, 5n))
    for (let step = 0; step < 200; step++) estimator.step({ ...noCounters, packetsIn: sum, bytesOut: sum })
    expect(estimator.isStill).toBe(true)
  })
})
