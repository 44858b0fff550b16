import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isIpv6Sockaddr,
  sockaddrBytes,
  sockaddrLength,
  sockaddrPort,
  sockaddrText,
  sockaddrWords,
  writeSockaddr,
} from './socket-address.ts'

const word = fc.integer({ min: 0, max: 0xffff_ffff })

describe('socket addresses', () => {
  test.each([
    { words: [0x7f000001], text: '127.0.0.1' },
    { words: [0xffffffff], text: '255.255.255.255' },
    { words: [0, 0, 0, 1], text: '::1' },
    { words: [0, 0, 0, 0], text: '::' },
    { words: [0x20010db8, 0, 0, 1], text: '2001:db8::1' },
    { words: [0x20010db8, 0x00000001, 0x00000000, 0x00000001], text: '2001:db8:0:1::1' },
    { words: [0x20010db8, 0x00010000, 0x00010001, 0x00010001], text: '2001:db8:1:0:1:1:1:1' },
    { words: [0x20010db8, 0, 0x00010000, 1], text: '2001:db8::1:0:0:1' },
    { words: [0xfe800000, 0, 0, 0], text: 'fe80::' },
  ])('$text is read from its bytes', ({ words, text }) => {
    const bytes = new Uint8Array(sockaddrBytes)
    writeSockaddr(bytes, 0, words, 80)
    expect(sockaddrText(bytes, 0)).toBe(text)
  })

  test('what is written is read back, anywhere in a buffer', () => {
    const words = fc.oneof(fc.tuple(word), fc.tuple(word, word, word, word))
    fc.assert(
      fc.property(words, fc.nat(65_535), fc.nat(20), (words, port, at) => {
        const bytes = new Uint8Array(at + sockaddrBytes).fill(0xaa)
        expect(writeSockaddr(bytes, at, words, port)).toBe(words.length === 1 ? 16 : 28)
        expect(sockaddrWords(bytes, at)).toEqual(words)
        expect(sockaddrPort(bytes, at)).toBe(port)
        expect(isIpv6Sockaddr(bytes, at)).toBe(words.length === 4)
        expect(sockaddrLength(bytes, at)).toBe(words.length === 1 ? 16 : 28)
      }),
    )
  })
})
