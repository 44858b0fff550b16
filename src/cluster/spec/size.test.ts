import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatSize, parseSize } from './size.ts'

const mega = 1024 ** 2

describe('sizes', () => {
  test.each([
    ['256M', 256 * mega],
    ['256m', 256 * mega],
    ['256Mb', 256 * mega],
    ['256MiB', 256 * mega],
    ['8G', 8192 * mega],
    ['1000m', 1000 * mega],
    ['1.5G', 1536 * mega],
    ['64k', 65_536],
    ['2T', 2 * mega * mega],
    ['0M', 0],
    ['512B', 512],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  test.each([
    '',
    '256',
    'M',
    '-1M',
    '+1M',
    '1 M',
    ' 1M',
    '1M ',
    '1MM',
    '1P',
    '1e3M',
    '0x1M',
    '.5G',
    '1.G',
    '1,5G',
    '0.3B',
    '9007199254740993B',
    '9999999T',
    '∞M',
  ])('%j is not a size', (text) => {
    expect(parseSize(text)).toBeUndefined()
  })

  test.each([
    [0, '0B'],
    [1, '1B'],
    [1024, '1K'],
    [1536 * mega, '1536M'],
    [1000 * mega, '1000M'],
    [8192 * mega, '8G'],
  ])('%d bytes are written %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })

  test('formatting and parsing are inverse', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes)
      }),
    )
    fc.assert(
      fc.property(fc.nat(1_000_000), (n) => {
        expect(parseSize(formatSize(n * mega))).toBe(n * mega)
      }),
    )
  })

  test('any text gives a size or nothing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = parseSize(text)
        expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true)
      }),
    )
  })
})
