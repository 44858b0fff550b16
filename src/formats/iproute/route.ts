/** A route by iproute2's words, ip-route(8): plain data, and its words again. Pure. */
import { type Cidr, formatCidr } from '../../lvs/address.ts'
import type { Family } from '../../lvs/service.ts'
import { ownProtocol } from './names.ts'

export const routeTypes = [
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const
export type RouteType = (typeof routeTypes)[number]

/** In the kernel's order: RTAX_…, from 2 on. */
export const metricNames = [
  'mtu', 'window', 'rtt', 'rttvar', 'ssthresh', 'cwnd', 'advmss', 'reordering', 'hoplimit', 'initcwnd', 'features',
  'rto_min', 'initrwnd', 'quickack', 'congctl', 'fastopen_no_cookie',
] as const // biome-ignore format: a list to read at a glance
export type MetricName = (typeof metricNames)[number]

/** As the kernel has it: times of `rtt` in eighths and of `rttvar` in quarters of a millisecond; `congctl` is a name. */
export type RouteMetric = { readonly name: MetricName; readonly value: number | string; readonly isLocked?: true }

export type Realms = { readonly from: number; readonly to: number }

export type NextHop = {
  readonly via?: string
  readonly interface?: string
  /** 1 to 256. */
  readonly weight: number
  readonly isOnLink?: true
  readonly realms?: Realms
}

export const routerPreferences = { medium: 0, high: 1, low: 3 } as const

export type Route = {
  readonly family: Family
  readonly type: RouteType
  readonly to: Cidr
  /** IPv6: only packets from there. */
  readonly from?: Cidr
  /** The address that packets of this machine have. */
  readonly source?: string
  readonly via?: string
  readonly interface?: string
  readonly isOnLink?: true
  readonly table?: number
  readonly tos?: number
  readonly protocol: number
  readonly scope?: number
  readonly metric?: number
  readonly metrics: readonly RouteMetric[]
  readonly realms?: Realms
  /** IPv6. */
  readonly preference?: keyof typeof routerPreferences
  readonly expiresSeconds?: number
  readonly propagatesTtl?: boolean
  /** In place of `via` and `interface`: packets are spread over these. */
  readonly hops: readonly NextHop[]
  /** After those to the same destination, not before. */
  readonly isAppended?: true
  /** Without: once it is gone, nobody brings it back. */
  readonly isTracked: boolean
}

/** Reads back as the same route (`readRoute`). */
export function formatRoute(route: Route): string {
  const { type, to, from, source, via, table, tos, protocol, scope, metric, realms, preference } = route
  const words = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [name, String(value)]
  return [
    ...(type === 'unicast' ? [] : [type]),
    formatCidr(to),
    ...words('from', from && formatCidr(from)),
    ...words('src', source),
    ...words('via', via),
    ...words('dev', route.interface),
    ...(route.isOnLink ? ['onlink'] : []),
    ...words('table', table),
    ...words('tos', tos === undefined ? undefined : `0x${tos.toString(16)}`),
    ...words('protocol', protocol === ownProtocol ? undefined : protocol),
    ...words('scope', scope),
    ...words('metric', metric),
    ...route.metrics.flatMap(formatMetric),
    ...words('realms', realms && formatRealms(realms)),
    ...words('pref', preference),
    ...words('expires', route.expiresSeconds),
    ...words(
      'ttl-propagate',
      route.propagatesTtl === undefined ? undefined : route.propagatesTtl ? 'enabled' : 'disabled',
    ),
    ...(route.isAppended ? ['append'] : []),
    ...(route.isTracked ? [] : ['no_track']),
    ...route.hops.flatMap((hop) => [
      'nexthop',
      ...words('via', hop.via),
      ...words('dev', hop.interface),
      ...words('weight', hop.weight === 1 ? undefined : hop.weight),
      ...words('realms', hop.realms && formatRealms(hop.realms)),
      ...(hop.isOnLink ? ['onlink'] : []),
    ]),
  ].join(' ')
}

function formatMetric({ name, value, isLocked }: RouteMetric): string[] {
  if (name === 'features') return ['features', 'ecn']
  return [name, ...(isLocked ? ['lock'] : []), String(value)]
}

export function formatRealms({ from, to }: Realms): string {
  return from === 0 ? String(to) : `${from}/${to}`
}

/** All interfaces that it leads through. */
export function interfacesOf({ interface: own, hops }: Route): readonly string[] {
  return [own, ...hops.map((hop) => hop.interface)].flatMap((name) => name ?? [])
}
