import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeSync } from './ipvs-sync.ts'
import { decodeEnvelope, type Envelope, encodeEnvelope, isEnvelope, tagBytes } from './sync-envelope.ts'
import { WireError } from './wire-error.ts'

const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const envelope: fc.Arbitrary<Envelope> = fc.record({
  syncId: fc.nat({ max: 255 }),
  kind: fc.constantFrom('records', 'request', 'complete'),
  isSealed: fc.boolean(),
  sender: word,
  time: word,
  number: word,
  content: fc.uint8Array({ maxLength: 80 }),
})

describe('what Batons say beside the kernel’s messages', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(envelope, (one) => {
        expect(decodeEnvelope(encodeEnvelope(one))).toEqual(one)
      }),
    )
  })

  test('is nothing to a kernel: it looks for the size of the datagram', () => {
    fc.assert(
      fc.property(envelope, (one) => {
        expect(decodeSync(encodeEnvelope(one))).toMatchObject({ kind: 'refused' })
      }),
    )
  })

  const plain = encodeEnvelope({
    syncId: 1, kind: 'request', isSealed: true, sender: 1n, time: 2n, number: 3n, content: new Uint8Array(),
  }) // biome-ignore format: one request
  test.each([
    { name: 'another mark', bytes: plain.with(0, 0), why: 'no envelope' },
    { name: 'a size', bytes: plain.with(3, 48), why: 'no envelope' },
    { name: 'a short one', bytes: plain.subarray(0, 31), why: 'an envelope that is cut off' },
    { name: 'another version', bytes: plain.with(4, 2), why: 'an envelope of version 2' },
    { name: 'an unknown kind', bytes: plain.with(5, 4), why: 'an envelope of kind 4' },
    { name: 'unknown flags', bytes: plain.with(6, 2), why: 'an envelope with unknown flags' },
    { name: 'a seal without room', bytes: plain.subarray(0, plain.length - 1), why: 'a seal that is cut off' },
  ])('$name is none', ({ bytes, why }) => {
    expect(() => decodeEnvelope(bytes)).toThrow(why)
  })

  test('bytes of any kind are one, or a WireError', () => {
    const headed = fc.uint8Array({ maxLength: 80 }).map((rest) => Uint8Array.from([0x42, 1, 0, 0, 1, ...rest]))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), headed), (bytes) => {
        try {
          const { content, isSealed } = decodeEnvelope(bytes)
          expect(isEnvelope(bytes)).toBe(true)
          expect(content.length).toBe(bytes.length - 32 - (isSealed ? tagBytes : 0))
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
    )
  })
})
