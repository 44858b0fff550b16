import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'

describe('durations', () => {
  test.each([
    ['2s', 2000],
    ['500ms', 500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1.5s', 1500],
    ['0.1s', 100],
    ['4.35s', 4350],
    ['300s', 300_000],
    ['0s', 0],
  ])('%s is %d milliseconds', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each([
    '',
    '2',
    's',
    '-1s',
    '2 s',
    '2S',
    '2sec',
    '1d',
    '1h30m',
    '1e3s',
    '.5s',
    '0.5ms',
    '0.0001s',
    '99999999999999h',
  ])('%j is not a duration', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test.each([
    [0, '0ms'],
    [1500, '1500ms'],
    [2000, '2s'],
    [90_000, '90s'],
    [120_000, '2m'],
    [86_400_000, '24h'],
  ])('%d milliseconds are written %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  test('formatting and parsing are inverse', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms)
      }),
    )
  })
})
