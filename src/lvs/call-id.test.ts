import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { callIdOf } from './call-id.ts'

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

describe('Call-ID of a SIP message', () => {
  test.each([
    ['a word', 'OPTIONS sip:a SIP/2.0\r\nCall-ID: abc123@host\r\n\r\n', 'abc123@host'],
    ['without a domain', 'X\r\nCall-ID: abc123\r\n', 'abc123'],
    ['in any case', 'X\r\nCALL-id:abc\r\n', 'abc'],
    ['in compact form', 'X\r\ni: abc\r\n', 'abc'],
    ['in compact form with a blank before the colon', 'X\r\nI : abc\r\n', 'abc'],
    ['with lines that end in LF', 'X\nVia: y\nCall-ID: abc\n', 'abc'],
    ['with lines that end in CR', 'X\rCall-ID: abc\r', 'abc'],
    ['folded', 'X\r\nCall-ID:\r\n abc\r\n', 'abc'],
    ['after a header whose name begins with i', 'X\r\nInvite: no\r\nCall-ID: abc\r\n', 'abc'],
    ['of 255 bytes', `X\r\nCall-ID: ${'a'.repeat(255)}\r\n`, 'a'.repeat(255)],
    ['with all that a word may have', 'X\r\nCall-ID: -.!%*_+`\'~()<>:\\"/[]?{}@x\r\n', '-.!%*_+`\'~()<>:\\"/[]?{}@x'],
  ])('%s is found', (_, message, callId) => {
    expect(callIdOf(bytes(message))).toBe(callId)
  })

  test.each([
    ['in no message', ''],
    ['in the start line', 'Call-ID: abc\r\n'],
    ['of a longer name', 'X\r\nCall-IDs: abc\r\n'],
    ['that is empty', 'X\r\nCall-ID:\r\nFrom: abc\r\n'],
    ['with an empty domain', 'X\r\nCall-ID: abc@\r\n'],
    ['of 256 bytes', `X\r\nCall-ID: ${'a'.repeat(256)}\r\n`],
    ['at the very end', 'X\r\nCall-ID: abc'],
    ['followed by more on its line', 'X\r\nCall-ID: abc def\r\n'],
    ['in a folded line', 'X\r\nVia: y\r\n Call-ID: abc\r\n'],
  ])('none is found %s', (_, message) => {
    expect(callIdOf(bytes(message))).toBeUndefined()
  })

  test('any bytes are read without harm, and what is found is a word of at most 255', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        const found = callIdOf(Uint8Array.from([...bytes('X\r\nCall-ID: '), ...noise]))
        if (found !== undefined) expect(found).toMatch(/^[^\s@]{1,255}(@[^\s@]+)?$/)
      }),
    )
  })
})
