import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { difference } from './difference.ts'

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
