import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IpvsWorld, ipvsServer, sctp, sctpService, tcp, tcpService, udp, udpService } from '../../../test/build/ipvs.ts'
import type { TransportPacket } from '../../lvs/packet.ts'
import { type RealServer, type Service, type ServiceId, schedulerNames } from '../../lvs/service.ts'
import { isOverloaded } from '../../lvs/thresholds.ts'
import type { Entry } from './connections.ts'
import type { InstalledServer } from './services.ts'

const service = '10.50.0.1:80'
const one = (changes: Partial<RealServer> = {}): IpvsWorld =>
  new IpvsWorld().add(tcpService(), [ipvsServer(2, changes)])
const from = (port: number): string => `10.1.0.2:${port}`

describe('counters', () => {
  const shown = (world: IpvsWorld): unknown => world.ipvs.read()[0]?.servers[0]?.counters
  const none = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }

  test('are shown as the estimator saw them last, every 2 s', () => {
    const world = one()
    world.receive(tcp(from(1), service, 'S', { bytes: 60 }))
    world.receive(tcp('10.9.0.2:8080', from(1), 'SA', { bytes: 60 }))
    expect(shown(world.advance(1.9))).toEqual(none)
    expect(shown(world.advance(0.1))).toEqual({
      connections: 1,
      packetsIn: 1,
      packetsOut: 1,
      bytesIn: 60,
      bytesOut: 60,
    })
  })

  test('stand still without run_estimation', () => {
    const world = one().sysctls({ run_estimation: 0 })
    world.receive(tcp(from(1), service, 'S'))
    expect(shown(world.advance(10))).toEqual(none)
    expect(shown(world.sysctls({ run_estimation: 1 }).advance(2))).toMatchObject({ connections: 1 })
  })

  test('begin anew from what was shown: what came since then still shows', () => {
    const world = one()
    world.receive(tcp(from(1), service, 'S'))
    world.advance(2).receive(tcp(from(2), service, 'S'))
    world.ipvs.zero(tcpService())
    expect(shown(world)).toEqual(none)
    expect(shown(world.advance(2))).toMatchObject({ connections: 1, packetsIn: 1 })
    expect(world.ipvs.read()[0]?.counters).toMatchObject({ connections: 1, packetsIn: 1 })
  })

  test('of one service begin anew without the others', () => {
    const world = one().add(udpService(), [ipvsServer(2, { port: 53 })])
    world.receive(tcp(from(1), service, 'S'))
    world.receive(udp(from(1), '10.50.0.1:53'))
    world.advance(2).ipvs.zero(udpService())
    expect(world.ipvs.read().map(({ counters }) => counters.packetsIn)).toEqual([1, 0])
    world.ipvs.zero(undefined)
    expect(world.ipvs.read().map(({ counters }) => counters.packetsIn)).toEqual([0, 0])
  })

  test('of packets that go straight back to the client are not seen', () => {
    const world = one({ forwarding: 'direct' })
    world.receive(tcp(from(1), service, 'S'))
    expect(shown(world.advance(2))).toMatchObject({ packetsIn: 1, packetsOut: 0 })
  })

  test('rates follow by a quarter every 2 s, and fade when nothing comes, also after a long silence', () => {
    const world = one()
    const rates: number[] = []
    for (let second = 1; second <= 8; second++) {
      for (let packet = 0; packet < 100; packet++) world.receive(tcp(from(1), service, 'S', { bytes: 1000 }))
      world.advance(1)
      if (second % 2 === 0) rates.push(world.ipvs.read()[0]?.rates.packetsIn ?? 0)
    }
    expect(rates).toEqual([25, 44, 58, 68])
    expect(world.ipvs.read()[0]?.rates.bytesIn).toBe(68_359)
    expect(world.advance(2).ipvs.read()[0]?.rates.packetsIn).toBe(51)
    expect(world.advance(1e7).ipvs.read()[0]?.rates).toEqual(none)
    expect(world.ipvs.read()[0]?.counters.packetsIn).toBe(800)
  })
})

describe('thresholds', () => {
  test('-x 3 -y 1 takes three connections, also those in TIME_WAIT, and reopens with none', () => {
    const world = one({ upperThreshold: 3, lowerThreshold: 1 })
    const verdicts = [1, 2, 3, 4].map((port) => world.receive(tcp(from(port), service, 'S')))
    expect(verdicts.map((verdict) => verdict.split(' ')[0])).toEqual(['masq', 'masq', 'masq', 'unreachable'])
    world.advance(30).receive(tcp(from(3), service, 'A'))
    world.advance(30)
    expect(world.counts()).toEqual(['10.9.0.2 1/0/0'])
    expect(world.receive(tcp(from(5), service, 'S'))).toBe('unreachable')
    world.receive(tcp(from(3), service, 'R'))
    world.advance(10)
    expect(world.receive(tcp(from(5), service, 'S'))).toBe('masq 10.9.0.2:8080')
  })

  test('an edit opens or closes at once', () => {
    const world = one()
    world.receive(tcp(from(1), service, 'S'))
    world.ipvs.apply({ kind: 'server.update', id: tcpService(), server: ipvsServer(2, { upperThreshold: 1 }) })
    expect(world.receive(tcp(from(2), service, 'S'))).toBe('unreachable')
    world.ipvs.apply({
      kind: 'server.update',
      id: tcpService(),
      server: ipvsServer(2, { upperThreshold: 2, lowerThreshold: 1 }),
    })
    expect(world.receive(tcp(from(2), service, 'S'))).toBe('unreachable')
    world.ipvs.apply({
      kind: 'server.update',
      id: tcpService(),
      server: ipvsServer(2, { upperThreshold: 2, lowerThreshold: 2 }),
    })
    expect(world.receive(tcp(from(2), service, 'S'))).toBe('masq 10.9.0.2:8080')
  })
})

describe('defence against floods', () => {
  const syns = (world: IpvsWorld, count: number): string =>
    Array.from({ length: count }, (_, at) => world.receive(tcp(from(at + 1), service, 'S'))[0]).join('')

  test('drop_packet 3 drops the first of every am_droprate packets that would be scheduled', () => {
    expect(syns(one().sysctls({ drop_packet: 3, am_droprate: 4 }), 10)).toBe('dmmmdmmmdm')
  })

  test('the automatic modes go by what memory is free, and turn into each other', () => {
    const world = one().sysctls({ drop_packet: 1, drop_entry: 2, secure_tcp: 1 })
    const modes = () => {
      const { drop_packet, drop_entry, secure_tcp } = world.ipvs.settings.sysctls
      return [drop_packet, drop_entry, secure_tcp]
    }
    expect(modes()).toEqual([1, 1, 1])
    world.ipvs.setAvailablePages(1024 - 512)
    expect(modes()).toEqual([1, 1, 1])
    expect(world.advance(1) && modes()).toEqual([2, 2, 2])
    expect(syns(world, 4)).toBe('dmdm')
    world.ipvs.setAvailablePages(1e9)
    expect(world.advance(1) && modes()).toEqual([1, 1, 1])
    expect(syns(world, 4)).toBe('mmmm')
  })

  test('drop_entry lets half-open connections and unassured templates go, and spares those that work', () => {
    const persistence = { timeoutSeconds: 1000, mask: '255.255.255.255' }
    const world = new IpvsWorld({ random: () => 0 })
      .add(tcpService(), [ipvsServer(2)], { persistence })
      .sysctls({ drop_entry: 3 })
    world.receive(tcp('10.1.0.2:1', service, 'S'))
    world.receive(tcp('10.1.0.3:1', service, 'S'))
    world.receive(tcp('10.1.0.3:1', service, 'A'))
    expect(
      world
        .advance(1)
        .list()
        .map((line) => line.split(' ')[2]),
    ).toEqual(['ASSURED', 'ESTABLISHED'])
    expect(world.counts()).toEqual(['10.9.0.2 1/0/1'])
    // Idle for a minute after two packets: the first such goes, then every second one.
    expect(
      world
        .advance(60)
        .list()
        .map((line) => line.split(' ')[2]),
    ).toEqual(['ASSURED'])
  })
})

describe('the kernel’s bookkeeping', () => {
  type Event =
    | { readonly kind: 'packet'; readonly packet: TransportPacket }
    | { readonly kind: 'advance'; readonly seconds: number }
    | { readonly kind: 'server'; readonly id: ServiceId; readonly server: RealServer | number }
    | { readonly kind: 'service'; readonly service: Service | ServiceId }
    | {
        readonly kind: 'sysctl'
        readonly name: 'expire_nodest_conn' | 'expire_quiescent_template' | 'conn_reuse_mode' | 'drop_entry'
        readonly value: number
      }

  const ids = [tcpService(), udpService(80), sctpService(80), tcpService(0)]
  const ends = ['10.1.0.2:1', '10.1.0.2:2', '10.1.0.3:1']
  const places = ['10.50.0.1:80', '10.50.0.1:81']
  const servers = ['10.9.0.2:8080', '10.9.0.3:8080']
  const flags = ['S', 'SA', 'A', 'FA', 'R', '']
  const ways = fc.oneof(
    fc.tuple(fc.constantFrom(...ends), fc.constantFrom(...places)),
    fc.tuple(fc.constantFrom(...servers), fc.constantFrom(...ends)),
  )
  const packet = fc.oneof(
    fc.tuple(ways, fc.constantFrom(...flags)).map(([[a, b], bits]) => tcp(a, b, bits)),
    ways.map(([a, b]) => udp(a, b)),
    fc
      .tuple(
        ways,
        fc.constantFrom(
          'INIT' as const,
          'INIT_ACK' as const,
          'COOKIE_ECHO' as const,
          'COOKIE_ACK' as const,
          'ABORT' as const,
        ),
      )
      .map(([[a, b], chunk]) => sctp(a, b, chunk)),
  )
  const id = fc.constantFrom(...ids)
  const aServer = fc.record({
    last: fc.constantFrom(2, 3),
    weight: fc.nat(2),
    upper: fc.nat(3),
    forwarding: fc.constantFrom('masq' as const, 'direct' as const),
  })
  const aService = fc.record({
    id,
    scheduler: fc.constantFrom(...schedulerNames),
    persists: fc.boolean(),
    onePacket: fc.boolean(),
  })
  const event: fc.Arbitrary<Event> = fc.oneof(
    { weight: 12, arbitrary: packet.map((packet): Event => ({ kind: 'packet', packet })) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 130 }).map((seconds): Event => ({ kind: 'advance', seconds })) },
    { weight: 2, arbitrary: fc.tuple(id, aServer).map(([id, { last, weight, upper, forwarding }]): Event => ({ kind: 'server', id, server: ipvsServer(last, { weight, upperThreshold: upper, forwarding }) })) },
    { weight: 1, arbitrary: fc.tuple(id, fc.constantFrom(2, 3)).map(([id, server]): Event => ({ kind: 'server', id, server })) },
    { weight: 1, arbitrary: aService.map(({ id, scheduler, persists, onePacket }): Event => ({ kind: 'service', service: { id, scheduler, schedulerFlags: [], onePacket, ...(persists ? { persistence: { timeoutSeconds: 50, mask: '255.255.255.255' } } : {}) } })) },
    { weight: 1, arbitrary: id.map((id): Event => ({ kind: 'service', service: id })) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom('expire_nodest_conn' as const, 'expire_quiescent_template' as const, 'conn_reuse_mode' as const, 'drop_entry' as const), fc.nat(3)).map(([name, value]): Event => ({ kind: 'sysctl', name, value })) },
  ) // biome-ignore format: a table

  function happen({ ipvs }: IpvsWorld, event: Event): void {
    switch (event.kind) {
      case 'packet':
        ipvs.receive(event.packet)
        return
      case 'advance':
        ipvs.advanceTo(ipvs.nowMs + event.seconds * 1000)
        return
      case 'server':
        if (typeof event.server === 'number')
          ipvs.apply({ kind: 'server.remove', id: event.id, server: ipvsServer(event.server) })
        else ipvs.apply({ kind: 'server.add', id: event.id, server: event.server })
        return
      case 'service':
        if ('kind' in event.service) ipvs.apply({ kind: 'service.remove', id: event.service })
        else ipvs.apply({ kind: 'service.add', service: event.service })
        return
      case 'sysctl':
        ipvs.apply({ kind: 'settings', settings: { sysctls: { [event.name]: event.value } } })
    }
  }

  /** What is wrong: every count is what the entries say, also of deleted servers, every threshold what the counts say. */
  function faults({ ipvs }: IpvsWorld, seen: Set<InstalledServer>): string[] {
    const found: string[] = []
    const counts = new Map<InstalledServer, [active: number, inactive: number, persistent: number]>()
    const controls = new Map<Entry, number>()
    for (const entry of ipvs.connections.all) {
      const { on, control, isTemplate, isActive, expiresAtMs } = entry
      if (control !== undefined) controls.set(control, (controls.get(control) ?? 0) + 1)
      if (!(expiresAtMs > ipvs.nowMs && Number.isFinite(expiresAtMs))) found.push(`an entry ends at ${expiresAtMs}`)
      if (on === undefined) continue
      const own = counts.get(on) ?? [0, 0, 0]
      own[isTemplate ? 2 : isActive ? 0 : 1] += 1
      counts.set(on, own)
    }
    for (const entry of ipvs.connections.all)
      if (entry.controls !== (controls.get(entry) ?? 0)) found.push(`controls ${entry.controls}`)
    for (const { servers, statistics } of ipvs.services.byKey.values()) {
      for (const server of servers) {
        seen.add(server)
        if (!server.isAvailable) found.push('a deleted server is in the table')
        const isClosed = isOverloaded(server.overloaded, server.active + server.inactive, server.server)
        if (isClosed !== server.overloaded) found.push(`overloaded is ${server.overloaded}`)
      }
      if (Object.values({ ...statistics.counters, ...statistics.rates }).some((count) => count < 0))
        found.push('a counter is negative')
    }
    for (const server of seen) {
      const { active, inactive, persistent } = server
      const counted = (counts.get(server) ?? [0, 0, 0]).join()
      if ([active, inactive, persistent].join() !== counted) found.push(`${server.key} has ${counted}`)
    }
    return found
  }

  test('adds up, whatever comes in whatever order', () => {
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 80, size: 'max' }),
        fc.boolean(),
        fc.nat(1),
        (events, persists, sweeps) => {
          const world = new IpvsWorld({ random: () => 0.001 }).sysctls({ expire_nodest_conn: sweeps })
          const seen = new Set<InstalledServer>()
          const persistence = persists ? { persistence: { timeoutSeconds: 50, mask: '255.255.255.255' } } : {}
          for (const id of ids) world.add(id, [ipvsServer(2), ipvsServer(3)], persistence)
          for (const one of events) {
            happen(world, one)
            world.advance(0)
            expect(faults(world, seen)).toEqual([])
          }
          world.advance(100_000)
          expect(world.list()).toEqual([])
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a scheduled connection never goes to a server that is full, deleted or of weight 0', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60, size: 'max' }), (events) => {
        const world = new IpvsWorld({ random: () => 0.5 })
        for (const id of ids) world.add(id, [ipvsServer(2), ipvsServer(3)])
        for (const one of events) {
          const servers = [...world.ipvs.services.byKey.values()].flatMap(({ servers }) => servers)
          // lblc and lblcr send a destination where it went before, full or not.
          const isFull = ({ overloaded, service }: InstalledServer): boolean =>
            overloaded && !service.service.scheduler.startsWith('lblc')
          const before = new Map(servers.map((server) => [server, isFull(server) || server.weight === 0]))
          const standing = new Set(world.ipvs.connections.all)
          happen(world, one)
          for (const entry of world.ipvs.connections.all) {
            if (standing.has(entry) || entry.on === undefined) continue
            if (entry.isTemplate) expect(before.get(entry.on)).toBe(false)
            else if (entry.control === undefined) expect(before.get(entry.on)).toBe(false)
            else expect(before.has(entry.on)).toBe(true)
          }
        }
      }),
      { numRuns: 200 },
    )
  })
})
