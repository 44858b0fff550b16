import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressText } from '../lvs/address.ts'
import { type Arp, decodeArp, encodeArp } from './arp.ts'
import { internetChecksum } from './checksum.ts'
import { groupMac, macText } from './ethernet.ts'
import { decodeIp, encodeIp, pseudoHeader } from './ip.ts'
import { decodeAdvertisement, encodeAdvertisement } from './ndp.ts'
import { WireError } from './wire-error.ts'

const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macText)
const ipv4 = fc.bigInt(0n, 2n ** 32n - 1n).map((number) => addressText(number, 'ipv4'))
const ipv6 = fc.bigInt(0n, 2n ** 128n - 1n).map((number) => addressText(number, 'ipv6'))
const party = fc.record({ mac, address: ipv4 })
const arps: fc.Arbitrary<Arp> = fc.record({
  operation: fc.constantFrom('request', 'reply'),
  sender: party,
  target: party,
})

describe('what neighbours are told', () => {
  test('ARP that was written is read', () => {
    fc.assert(
      fc.property(arps, (arp) => {
        expect(decodeArp(encodeArp(arp))).toEqual(arp)
      }),
    )
  })

  test('a neighbour advertisement that was written is read, and its checksum fits', () => {
    fc.assert(
      fc.property(
        fc.record({ address: ipv6, mac, isRouter: fc.boolean() }),
        ipv6,
        ipv6,
        (told, source, destination) => {
          const bytes = encodeAdvertisement(told, source, destination)
          expect(decodeAdvertisement(bytes)).toEqual(told)
          expect(internetChecksum(pseudoHeader(source, destination, 58, bytes.length), bytes)).toBe(0)
        },
      ),
    )
  })

  test('packets that were written are read, of both families', () => {
    const packet = fc.oneof(ipv4, ipv6).chain((source) =>
      fc.record({
        source: fc.constant(source),
        destination: source.includes(':') ? ipv6 : ipv4,
        protocol: fc.integer({ min: 0, max: 255 }),
        hops: fc.integer({ min: 0, max: 255 }),
        payload: fc.uint8Array({ maxLength: 40 }),
      }),
    )
    fc.assert(
      fc.property(packet, (one) => {
        const bytes = encodeIp(one)
        expect(decodeIp(bytes)).toEqual(one)
        if (!one.source.includes(':')) expect(internetChecksum(bytes.subarray(0, 20))).toBe(0)
      }),
    )
  })

  test('random bytes are read or refused, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 48 }), (bytes) => {
        for (const read of [() => decodeArp(bytes), () => decodeAdvertisement(bytes)])
          try {
            read()
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
      }),
    )
  })

  test.each([
    ['224.0.0.18', '01:00:5e:00:00:12'],
    ['239.129.2.3', '01:00:5e:01:02:03'],
    ['ff02::12', '33:33:00:00:00:12'],
  ])('the group %s is reached at %s', (group, expected) => {
    expect(groupMac(group)).toBe(expected)
  })
})
