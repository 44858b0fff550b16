import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isOverloaded } from './thresholds.ts'

/** The connection counts of a server in turn, with whether it is closed after each. */
const run = (upperThreshold: number, lowerThreshold: number, counts: readonly number[]): boolean[] => {
  let was = false
  return counts.map((count) => {
    was = isOverloaded(was, count, { upperThreshold, lowerThreshold })
    return was
  })
}

describe('thresholds', () => {
  test.each([
    { name: 'without an upper threshold it is never closed', upper: 0, lower: 0, counts: [1e9], closed: [false] },
    { name: 'it closes at the upper', upper: 3, lower: 0, counts: [1, 2, 3], closed: [false, false, true] },
    { name: 'of 3 it reopens below 3', upper: 3, lower: 0, counts: [3, 2], closed: [true, false] },
    { name: 'of 8 it reopens below 6', upper: 8, lower: 0, counts: [8, 7, 6, 5], closed: [true, true, true, false] },
    { name: 'of 1 it reopens at 0', upper: 1, lower: 0, counts: [1, 0], closed: [true, false] },
    {
      name: 'with a lower it reopens below that',
      upper: 3,
      lower: 1,
      counts: [3, 2, 1, 0, 2],
      closed: [true, true, true, false, false],
    },
  ])('$name', ({ upper, lower, counts, closed }) => {
    expect(run(upper, lower, counts)).toEqual(closed)
  })

  test('between the thresholds it stays as it was', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.nat(1000),
        fc.nat(2000),
        fc.boolean(),
        (upper, lower, count, was) => {
          const now = isOverloaded(was, count, { upperThreshold: upper, lowerThreshold: Math.min(lower, upper) })
          if (count >= upper) expect(now).toBe(true)
          else if (!was) expect(now).toBe(false)
          // The older kernels' words for it.
          else if (lower === 0) expect(now).toBe(!(4 * count < 3 * upper))
          else expect(now).toBe(count >= Math.min(lower, upper))
        },
      ),
    )
  })
})
