import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressFamilies,
  daemonAttribute,
  decodeDaemon,
  decodeServer,
  decodeService,
  decodeTimeouts,
  type IpvsDaemon,
  type IpvsServer,
  type IpvsService,
  serverAttribute,
  serviceAttribute,
  timeoutAttributes,
} from './ipvs.ts'
import { encodeAttributes } from './netlink.ts'
import { WireError } from './wire-error.ts'

const word = fc.nat({ max: 0xffff_ffff })
const half = fc.nat({ max: 0xffff })
const family = fc.constantFrom(addressFamilies.ipv4, addressFamilies.ipv6)
const addressOf = (own: number) => {
  const length = own === addressFamilies.ipv6 ? 16 : 4
  return fc.uint8Array({ minLength: length, maxLength: length })
}
const name = fc.stringMatching(/^[a-z]{1,15}$/)
const service: fc.Arbitrary<IpvsService> = family.chain((own) =>
  fc.record(
    {
      id: fc.oneof(
        fc.record({ family: fc.constant(own), protocol: half, address: addressOf(own), port: half }),
        fc.record({ family: fc.constant(own), mark: word }),
      ),
      scheduler: name,
      flags: word,
      timeout: word,
      netmask: word,
      engine: name,
    },
    { requiredKeys: ['id', 'scheduler', 'flags', 'timeout', 'netmask'] },
  ),
)
const server: fc.Arbitrary<IpvsServer> = family.chain((own) =>
  fc.record(
    {
      family: fc.constant(own),
      address: addressOf(own),
      port: half,
      forwarding: fc.nat({ max: 7 }),
      weight: word,
      upper: word,
      lower: word,
      tunnel: fc.record({ type: fc.nat({ max: 255 }), port: half, flags: half }),
    },
    { requiredKeys: ['family', 'address', 'port', 'forwarding', 'weight', 'upper', 'lower'] },
  ),
)
const daemon: fc.Arbitrary<IpvsDaemon> = fc.record(
  {
    state: word,
    interface: name,
    syncId: word,
    maxLength: half,
    group: family.chain(addressOf),
    port: half,
    ttl: fc.nat({ max: 255 }),
  },
  { requiredKeys: ['state', 'interface', 'syncId'] },
)

describe('the family IPVS', () => {
  test('services come back as they were', () => {
    fc.assert(
      fc.property(service, (one) => {
        const { statistics, ...decoded } = decodeService(encodeAttributes([serviceAttribute(one.id, one)]))
        expect(decoded).toEqual(one)
        expect(statistics.connections).toBe(0)
      }),
    )
  })

  test('real servers come back as they were', () => {
    fc.assert(
      fc.property(server, (one) => {
        const { family, address, port, ...rest } = one
        const payload = encodeAttributes([serverAttribute({ family, address, port }, rest)])
        expect(decodeServer(payload, addressFamilies.ipv4)).toMatchObject({ ...one, active: 0, inactive: 0 })
      }),
    )
  })

  test('daemons and timeouts come back as they were', () => {
    fc.assert(
      fc.property(daemon, fc.record({ tcp: word, tcpFin: word, udp: word }), (one, timeouts) => {
        expect(decodeDaemon(encodeAttributes([daemonAttribute(one)]))).toEqual(one)
        expect(decodeTimeouts(encodeAttributes(timeoutAttributes(timeouts)))).toEqual(timeouts)
      }),
    )
  })

  test('a service, byte by byte', () => {
    const id = { family: 2, protocol: 6, address: Uint8Array.of(10, 50, 0, 1), port: 80 }
    const plain = { scheduler: 'rr', flags: 0, timeout: 0, netmask: 0xffff_ffff }
    expect(Buffer.from(encodeAttributes([serviceAttribute(id, plain)])).toString('hex')).toBe(
      [
        '54000180',
        ...['0600010002000000', '0600020006000000', '140003000a320001000000000000000000000000', '0600040000500000'],
        ...['0700060072720000', '0c00070000000000fdffffff', '0800080000000000', '08000900ffffffff'],
      ].join(''),
    )
  })

  test('bytes of any kind are read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (random) => {
        for (const decode of [decodeService, decodeDaemon, (bytes: Uint8Array) => decodeServer(bytes, 2)])
          try {
            decode(random)
          } catch (error) {
            expect(error).toBeInstanceOf(WireError)
          }
      }),
    )
  })
})
