import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SyncDaemon } from '../../lvs/edit.ts'
import type { RealServer, Service, ServiceId, Tunnel } from '../../lvs/service.ts'
import { schedulerNames } from '../../lvs/service.ts'
import {
  daemonOf,
  daemonRecord,
  isKernelService,
  type KernelServiceId,
  serverIdRecord,
  serverOf,
  serverRecord,
  serviceIdOf,
  serviceIdRecord,
  serviceOf,
  serviceRecord,
} from './records.ts'

const address = fc.constantFrom('10.50.0.1', '255.255.255.255', 'fd50::1', 'fd50::ffff:a9')
const port = fc.nat({ max: 65_535 })
const id: fc.Arbitrary<KernelServiceId> = fc.oneof(
  fc.record({
    kind: fc.constant('address' as const),
    protocol: fc.constantFrom('tcp', 'udp', 'sctp'),
    address,
    port,
  }),
  fc.record({
    kind: fc.constant('fwmark' as const),
    mark: fc.integer({ min: 1, max: 0xffff_ffff }),
    family: fc.constantFrom('ipv4', 'ipv6'),
  }),
)
const isIpv6 = (own: ServiceId): boolean =>
  own.kind === 'fwmark' ? own.family === 'ipv6' : own.kind === 'address' && own.address.includes(':')
const service: fc.Arbitrary<Service> = id.chain((own) => {
  const mask = isIpv6(own)
    ? fc.constantFrom('128', '64', '1')
    : fc.constantFrom('255.255.255.255', '255.255.0.0', '0.0.0.0')
  return fc
    .record({
      scheduler: fc.constantFrom(...schedulerNames, 'none' as const),
      bits: fc.nat({ max: 7 }),
      isPersistent: fc.boolean(),
      hasEngine: fc.boolean(),
      timeoutSeconds: fc.integer({ min: 1, max: 2_678_400 }),
      mask,
      onePacket: fc.boolean(),
    })
    .map(({ scheduler, bits, isPersistent, hasEngine, timeoutSeconds, mask, onePacket }) => {
      const hashes = scheduler === 'sh' || scheduler === 'mh'
      const names = hashes ? [`${scheduler}-fallback`, `${scheduler}-port`, 'flag-3'] : ['flag-1', 'flag-2', 'flag-3']
      const engine = hasEngine ? ({ engine: 'sip' } as const) : {}
      return {
        id: own,
        scheduler,
        schedulerFlags: names.filter((_, at) => (bits & (1 << at)) !== 0),
        onePacket,
        ...(isPersistent ? { persistence: { timeoutSeconds, mask, ...engine } } : {}),
        ...(!isPersistent && hasEngine ? { idlePersistenceEngine: 'sip' as const } : {}),
      }
    })
})
const tunnel = fc.oneof(
  fc.record({ type: fc.constant('gre' as const), checksum: fc.constantFrom('nocsum', 'csum') }),
  fc.record({
    type: fc.constant('gue' as const),
    port: fc.integer({ min: 1, max: 65_535 }),
    checksum: fc.constantFrom('nocsum', 'csum', 'remcsum'),
  }),
) as fc.Arbitrary<Tunnel>
const number = fc.nat({ max: 0x7fff_ffff })
const server: fc.Arbitrary<RealServer> = fc
  .record({ address, port, weight: number, upperThreshold: number, lowerThreshold: number, tunnel })
  .chain(({ tunnel, ...rest }) =>
    fc.constantFrom<RealServer>(
      { ...rest, forwarding: 'masq' },
      { ...rest, forwarding: 'direct' },
      { ...rest, forwarding: 'local' },
      { ...rest, forwarding: 'tunnel' },
      { ...rest, forwarding: 'tunnel', tunnel },
    ),
  )

describe('the kernel’s records', () => {
  test('services come back as they were', () => {
    fc.assert(
      fc.property(service, (one) => {
        if (!isKernelService(one.id)) throw new Error('not of the kernel')
        const record = { id: serviceIdRecord(one.id), ...serviceRecord(one, one.id) }
        expect(serviceIdOf(record.id)).toEqual(one.id)
        expect(serviceOf(record, one.id)).toEqual(one)
      }),
    )
  })

  test('real servers come back as they were', () => {
    fc.assert(
      fc.property(server, (one) => {
        expect(serverOf({ ...serverIdRecord(one), ...serverRecord(one) })).toEqual(one)
      }),
    )
  })

  test('daemons come back as they were', () => {
    const daemon: SyncDaemon = {
      role: 'backup', interface: 'eth0', syncId: 9, maxLength: 1400, group: 'ff02::81', port: 8848, ttl: 3,
    } // biome-ignore format: one line
    expect(daemonOf(daemonRecord(daemon))).toEqual(daemon)
    expect(daemonOf({ state: 1, interface: 'eth0', syncId: 0 })).toMatchObject({ role: 'master', group: '224.0.0.81' })
  })

  test('a service of a protocol that nobody knows is none of ours', () => {
    expect(serviceIdOf({ family: 2, protocol: 99, address: Uint8Array.of(10, 0, 0, 1), port: 1 })).toBeUndefined()
  })
})
