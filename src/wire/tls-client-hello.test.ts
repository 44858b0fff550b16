import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ClientHello, encodeFatalAlert, maximalHelloBytes, readClientHello } from './tls-client-hello.ts'

type Extension = { readonly type: number; readonly data: readonly number[] }
const u16 = (value: number): number[] => [value >> 8, value & 0xff]
const bytesOf = (text: string): number[] => [...new TextEncoder().encode(text)]
const serverName = (name: string): Extension => {
  const entry = [0, ...u16(name.length), ...bytesOf(name)]
  return { type: 0, data: [...u16(entry.length), ...entry] }
}

function message(extensions: readonly Extension[] | undefined, session = 32): number[] {
  const all = extensions?.flatMap(({ type, data }) => [...u16(type), ...u16(data.length), ...data])
  const body = [
    3, 3, ...Array<number>(32).fill(7), session, ...Array<number>(session).fill(9),
    ...u16(4), 0x13, 1, 0x13, 2, 1, 0, ...(all === undefined ? [] : [...u16(all.length), ...all]),
  ] // biome-ignore format: the fields of the message
  return [1, body.length >> 16, ...u16(body.length & 0xffff), ...body]
}

/** In records of so many bytes. */
function records(handshake: readonly number[], size = 16_384): Uint8Array {
  const bytes: number[] = []
  for (let at = 0; at < handshake.length; at += size) {
    const fragment = handshake.slice(at, at + size)
    bytes.push(22, 3, 1, ...u16(fragment.length), ...fragment)
  }
  return Uint8Array.from(bytes)
}

/** As from a socket that brings what is asked for, at most. */
function readInSteps(bytes: Uint8Array): ClientHello {
  let held = 0
  for (;;) {
    const hello = readClientHello(bytes.subarray(0, held))
    if (hello.kind !== 'more') return hello
    expect(hello.bytes).toBeGreaterThan(held)
    if (held >= bytes.length) return hello
    held = Math.min(bytes.length, hello.bytes)
  }
}

const shop = message([
  { type: 16, data: [0, 3, 2, 104, 50] },
  serverName('Shop.Example.'),
  { type: 43, data: [2, 3, 4] },
])

describe('TLS ClientHello', () => {
  test('the server name is read, in lower case and without its final dot', () => {
    expect(readClientHello(records(shop))).toEqual({ kind: 'hello', serverName: 'shop.example' })
  })

  test.each([1, 2, 3, 4, 5, 40, 100])(
    'a message in records of %d bytes is put together, where they are not too many',
    (size) => {
      const isTooMany = Math.ceil(shop.length / size) > 64
      const is = isTooMany ? { kind: 'invalid' } : { kind: 'hello', serverName: 'shop.example' }
      expect(readInSteps(records(shop, size))).toMatchObject(is)
    },
  )

  test.each([
    { name: 'no extensions at all', hello: message(undefined) },
    { name: 'no extension', hello: message([]) },
    { name: 'others only', hello: message([{ type: 43, data: [2, 3, 4] }], 0) },
  ])('$name: no name', ({ hello }) => {
    expect(readClientHello(records(hello))).toEqual({ kind: 'hello', serverName: undefined })
  })

  test.each([
    { name: 'two names', bytes: records(message([serverName('a'), serverName('b')])) },
    { name: 'an empty name', bytes: records(message([serverName('')])) },
    { name: 'a name with a NUL', bytes: records(message([serverName('a\0b')])) },
    { name: 'a name longer than a name is', bytes: records(message([serverName('a'.repeat(256))])) },
    { name: 'an extension that is cut', bytes: records(message([{ type: 0, data: [0, 9] }])) },
    { name: 'another handshake message', bytes: records([2, ...shop.slice(1)]) },
    { name: 'another record', bytes: Uint8Array.of(23, 3, 1, 0, 1, 0) },
    { name: 'HTTP', bytes: Uint8Array.from(bytesOf('GET / HTTP/1.1')) },
    { name: 'SSL 2', bytes: Uint8Array.of(0x80, 0x2e, 1, 3, 1) },
    { name: 'an empty record', bytes: Uint8Array.of(22, 3, 1, 0, 0) },
    { name: 'a record that is too long', bytes: Uint8Array.of(22, 3, 1, 0x40, 1) },
    { name: 'a message that is too long', bytes: Uint8Array.of(22, 3, 1, 0, 4, 1, 0, 0x40, 1) },
  ])('$name is refused', ({ bytes }) => {
    expect(readClientHello(bytes)).toMatchObject({ kind: 'invalid' })
  })

  test('it is read as soon as it is whole, and never before', () => {
    const bytes = records(shop, 50)
    for (let length = 0; length < bytes.length; length++) {
      const hello = readClientHello(bytes.subarray(0, length))
      expect(hello.kind, `${length} bytes`).toBe('more')
      if (hello.kind === 'more') expect(hello.bytes).toBeLessThanOrEqual(bytes.length)
    }
    expect(readClientHello(Uint8Array.of(...bytes, 23, 1, 2)).kind).toBe('hello')
  })

  test('what it asks for is bounded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (tail) => {
        const hello = readInSteps(Uint8Array.of(22, 3, 1, ...tail))
        if (hello.kind === 'more') expect(hello.bytes).toBeLessThan(2 * maximalHelloBytes)
      }),
      { numRuns: 2000 },
    )
  })

  test('one changed byte is refused, asks for more, or is read, never more', () => {
    const bytes = records(shop, 60)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = bytes.slice()
        changed[at] = value
        readInSteps(changed)
      }),
      { numRuns: 2000 },
    )
  })

  test('an alert is a record of two bytes', () => {
    expect([...encodeFatalAlert(112)]).toEqual([0x15, 3, 3, 0, 2, 2, 112])
  })
})
