import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Attribute,
  be16,
  be32,
  decodeAttributes,
  decodeErrno,
  decodeMessages,
  encodeAttributes,
  encodeMessage,
  readBe16,
  readText,
  readU16,
  readU32,
  readU64,
  text,
  u8,
  u16,
  u32,
} from './netlink.ts'
import { WireError } from './wire-error.ts'

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const message = fc.record({
  type: fc.integer({ min: 0, max: 0xffff }),
  flags: fc.integer({ min: 0, max: 0xffff }),
  sequence: fc.nat({ max: 0xffff_ffff }),
  port: fc.nat({ max: 0xffff_ffff }),
  payload: fc.uint8Array({ maxLength: 40 }),
})

describe('netlink', () => {
  test('a question for the family IPVS, as the kernel is asked it', () => {
    const payload = Uint8Array.from([...bytes('03 01 00 00'), ...encodeAttributes([[2, text('IPVS')]])])
    expect(Buffer.from(encodeMessage({ type: 16, flags: 5, sequence: 7, port: 0, payload })).toString('hex')).toBe(
      '20000000100005000700000000000000030100000900020049505653000000'.padEnd(64, '0'),
    )
  })

  test('nested attributes carry the flag, and are read without it', () => {
    const encoded = encodeAttributes([[1, [[2, u16(10)], [3, be32(0x0a000001)]]]]) // biome-ignore format: as it nests
    expect(Buffer.from(encoded).toString('hex')).toBe('1400018006000200 0a00000008000300 0a000001'.replaceAll(' ', ''))
    const inside = decodeAttributes(decodeAttributes(encoded).get(1) ?? new Uint8Array())
    expect(readU16(inside.get(2) ?? new Uint8Array())).toBe(10)
    expect(inside.get(3)).toEqual(be32(0x0a000001))
  })

  test('messages come back as they were, several in a datagram', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const datagram = messages.flatMap((one) => {
          const encoded = [...encodeMessage(one)]
          return [...encoded, ...[0, 0, 0].slice(0, (4 - (encoded.length % 4)) % 4)]
        })
        expect(decodeMessages(Uint8Array.from(datagram))).toEqual(messages)
      }),
    )
  })

  test('attributes come back as they were', () => {
    const attributes = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 0x3fff }), fc.uint8Array({ maxLength: 20 })), {
      selector: ([type]) => type,
    })
    fc.assert(
      fc.property(attributes, (list) => {
        expect([...decodeAttributes(encodeAttributes(list as Attribute[]))]).toEqual(list)
      }),
    )
  })

  test('bytes of any kind are read or refused, and never read beyond their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (random) => {
        for (const decode of [decodeMessages, decodeAttributes, decodeErrno])
          try {
            decode(random)
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
      }),
    )
  })

  test.each([
    { name: 'a header that is cut off', datagram: '10000000 0300', at: 0 },
    { name: 'a length that is less than a header', datagram: '0f000000 03000000 00000000 00000000', at: 0 },
    { name: 'a second message that is cut off', datagram: '10000000 03000000 00000000 00000000 20000000', at: 16 },
  ])('$name is refused at its place', ({ datagram, at }) => {
    expect(() => decodeMessages(bytes(datagram))).toThrow(expect.objectContaining({ offset: at }))
  })

  test('numbers and text', () => {
    expect([...u8(7)]).toEqual([7])
    expect(readU32(u32(0xfedc_ba98))).toBe(0xfedc_ba98)
    expect(readBe16(be16(8080))).toBe(8080)
    expect(readU64(bytes('00000000 01000000'))).toBe(2 ** 32)
    expect(readText(text('wlc'))).toBe('wlc')
    expect(readText(bytes('776c63'))).toBe('wlc')
    expect(decodeErrno(bytes('efffffff'))).toBe(17)
    expect(() => readU32(u16(1))).toThrow(WireError)
  })
})
