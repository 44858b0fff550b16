import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressText } from '../lvs/address.ts'
import { gratuitousArp } from './arp.ts'
import { encodeFrame, etherTypes, groupMac } from './ethernet.ts'
import { decodeIp, encodeIp } from './ip.ts'
import { unsolicitedAdvertisement } from './ndp.ts'
import {
  behindAuthenticationHeader,
  decodeVrrp,
  encodeVrrp,
  VRRP,
  type VrrpPacket,
  vrrpChecksum,
  vrrpGroups,
} from './vrrp.ts'
import { WireError } from './wire-error.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex'))
const fromHost = { ipv4: '10.99.0.1', ipv6: 'fe80::ff:fe00:a' }

type Captured = { name: string; bytes: string; packet: VrrpPacket }

/** What keepalived 2.2.7 sends. */
const captured: readonly Captured[] = [
  {
    name: 'version 2 without authentication',
    bytes: '21339601 00013e03 0a630064 0000000000000000',
    packet: { version: 2, id: 51, priority: 150, intervalMs: 1000, addresses: ['10.99.0.100'], authentication: { kind: 'none' } },
  },
  {
    name: 'version 2 with a password and two addresses',
    bytes: '21349602 0101c4b8 0a630065 0a630066 7365637265743132',
    packet: {
      version: 2,
      id: 52,
      priority: 150,
      intervalMs: 1000,
      addresses: ['10.99.0.101', '10.99.0.102'],
      authentication: { kind: 'password', password: 'secret12' },
    },
  },
  {
    name: 'version 2, the last one of a master that ends',
    bytes: '21330001 0001d403 0a630064 0000000000000000',
    packet: { version: 2, id: 51, priority: 0, intervalMs: 1000, addresses: ['10.99.0.100'], authentication: { kind: 'none' } },
  },
  {
    name: 'version 3 over IPv4, each half second',
    bytes: '31359601 003242da 0a630067',
    packet: { version: 3, id: 53, priority: 150, intervalMs: 500, addresses: ['10.99.0.103'] },
  },
  {
    name: 'version 3 over IPv6',
    bytes: '31369602 00643e68 fe800000000000000000000000000054 fd990000000000000000000000000054',
    packet: { version: 3, id: 54, priority: 150, intervalMs: 1000, addresses: ['fe80::54', 'fd99::54'] },
  },
] // biome-ignore format: a list to read at a glance

describe('VRRP on the wire', () => {
  test.each(captured)('$name: read, and written byte for byte', ({ bytes, packet }) => {
    const family = packet.addresses[0]?.includes(':') ? 'ipv6' : 'ipv4'
    const [source, group] = [fromHost[family], vrrpGroups[family]]
    expect(decodeVrrp(hex(bytes), family)).toEqual(packet)
    expect(vrrpChecksum(hex(bytes), source, group)).toBe('rfc5798')
    expect(encodeVrrp(packet, source, group)).toEqual(hex(bytes))
  })

  test('the frame of an advertisement is the one that keepalived sends, but for the number that the kernel gave it', () => {
    const vrrp = hex('21339601 00013e03 0a630064 0000000000000000')
    const packet = encodeIp({
      source: '10.99.0.1',
      destination: '224.0.0.18',
      protocol: VRRP,
      hops: 255,
      payload: vrrp,
    })
    const frame = encodeFrame(groupMac('224.0.0.18'), '02:00:00:00:00:0a', etherTypes.ipv4, packet)
    const expected = hex(
      '01005e000012 02000000000a 0800 45c0 0028 0000 0000 ff70 d02f 0a630001 e0000012 21339601 00013e03 0a630064 0000000000000000',
    )
    expect(frame).toEqual(expected)
    expect(decodeIp(packet)).toMatchObject({ source: '10.99.0.1', hops: 255, payload: vrrp })
  })

  test('behind an authentication header there is one that calls for it, and nothing else', () => {
    const header = '70040000 0a630001 00000001 601c22ebe3119d22f5a0eefc'
    const inner = behindAuthenticationHeader(hex(`${header} 213d9601 02013bef 0a63006e 0000000000000000`))
    expect(decodeVrrp(inner ?? new Uint8Array(), 'ipv4')).toMatchObject({
      id: 61,
      addresses: ['10.99.0.110'],
      authentication: { kind: 'other', number: 2 },
    })
    expect(vrrpChecksum(inner ?? new Uint8Array(), fromHost.ipv4, vrrpGroups.ipv4)).toBe('rfc5798')
    for (const other of [
      `${header} ${captured[0]?.bytes}`,
      `${header} ${captured[3]?.bytes}`,
      `${header.replace('70', '06')} 213d9601 02013bef 0a63006e 0000000000000000`,
      header,
      header.replace('04', 'ff'),
      '',
    ])
      expect(behindAuthenticationHeader(hex(other)), other).toBeUndefined()
  })

  test('the checksum without the pseudo header is known from the one with it', () => {
    const { packet } = captured[3] as Captured
    const plain = encodeVrrp(packet, '10.99.0.1', '224.0.0.18', 'rfc9568')
    expect(Buffer.from(plain.subarray(6, 8)).toString('hex')).toBe('2dcd')
    expect(vrrpChecksum(plain, '10.99.0.1', '224.0.0.18')).toBe('rfc9568')
    expect(vrrpChecksum(plain, '10.99.0.9', '224.0.0.18')).toBe('rfc9568')
  })

  test('gratuitous ARP and unsolicited neighbour advertisements are those that keepalived sends', () => {
    expect(gratuitousArp('02:00:00:00:00:0a', '10.99.0.103')).toEqual(
      hex('ffffffffffff 02000000000a 0806 0001 0800 06 04 0001 02000000000a 0a630067 ffffffffffff 0a630067'),
    )
    const advertisement = { address: 'fd99::54', mac: '02:00:00:00:00:0a', isRouter: false }
    const frame = unsolicitedAdvertisement(advertisement)
    expect(frame.subarray(0, 14)).toEqual(hex('333300000001 02000000000a 86dd'))
    expect(frame.subarray(54)).toEqual(hex('88 00 58ba 20000000 fd990000000000000000000000000054 02 01 02000000000a'))
  })

  test.each([
    { name: 'version 2 with half a second', packet: { ...captured[0]?.packet, intervalMs: 500 } },
    { name: 'version 3 with 5 ms', packet: { ...captured[3]?.packet, intervalMs: 5 } },
    { name: 'version 3 with a minute', packet: { ...captured[3]?.packet, intervalMs: 60_000 } },
    { name: 'an address of the other family', packet: { ...captured[3]?.packet, addresses: ['fd99::54'] } },
    {
      name: 'a password of nine letters',
      packet: { ...captured[0]?.packet, authentication: { kind: 'password', password: 'secret123' } },
    },
  ])('$name is refused', ({ packet }) => {
    expect(() => encodeVrrp(packet as VrrpPacket, '10.99.0.1', '224.0.0.18')).toThrow(WireError)
  })
})

const address = {
  ipv4: fc.bigInt(0n, 2n ** 32n - 1n).map((number) => addressText(number, 'ipv4')),
  ipv6: fc.bigInt(0n, 2n ** 128n - 1n).map((number) => addressText(number, 'ipv6')),
}
const byte = fc.integer({ min: 0, max: 255 })
const packets = fc.constantFrom('ipv4' as const, 'ipv6' as const).chain((family) => {
  const common = { id: byte, priority: byte, addresses: fc.array(address[family], { maxLength: 20 }) }
  const password = fc
    .array(fc.integer({ min: 1, max: 255 }), { maxLength: 8 })
    .map((codes) => String.fromCharCode(...codes))
    .map((password) => ({ kind: 'password' as const, password }))
  const second = fc.record({
    version: fc.constant(2 as const),
    ...common,
    intervalMs: fc.integer({ min: 1, max: 255 }).map((seconds) => seconds * 1000),
    authentication: fc.oneof(fc.constant({ kind: 'none' as const }), password),
  })
  const third = fc.record({
    version: fc.constant(3 as const),
    ...common,
    intervalMs: fc.integer({ min: 1, max: 4095 }).map((hundredths) => hundredths * 10),
  })
  const packet: fc.Arbitrary<VrrpPacket> = family === 'ipv6' ? third : fc.oneof(second, third)
  return fc.record({
    family: fc.constant(family),
    packet,
    source: address[family],
    destination: address[family],
    reading: fc.constantFrom('rfc5798' as const, 'rfc9568' as const),
  })
})

describe('properties of the codec', () => {
  test('what was written is read, and its checksum fits', () => {
    fc.assert(
      fc.property(packets, ({ family, packet, source, destination, reading }) => {
        const bytes = encodeVrrp(packet, source, destination, reading)
        expect(decodeVrrp(bytes, family)).toEqual(packet)
        expect(vrrpChecksum(bytes, source, destination)).toBeDefined()
      }),
    )
  })

  test('one changed byte is noticed by the checksum', () => {
    fc.assert(
      fc.property(
        packets,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        ({ packet, source, destination }, at, change) => {
          const bytes = encodeVrrp(packet, source, destination)
          const place = at % bytes.length
          // The version decides what the checksum is over.
          fc.pre(place !== 0)
          bytes[place] = (bytes[place] ?? 0) ^ change
          expect(vrrpChecksum(bytes, source, destination) === 'rfc5798').toBe(false)
        },
      ),
    )
  })

  test('random bytes are read or refused, nothing else', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.constantFrom('ipv4' as const, 'ipv6' as const),
        (bytes, family) => {
          for (const read of [() => decodeVrrp(bytes, family), () => decodeIp(bytes)])
            try {
              read()
            } catch (error) {
              expect(error).toBeInstanceOf(WireError)
            }
          vrrpChecksum(bytes, '10.0.0.1', '224.0.0.18')
        },
      ),
      { numRuns: 2000 },
    )
  })
})
