import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalText, difference, sameData } from './difference.ts'

const map = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat(3)).map((o) => new Map(Object.entries(o)))

describe('difference', () => {
  test('applying it to the actual map gives the wanted map', () => {
    fc.assert(
      fc.property(map, map, (actual, wanted) => {
        const found = difference(actual, wanted, (a, b) => a === b)
        const result = new Map(actual)
        for (const { key } of found.removed) result.delete(key)
        for (const { key, wanted } of [...found.added, ...found.changed]) result.set(key, wanted)
        expect(new Map([...result].sort())).toEqual(new Map([...wanted].sort()))
      }),
    )
  })

  test('equal maps differ in nothing', () => {
    fc.assert(
      fc.property(map, (same) => {
        const found = difference(same, new Map(same), (a, b) => a === b)
        expect([found.added, found.changed, found.removed]).toEqual([[], [], []])
        expect(found.unchanged).toHaveLength(same.size)
      }),
    )
  })
})

describe('sameData', () => {
  test.each([
    { a: { x: 1, y: 2 }, b: { y: 2, x: 1 }, same: true },
    { a: { x: 1, y: undefined }, b: { x: 1 }, same: true },
    { a: { x: 1 }, b: { x: 1, y: undefined }, same: true },
    { a: { x: null }, b: {}, same: false },
    { a: [1, 2], b: [2, 1], same: false },
    { a: [1], b: [1, 2], same: false },
    { a: [], b: {}, same: false },
    { a: {}, b: null, same: false },
    { a: '1', b: 1, same: false },
    { a: undefined, b: undefined, same: true },
  ])('$a and $b: $same', ({ a, b, same }) => {
    expect(sameData(a, b)).toBe(same)
    expect(sameData(b, a)).toBe(same)
  })

  test('says of plain data what its canonical text says', () => {
    const plain = fc.jsonValue({ maxDepth: 3 })
    fc.assert(
      fc.property(plain, plain, (a, b) => {
        // JSON has one zero only.
        const [left, right] = [JSON.parse(JSON.stringify(a)) as unknown, JSON.parse(JSON.stringify(b)) as unknown]
        expect(sameData(left, right)).toBe(canonicalText(left) === canonicalText(right))
        expect(sameData(left, JSON.parse(canonicalText(left)))).toBe(true)
      }),
    )
  })
})
