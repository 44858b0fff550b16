import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { splitAtEscape } from './escape.ts'
import { decodeKeys } from './keys.ts'

describe('keys', () => {
  test.each([
    { name: 'letters are themselves', text: 'qd', keys: ['q', 'd'] },
    {
      name: 'arrows have names, in both modes of a terminal',
      text: '\u001b[A\u001b[B\u001bOA',
      keys: ['up', 'down', 'up'],
    },
    { name: 'an escape alone is a key', text: '\u001b', keys: ['escape'] },
    { name: 'unknown sequences are no keys', text: 'a\u001b[1;5Cb\u001b[15~\u001bOP', keys: ['a', 'b'] },
    { name: 'Ctrl-C and enter have names', text: '\u0003\r', keys: ['ctrl-c', 'enter'] },
  ])('$name', ({ text, keys }) => {
    expect(decodeKeys(text)).toEqual(keys)
  })

  test('no input makes it fail, and none gives a key with an escape in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
        expect(decodeKeys(text).join('')).not.toContain('\u001b')
      }),
    )
  })
})

describe('the way out of a console', () => {
  test('what was typed before the escape key still goes to the guest', () => {
    expect(splitAtEscape(new Uint8Array([97, 0x1d, 98]))).toEqual({ before: new Uint8Array([97]), escaped: true })
  })

  test('without the escape key everything goes to the guest, Ctrl-C too', () => {
    expect(splitAtEscape(new Uint8Array([3, 97]))).toEqual({ before: new Uint8Array([3, 97]), escaped: false })
  })
})
