import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareRatios } from './ratio.ts'

const sign = (value: number): number => (value < 0 ? -1 : value > 0 ? 1 : 0)

const exactly = (a: number, b: number, c: number, d: number): number => {
  const difference = BigInt(a) * BigInt(d) - BigInt(c) * BigInt(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

describe('ratios', () => {
  test('compare as whole numbers of any size do', () => {
    const above = fc.oneof(fc.nat(2 ** 31 - 1), fc.maxSafeNat())
    const below = fc.integer({ min: 1, max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(above, below, above, below, fc.integer({ min: -2, max: 2 }), (a, b, c, d, nudge) => {
        expect(sign(compareRatios(a, b, c, d))).toBe(exactly(a, b, c, d))
        // Nearly the same ratio, where rounding would be felt.
        const near = Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, Math.round((a / b) * d) + nudge))
        expect(sign(compareRatios(a, b, near, d))).toBe(exactly(a, b, near, d))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    { a: 257 * 2 ** 23, b: 2 ** 31 - 1, c: 257 * 2 ** 23, d: 2 ** 31 - 1, expected: 0 },
    { a: 257 * 2 ** 23 + 1, b: 2 ** 31 - 1, c: 257 * 2 ** 23, d: 2 ** 31 - 1, expected: 1 },
    { a: 2 ** 52, b: 2 ** 31 - 2, c: 2 ** 52, d: 2 ** 31 - 1, expected: 1 },
    { a: 0, b: 2 ** 31 - 1, c: 2 ** 52, d: 2 ** 31 - 1, expected: -1 },
    { a: 6e15, b: 3, c: 4e15, d: 2, expected: 0 },
  ])('$a/$b against $c/$d is $expected', ({ a, b, c, d, expected }) => {
    expect(sign(compareRatios(a, b, c, d))).toBe(expected)
  })
})
