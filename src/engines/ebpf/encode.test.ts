import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressText } from '../../lvs/address.ts'
import type { RealServer, Service } from '../../lvs/service.ts'
import { defaultSettings } from '../../lvs/settings.ts'
import { ebpfCapabilities } from './capabilities.ts'
import { decodeService, encodeService, encodeServiceKey, packetFamily, putServer, serverAt } from './encode.ts'
import { layouts, statesPerRow } from './layout.ts'
import { decodeSettings, encodeSettings } from './settings.ts'

const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((number) => addressText(number, 'ipv4')),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((number) => addressText(number, 'ipv6')),
)
const port = fc.nat(65_535)
const uint32 = fc.integer({ min: 0, max: 0x7fff_ffff })

const level = { dropRate: 0, securesTcp: false }
const limits = { connections: 10, 'half-open': 5, templates: 3 }

describe('services and servers as the program sees them', () => {
  test('a service is read back as it was written', () => {
    const id = fc.oneof(
      fc.record({
        kind: fc.constant('address' as const),
        protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        address,
        port,
      }),
      fc.record({
        kind: fc.constant('fwmark' as const),
        mark: fc.integer({ min: 1, max: 0xffff_ffff }),
        family: fc.constantFrom('ipv4' as const, 'ipv6' as const),
      }),
    )
    const persistence = fc.record({
      timeoutSeconds: fc.integer({ min: 1, max: 2_678_400 }),
      dotted: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((number) => addressText(number, 'ipv4')),
      prefix: fc.nat(128).map(String),
    })
    const flags = fc.constantFrom([], ['flag-1', 'flag-3'], ['sh-fallback'], ['sh-fallback', 'sh-port'], ['mh-port'])
    const value = fc.record({
      slot: uint32, generation: uint32, members: uint32, count: uint32, table: uint32, tableSize: uint32,
      last: fc.integer({ min: -1, max: 4095 }), bar: uint32, highest: uint32, step: uint32, order: uint32, locality: uint32,
    }) // biome-ignore format: a list to read at a glance
    const scheduler = fc.constantFrom('none' as const, ...ebpfCapabilities.schedulers)
    const bits = fc.record({ hasEngine: fc.boolean(), onePacket: fc.boolean() })
    fc.assert(
      fc.property(
        id,
        scheduler,
        flags,
        bits,
        fc.option(persistence, { nil: undefined }),
        value,
        (id, scheduler, schedulerFlags, { hasEngine, onePacket }, kept, value) => {
          const service: Service = {
            id,
            scheduler,
            schedulerFlags,
            onePacket,
            ...(kept === undefined
              ? {}
              : {
                  persistence: {
                    timeoutSeconds: kept.timeoutSeconds,
                    mask: packetFamily(id) === 'ipv6' ? kept.prefix : kept.dotted,
                  },
                }),
            ...(hasEngine ? { idlePersistenceEngine: 'sip' } : {}),
          }
          expect(decodeService(encodeServiceKey(id), encodeService(service, value))).toEqual({ id, service, value })
        },
      ),
    )
  })

  test('a server is read back as it was written, and its counts are left alone', () => {
    const server = fc.record<RealServer>({
      address,
      port,
      forwarding: fc.constantFrom('masq', 'tunnel', 'direct', 'local'),
      weight: uint32,
      upperThreshold: uint32,
      lowerThreshold: uint32,
    })
    const checksum = fc.constant('nocsum' as const)
    const tunnel = fc.option(
      fc.oneof(
        fc.record({ type: fc.constant('ipip' as const) }),
        fc.record({ type: fc.constant('gre' as const), checksum }),
        fc.record({ type: fc.constant('gue' as const), port: fc.integer({ min: 1, max: 65_535 }), checksum }),
      ),
    )
    fc.assert(
      fc.property(server, tunnel, uint32, (plain, tunnel, lastWeight) => {
        const server: RealServer = tunnel === null ? plain : { ...plain, tunnel }
        const bytes = Buffer.alloc(2 * layouts.server.bytes)
        const start = layouts.server.bytes
        const { active, inactive, overloaded } = layouts.server.at
        for (const at of [active, inactive, overloaded]) bytes.writeUInt32LE(7, start + at)
        putServer(bytes, start, server, lastWeight)
        expect(serverAt(bytes, start)).toEqual({ server, lastWeight })
        for (const at of [active, inactive, overloaded]) expect(bytes.readUInt32LE(start + at)).toBe(7)
      }),
    )
  })

  test('settings are read back; a program that was never told has none', () => {
    const settings = {
      timeouts: { tcp: 600, tcpFin: 33, udp: 44 },
      sysctls: {
        ...defaultSettings.sysctls,
        conn_reuse_mode: 3,
        expire_nodest_conn: 1,
        sloppy_tcp: -1,
        lblc_expiration: 7,
        lblcr_expiration: -8,
      },
    }
    expect(decodeSettings(encodeSettings(settings, limits, { lookups: 5, level }))).toEqual(settings)
    expect(decodeSettings(Buffer.alloc(layouts.settings.bytes))).toBeUndefined()
  })

  test('the table of states is the one of src/lvs: a SYN opens, an answer establishes, a reset closes', () => {
    const bytes = encodeSettings(defaultSettings, limits, { lookups: 0, level })
    const next = (direction: number, event: number, state: number): number | undefined =>
      bytes[layouts.settings.at.next_states + (direction * 5 + event) * statesPerRow + state]
    expect([next(0, 1, 0), next(0, 3, 3), next(1, 2, 1), next(0, 0, 1), next(0, 4, 1)]).toEqual([3, 1, 4, 6, 6])
  })
})
