import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { didYouMean, editDistance, nearest } from './suggest.ts'

const keys = ['count', 'image', 'memory', 'vcpus', 'disk', 'swap', 'network', 'autostart', 'host']

describe('suggestions', () => {
  test.each([
    ['memry', 'memory'],
    ['mmeory', 'memory'],
    ['MEMORY', 'memory'],
    ['cuont', 'count'],
    ['auto_start', 'autostart'],
    ['hots', 'host'],
    ['cpus', 'vcpus'],
    ['ram', 'memory'],
    ['replicas', 'count'],
  ])('%s probably means %s', (word, meant) => {
    expect(nearest(word, keys)).toBe(meant)
  })

  test.each(['', 'x', 'zzzz', 'colour', 'constructor', '__proto__'])('%j means nothing near', (word) => {
    expect(nearest(word, keys)).toBeUndefined()
  })

  test('a suggestion is put in words', () => {
    expect(didYouMean('wlcc', ['rr', 'wlc'])).toBe(': did you mean wlc?')
    expect(didYouMean('zzz', ['rr', 'wlc'])).toBe('')
  })

  test('the distance is a distance', () => {
    const word = fc.string({ maxLength: 8 })
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
        expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
      }),
    )
  })
})
