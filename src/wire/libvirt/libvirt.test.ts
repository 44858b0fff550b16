import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { joined } from '../joined.ts'
import { WireError } from '../wire-error.ts'
import { decodeValues, encodeValues, structures } from './notation.ts'
import { emptyPacketBuffer, encodePacket, feedPackets, type Packet } from './packet.ts'
import { messages, procedures, qemuProcedures } from './procedures.ts'

const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replaceAll(/(?=(?:.{8})+$)(?!^)/g, ' ')

const scalars: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  i: fc.integer(),
  u: fc.nat({ max: 0xffffffff }),
  I: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  U: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  S: fc.string({ unit: 'binary' }),
  UUID: fc.uuid(),
  bytes: fc.uint8Array(),
  param: fc.record({
    field: fc.string(),
    value: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.boolean(), fc.string(), fc.float({ noNaN: true })),
  }),
} // biome-ignore format: one to a line

/** Any value of a word of the notation. */
function valueOf(word: string): fc.Arbitrary<unknown> {
  if (word.endsWith('[]')) return fc.array(valueOf(word.slice(0, -2)), { maxLength: 3 })
  if (word.endsWith('?')) return fc.option(valueOf(word.slice(0, -1)), { nil: undefined })
  const fields = (structures as Readonly<Record<string, Readonly<Record<string, string>>>>)[word]
  if (fields === undefined) return scalars[word] ?? fc.constant(`no such word: ${word}`)
  return fc.record(Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, valueOf(type)])))
}

const valuesOf = (line: string): fc.Arbitrary<unknown[]> =>
  fc.tuple(...(line === '' ? [] : line.split(' ')).map(valueOf))

const lines = [
  ...Object.values({ ...procedures, ...qemuProcedures }).flatMap(([, args, results]) => [args, results]),
  ...Object.values(messages).map(([, content]) => content),
  ...Object.keys(structures),
]

describe('the notation of libvirt’s protocol', () => {
  test('whatever is sent comes out as it was, for every line of the table', () => {
    for (const line of new Set<string>(lines))
      fc.assert(
        fc.property(valuesOf(line), (values) => {
          const bytes = encodeValues(line as 'S', values as [string])
          expect(bytes.length % 4).toBe(0)
          expect(decodeValues(line, bytes)).toEqual(values)
        }),
        { numRuns: 20 },
      )
  })

  test('a byte order mark at the beginning of a text stays', () => {
    expect(decodeValues('S', encodeValues('S', ['\ufeffname']))).toEqual(['\ufeffname'])
  })

  test('random bytes give values or a WireError, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom<string>(...lines), fc.uint8Array({ maxLength: 200 }), (line, bytes) => {
        try {
          decodeValues(line, bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
    )
  })

  test('bytes are those of RFC 4506', () => {
    const dom = { name: 'ab', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: -1 }
    expect(hex(encodeValues('dom u', [dom, 2]))).toBe(
      '00000002 61620000 00112233 44556677 8899aabb ccddeeff ffffffff 00000002',
    )
    expect(hex(encodeValues('S? S?', [undefined, 'x']))).toBe('00000000 00000001 00000001 78000000')
    expect(hex(encodeValues('U I', [1n, -1n]))).toBe('00000000 00000001 ffffffff ffffffff')
  })

  test.each([
    { name: 'what is cut off', line: 'S', bytes: '0000000561', offset: 4 },
    { name: 'a string without end', line: 'S', bytes: 'ffffffff', offset: 0 },
    { name: 'a list of too many', line: 'i[]', bytes: '7fffffff', offset: 0 },
    { name: 'more than there should be', line: 'i', bytes: '0000000100', offset: 4 },
    { name: 'a flag that is none', line: 'S?', bytes: '00000002', offset: 0 },
    { name: 'a parameter of no type', line: 'param', bytes: '0000000000000009', offset: 4 },
  ])('$name is refused, and the error says where', ({ line, bytes, offset }) => {
    const decode = (): unknown => decodeValues(line, Uint8Array.from(Buffer.from(bytes, 'hex')))
    expect(decode).toThrow(expect.objectContaining({ name: 'WireError', offset }))
  })

  test('no number stands twice in the table', () => {
    for (const table of [procedures, qemuProcedures, messages]) {
      const numbers = Object.values(table).map(([number]) => number as number)
      expect(new Set(numbers).size).toBe(numbers.length)
    }
  })
})

const word = fc.nat({ max: 0xffffffff })
const packet: fc.Arbitrary<Packet> = fc.record({
  program: word,
  procedure: word,
  type: word,
  serial: word,
  status: word,
  payload: fc.uint8Array({ maxLength: 100 }),
})

function feedAll(chunks: readonly Uint8Array[]): Packet[] {
  let buffer = emptyPacketBuffer
  return chunks.flatMap((chunk) => {
    const fed = feedPackets(buffer, chunk)
    buffer = fed.buffer
    return fed.packets
  })
}

describe('packets of libvirt’s RPC', () => {
  test('what is sent comes out whole, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(packet), fc.array(fc.nat()), (sent, places) => {
        const bytes = joined(sent.map(encodePacket))
        const cuts = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
        const chunks = cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end))
        expect(feedAll(chunks).map((one) => ({ ...one, payload: Uint8Array.from(one.payload) }))).toEqual(sent)
      }),
    )
  })

  test.each([
    { name: 'text', bytes: Buffer.from('SSH-2.0-OpenSSH') },
    { name: 'a length shorter than a header', bytes: Buffer.from('00000004', 'hex') },
    { name: 'another version', bytes: Buffer.from(`0000001c2000808600000002${'00'.repeat(16)}`, 'hex') },
  ])('$name is no packet', ({ bytes }) => {
    expect(() => feedAll([bytes])).toThrow(WireError)
  })
})
