/** Random services that a file can say, for property tests. */
import fc from 'fast-check'
import type { CheckSpec } from '../../health/check.ts'
import { parseAddress } from '../../lvs/address.ts'
import type { Application } from '../../lvs/application.ts'
import {
  type Endpoint,
  type Forwarding,
  familyOf,
  formatEndpoint,
  type Persistence,
  type Service,
  type ServiceId,
  schedulerNames,
  type Tunnel,
} from '../../lvs/service.ts'
import { type SettingsChange, type Sysctls, sysctlNames } from '../../lvs/settings.ts'
import { slowStartRefusal } from './health-combinations.ts'
import type { ServerSpec, ServiceSpec } from './model.ts'
import { randomCheck } from './random-check.ts'

const port = fc.integer({ min: 1, max: 65_535 })
const ipv6 = fc.ipV6().map((text) => parseAddress(text) ?? '::')
/** None at which a service listens: a server that is its own service is refused. */
const address = fc.oneof(fc.ipV4(), ipv6).filter((text) => !['0.0.0.0', '::', 'fd00::1'].includes(text))
const endpoint: fc.Arbitrary<Endpoint> = fc.record({ address, port })

const seconds = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max })
const timeSeconds = seconds(2_678_400)

export const randomSettings: fc.Arbitrary<SettingsChange> = fc
  .record(
    {
      timeouts: fc
        .record({ tcp: timeSeconds, tcpFin: timeSeconds, udp: timeSeconds }, { requiredKeys: [] })
        .filter((timeouts) => Object.keys(timeouts).length > 0),
      sysctls: fc
        .tuple(fc.subarray(sysctlNames, { minLength: 1 }), fc.integer({ min: 0, max: 9 }))
        .map(([names, value]) => Object.fromEntries(names.map((name) => [name, value])) as Partial<Sysctls>),
    },
    { requiredKeys: [] },
  )
  .filter((settings) => Object.keys(settings).length > 0)

const tunnel: fc.Arbitrary<Tunnel> = fc.oneof(
  fc.constant<Tunnel>({ type: 'ipip' }),
  fc.record({ type: fc.constant('gre' as const), checksum: fc.constantFrom('nocsum' as const, 'csum' as const) }),
  fc.record({
    type: fc.constant('gue' as const),
    port,
    checksum: fc.constantFrom('nocsum' as const, 'csum' as const, 'remcsum' as const),
  }),
)

type ServersLike = {
  readonly own: number
  readonly isPortless: boolean
  readonly forwarding: Forwarding
  readonly check: fc.Arbitrary<CheckSpec>
}

function serversOf(
  pools: readonly string[],
  { own, isPortless, forwarding, check }: ServersLike,
): fc.Arbitrary<ServerSpec[]> {
  const options = fc
    .record(
      {
        weight: fc.integer({ min: 0, max: 65_535 }),
        thresholds: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 99 })),
        forwarding: fc.constantFrom<Forwarding>('masq', 'tunnel', 'direct', 'local'),
        tunnel,
        checks: fc.array(check, { maxLength: 2 }),
      },
      { requiredKeys: ['weight'] },
    )
    .map(({ thresholds, tunnel, ...rest }) => ({
      ...rest,
      ...(thresholds === undefined ? {} : { lowerThreshold: thresholds[0], upperThreshold: thresholds[1] }),
      ...(tunnel === undefined || (rest.forwarding ?? forwarding) !== 'tunnel' ? {} : { tunnel }),
    }))
  const kept = (server: { forwarding?: Forwarding }, port: number): number =>
    own > 0 && ['direct', 'tunnel'].includes(server.forwarding ?? forwarding) ? own : port
  const anyPort = isPortless ? fc.oneof(port, fc.constant(0)) : port
  const server: fc.Arbitrary<ServerSpec> = fc.oneof(
    fc.tuple(address, anyPort, options).map(([address, port, more]): ServerSpec => {
      return { kind: 'address', endpoint: { address, port: kept(more, port) }, ...more }
    }),
    ...(pools.length === 0
      ? []
      : [
          fc
            .tuple(fc.constantFrom(...pools), port, options)
            .map(([guests, port, more]): ServerSpec => ({ kind: 'guests', guests, port: kept(more, port), ...more })),
        ]),
  )
  const key = (server: ServerSpec): string =>
    server.kind === 'address' ? formatEndpoint(server.endpoint) : `${server.guests} ${server.port}`
  return fc.uniqueArray(server, { selector: key, maxLength: 4 })
}

const host = fc.constantFrom('shop.example', '*.shop.example', 'a_b.c', 'xn--p1ai')
const said = fc.record(
  { name: fc.constantFrom('x-canary', 'sid', 'a$b'), value: fc.constantFrom('', '1', 'yes', '${X}', 'a: b', ' #') },
  { requiredKeys: ['name'] },
)
const certificate = fc.record({
  certificate: fc.constantFrom('/etc/ssl/a.pem', '/srv/$x.pem'),
  key: fc.constantFrom('/etc/ssl/a.key', '/srv/x y.key'),
})
const certificates = fc.array(certificate, { minLength: 1, maxLength: 2 })

function applicationOf(pools: readonly string[]): fc.Arbitrary<Application> {
  const pool = fc.constantFrom(...pools)
  const hostRule = fc.record({ match: fc.record({ host }), pool })
  const httpRule = fc.record({
    match: fc.record(
      {
        host,
        path: fc.record({ value: fc.stringMatching(/^\/[!-~]{0,10}$/), exact: fc.boolean() }),
        header: said,
        cookie: said,
      },
      { requiredKeys: [] },
    ),
    pool,
  })
  return fc.oneof(
    fc.record(
      {
        kind: fc.constant('http' as const),
        rules: fc.array(httpRule, { maxLength: 3 }),
        certificates,
        forwarded: fc.subarray(['x-forwarded', 'forwarded', 'via'] as const),
      },
      { requiredKeys: ['kind', 'rules'] },
    ),
    fc.record({ kind: fc.constant('sni' as const), rules: fc.array(hostRule, { maxLength: 3 }) }),
    fc.record({ kind: fc.constant('tls' as const), rules: fc.array(hostRule, { maxLength: 3 }), certificates }),
  )
}

const listenAddress = fc.oneof(
  fc.ipV4().map((text) => text.replace(/^\d+/, '192')),
  fc.constantFrom('0.0.0.0', '::', 'fd00::1'),
)

/** Every service has a port of its own, and none that its servers could have. */
function idOf(index: number): fc.Arbitrary<ServiceId> {
  const port = 60_000 + index
  return fc.oneof(
    fc.record({
      kind: fc.constant('address' as const),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
      address: listenAddress,
      port: fc.constant(port),
    }),
    fc.record({
      kind: fc.constant('address' as const),
      protocol: fc.constant('tcp' as const),
      address: fc.constant(`10.0.0.${index + 1}`),
      port: fc.constant(0),
    }),
    fc.record({
      kind: fc.constant('fwmark' as const),
      mark: fc.constant(index + 1),
      family: fc.constantFrom('ipv4' as const, 'ipv6' as const),
    }),
    fc.record({
      kind: fc.constant('dns' as const),
      name: fc.constantFrom('www.shop', 'a', '_sip._tcp.example.org'),
      address: listenAddress,
      port: fc.constant(port),
    }),
  )
}

const flagsOf: Readonly<Record<string, readonly string[]>> = {
  sh: ['sh-fallback', 'sh-port'],
  mh: ['mh-fallback', 'mh-port'],
}

function persistenceFor(id: ServiceId): fc.Arbitrary<Persistence> {
  const isIpv6 = id.kind === 'fwmark' ? id.family === 'ipv6' : 'address' in id && familyOf(id.address) === 'ipv6'
  const mask = isIpv6 ? fc.integer({ min: 1, max: 128 }).map(String) : fc.constantFrom('255.255.255.255', '255.255.0.0')
  const isUdp = id.kind === 'fwmark' || (id.kind === 'address' && id.protocol === 'udp')
  return fc.record(
    { timeoutSeconds: timeSeconds, mask, ...(isUdp ? { engine: fc.constant('sip' as const) } : {}) },
    { requiredKeys: ['timeoutSeconds', 'mask'] },
  )
}

function serviceFor(id: ServiceId, pools: readonly string[]): fc.Arbitrary<Service> {
  const isPlain = id.kind === 'address' && id.port > 0
  const isTcp = isPlain && id.protocol === 'tcp'
  const isDatagram = id.kind === 'fwmark' || (id.kind === 'address' && id.protocol === 'udp')
  const must = id.kind === 'address' && id.port === 0
  return fc
    .record(
      {
        scheduler: fc.constantFrom(...schedulerNames),
        flags: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
        onePacket: isDatagram ? fc.boolean() : fc.constant(false),
        ...(id.kind === 'dns' ? {} : { persistence: persistenceFor(id), idleTimeoutSeconds: seconds(604_800) }),
        ...(isTcp ? { proxyProtocol: fc.constantFrom('v1' as const, 'v2' as const) } : {}),
        ...(isTcp && pools.length > 0 ? { application: applicationOf(pools) } : {}),
        ...(id.kind === 'dns' ? { ttlSeconds: fc.integer({ min: 0, max: 604_800 }) } : {}),
      },
      {
        requiredKeys: [
          'scheduler',
          'flags',
          'onePacket',
          ...(must ? (['persistence'] as const) : []),
          ...(id.kind === 'dns' ? (['ttlSeconds'] as const) : []),
        ] as ('scheduler' | 'flags' | 'onePacket')[],
      },
    )
    .map(({ flags, ...more }): Service => {
      const all = flagsOf[more.scheduler] ?? ['flag-1', 'flag-2', 'flag-3']
      return { id, ...more, schedulerFlags: all.filter((_, at) => flags[at]) }
    })
}

/** Packets that are not rewritten keep their port; a service of all ports needs none. */
function fallbackTo(own: number, isPortless: boolean): fc.Arbitrary<NonNullable<ServiceSpec['fallback']>> {
  const kept = isPortless ? fc.oneof(port, fc.constant(0)) : own > 0 ? fc.constant(own) : port
  const unwritten = fc.constantFrom<Forwarding>('direct', 'tunnel')
  const place = fc.oneof(
    endpoint,
    fc.record({ address, port, forwarding: fc.constant<Forwarding>('local') }),
    fc.record({ address, port: kept, forwarding: unwritten }),
  )
  return fc.tuple(place, fc.constantFrom({}, { idle: 'drain' as const })).map(([at, more]) => ({ ...at, ...more }))
}

function specFor(name: string, service: Service, guests: readonly string[]): fc.Arbitrary<ServiceSpec> {
  const { id } = service
  const own = id.kind === 'address' ? id.port : 0
  const isPortless = id.kind === 'fwmark' || (id.kind === 'address' && id.port === 0)
  // A server without a port has none to check.
  const check = isPortless
    ? fc.tuple(randomCheck(id), port).map(([check, port]) => ({ ...check, port }))
    : randomCheck(id)
  return fc.constantFrom<Forwarding>('masq', 'tunnel', 'direct', 'local').chain((forwarding) =>
    fc.record(
      {
        name: fc.constant(name),
        service: fc.constant(service),
        forwarding: fc.constant(forwarding),
        servers: serversOf(guests, { own, isPortless, forwarding, check }),
        checks: fc.array(check, { maxLength: 2 }),
        onFailure: fc.constantFrom('drain' as const, 'remove' as const),
        fallback: fallbackTo(own, isPortless),
        quorum: fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(8))
          .map(([weight, less]) => ({ weight, hysteresis: Math.min(less, weight - 1) })),
        fallbackCommand: fc.constantFrom('/usr/local/bin/page', 'logger -t ${X} "a b"', '12', 'true'),
        panicPercent: fc.integer({ min: 1, max: 100 }),
        ...(slowStartRefusal(service.scheduler) === undefined
          ? { slowStartMs: fc.integer({ min: 100, max: 86_400_000 }) }
          : {}),
      },
      { requiredKeys: ['name', 'service', 'forwarding', 'servers', 'checks', 'onFailure'] },
    ),
  )
}

const web = (index: number): ServiceId => ({
  kind: 'address',
  protocol: 'tcp',
  address: '0.0.0.0',
  port: 60_000 + index,
})

/** With two or more of them, the first may be reached through rules only; the second leads to it then. */
export function randomServices(names: readonly string[], guests: readonly string[]): fc.Arbitrary<ServiceSpec[]> {
  const [pool = ''] = names
  return fc.boolean().chain((wanted) => {
    const hasPool = wanted && names.length > 1
    const pools = hasPool ? [pool] : []
    const services = names.map((name, index) => {
      if (hasPool && index === 0)
        return serviceFor({ kind: 'pool', name: pool }, []).chain((service) => specFor(name, service, guests))
      const leading = (service: Service): Service => ({
        ...service,
        application: { kind: 'sni', rules: [{ match: {}, pool }] },
      })
      const service =
        hasPool && index === 1
          ? serviceFor(web(index), []).map(leading)
          : idOf(index).chain((id) => serviceFor(id, pools))
      return service.chain((service) => specFor(name, service, guests))
    })
    return fc.tuple(...services)
  })
}
