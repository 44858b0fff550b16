import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isInfraError } from '../../errors.ts'
import { type Region, Regions } from './regions.ts'

describe('regions', () => {
  test('what is given back is used again only after it has settled', () => {
    const regions = new Regions(10)
    const first = regions.take(10)
    regions.rest(first)
    expect(() => regions.take(1)).toThrow()
    regions.settle()
    expect(regions.take(10)).toEqual(first)
  })

  test('a region that stands already is not given out', () => {
    const regions = new Regions(10)
    regions.keep({ from: 2, length: 3 })
    expect(regions.take(2)).toEqual({ from: 0, length: 2 })
    expect(regions.take(5)).toEqual({ from: 5, length: 5 })
    expect(() => regions.take(1)).toThrow()
  })

  test('through any use no two that stand overlap, and in the end all is free in one piece', () => {
    const step = fc.record({ length: fc.integer({ min: 0, max: 40 }), frees: fc.boolean(), settles: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const regions = new Regions(100)
        const standing: Region[] = []
        for (const { length, frees, settles } of steps) {
          if (frees) {
            const [oldest] = standing.splice(0, 1)
            if (oldest !== undefined) regions.rest(oldest)
          } else {
            try {
              standing.push(regions.take(length))
            } catch (error) {
              expect(isInfraError(error, 'no-space')).toBe(true)
            }
          }
          if (settles) regions.settle()
          const taken = standing.flatMap(({ from, length }) => Array.from({ length }, (_, at) => from + at))
          expect(new Set(taken).size).toBe(taken.length)
          expect(taken.every((at) => at < 100)).toBe(true)
        }
        for (const region of standing) regions.rest(region)
        regions.settle()
        expect(regions.take(100)).toEqual({ from: 0, length: 100 })
      }),
    )
  })
})
