import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressText } from '../lvs/address.ts'
import { decodeAddress, decodeLink, encodeNewAddress, encodeNewMacvlan, encodeOldAddress } from './rtnetlink.ts'
import { WireError } from './wire-error.ts'

const address = fc.oneof(
  fc.bigInt(0n, 2n ** 32n - 1n).map((number) => addressText(number, 'ipv4')),
  fc.bigInt(0n, 2n ** 128n - 1n).map((number) => addressText(number, 'ipv6')),
)
const byte = fc.integer({ min: 0, max: 255 })

describe('interfaces and addresses on the wire', () => {
  test('an address that was written is read, with its mark', () => {
    const one = fc.record({ interface: fc.nat(), address, prefix: fc.integer({ min: 0, max: 32 }), mark: byte })
    fc.assert(
      fc.property(one, (wanted) => {
        expect(decodeAddress(encodeNewAddress({ ...wanted, label: 'eth0:51', hasRoute: false }))).toEqual({
          ...wanted,
          isTentative: false,
        })
        expect(decodeAddress(encodeNewAddress({ ...wanted, hasRoute: false, preferredSeconds: 0 }))).toMatchObject(
          wanted,
        )
        expect(decodeAddress(encodeOldAddress(wanted))).toMatchObject({ address: wanted.address, mark: 0 })
      }),
    )
  })

  test('the interface of a virtual Ethernet address has its name', () => {
    expect(decodeLink(encodeNewMacvlan('baton4.51', 7, '00:00:5e:00:01:33'))).toMatchObject({
      name: 'baton4.51',
      isRunning: false,
    })
  })

  test('random bytes are read or refused, nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        for (const read of [() => decodeAddress(bytes), () => decodeLink(bytes)])
          try {
            read()
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
      }),
      { numRuns: 1000 },
    )
  })
})
