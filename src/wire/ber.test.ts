import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { berTags, decodeBer, decodeBerInteger, encodeBer, encodeBerInteger, encodeBerText } from './ber.ts'
import { WireError } from './wire-error.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('BER', () => {
  test.each([
    [0, '020100'],
    [127, '02017f'],
    [128, '02020080'],
    [256, '02020100'],
    [2_147_483_647, '02047fffffff'],
  ])('%i is %s', (value, expected) => {
    expect(hex(encodeBerInteger(value))).toBe(expected)
  })

  test('a value of 128 bytes has a length of two', () => {
    expect(hex(encodeBerText('x'.repeat(128))).slice(0, 6)).toBe('048180')
  })

  test('what is encoded is decoded', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 5 }), fc.nat(), (values, number) => {
        const bytes = encodeBer(
          berTags.sequence,
          ...values.map((value) => encodeBer(4, value)),
          encodeBerInteger(number),
        )
        const [whole] = decodeBer(bytes)
        const parts = decodeBer(whole?.value ?? new Uint8Array())
        expect(parts.slice(0, -1).map(({ value }) => hex(value))).toEqual(values.map(hex))
        expect(parts.slice(-1).map(decodeBerInteger)).toEqual([number])
      }),
    )
  })

  test('any bytes are elements or a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeBer(bytes).forEach(decodeBerInteger)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
    )
  })

  test('a negative number', () => {
    expect(decodeBerInteger({ tag: 2, value: Uint8Array.of(0xff) })).toBe(-1)
  })
})
