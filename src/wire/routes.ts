/** Routes in routing netlink, rtnetlink(7) (Linux, include/uapi/linux/rtnetlink.h). */
import {
  metricNames,
  type NextHop,
  type Realms,
  type Route,
  type RouteType,
  routerPreferences,
} from '../formats/iproute/route.ts'
import { addressBytes } from '../lvs/address.ts'
import { joined } from './joined.ts'
import { type Attribute, encodeAttributes, text, u8, u16, u32 } from './netlink.ts'

export const routeMessages = { newRoute: 24, deleteRoute: 25 } as const
/** RTNLGRP_…: who wants to hear of changes. */
export const routeChangeGroups = { ipv4Routes: 7, ipv6Routes: 11 } as const

/** RTN_…, from 1 on. */
const types: Readonly<Record<RouteType, number>> = {
  unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, blackhole: 6, unreachable: 7, prohibit: 8, throw: 9,
} // biome-ignore format: a list to read at a glance
export const families = { ipv4: 2, ipv6: 10 } as const
export const mainTable = 254

/** ```
 *  struct rtmsg      0 family  1 destination's length  2 source's length  3 tos  4 table  5 protocol  6 scope  7 type  8 flags
 *  struct rtnexthop  0 length (2)  2 flags  3 weight - 1  4 interface
 *  ``` */
const headerBytes = 12
const hopBytes = 8
const attributes = {
  destination: 1, source: 2, interface: 4, gateway: 5, metric: 6, preferredSource: 7, metrics: 8, hops: 9, realms: 11,
  table: 15, preference: 20, expires: 23, propagatesTtl: 26,
} as const // biome-ignore format: a list to read at a glance
const lockMetric = 1
const firstMetric = 2
const onLink = 4

/** The number of an interface; undefined: there is none of that name. */
export type IndexOf = (name: string) => number | undefined

/** undefined where an interface is missing. To add it as to remove it. */
export function encodeRoute(route: Route, indexOf: IndexOf): Uint8Array | undefined {
  const { family, to, from, table = mainTable, tos = 0, protocol, scope = 0, type } = route
  const header = new Uint8Array(headerBytes)
  const flags = route.isOnLink ? onLink : 0
  header.set([
    families[family],
    to.prefix,
    from?.prefix ?? 0,
    tos,
    table < 256 ? table : 0,
    protocol,
    scope,
    types[type],
    flags,
  ])
  const own = route.interface === undefined ? [] : index(route.interface, indexOf)
  const hops = route.hops.map((hop) => encodeHop(hop, indexOf))
  if (own === undefined || hops.includes(undefined)) return undefined
  const { source, via, metric, realms, preference, expiresSeconds, propagatesTtl } = route
  return joined([
    header,
    encodeAttributes([
      ...(to.prefix === 0 ? [] : [[attributes.destination, addressBytes(to.address)] as const]),
      ...(from === undefined ? [] : [[attributes.source, addressBytes(from.address)] as const]),
      [attributes.table, u32(table)],
      ...own,
      ...given(attributes.gateway, via, addressBytes),
      ...given(attributes.preferredSource, source, addressBytes),
      ...given(attributes.metric, metric, u32),
      ...(route.metrics.length === 0 ? [] : [[attributes.metrics, metricsOf(route)] as const]),
      ...given(attributes.realms, realms, encodeRealms),
      ...given(attributes.preference, preference, (name) => u8(routerPreferences[name])),
      ...given(attributes.expires, expiresSeconds, u32),
      ...given(attributes.propagatesTtl, propagatesTtl, (does) => u8(does ? 1 : 0)),
      ...(hops.length === 0 ? [] : [[attributes.hops, joined(hops.flatMap((hop) => hop ?? []))] as const]),
    ]),
  ])
}

function given<T>(type: number, value: T | undefined, encode: (value: T) => Uint8Array): Attribute[] {
  return value === undefined ? [] : [[type, encode(value)]]
}

function index(name: string, indexOf: IndexOf): Attribute[] | undefined {
  const number = indexOf(name)
  return number === undefined ? undefined : [[attributes.interface, u32(number)]]
}

/** Those that are locked are told of by a mask of their numbers. */
function metricsOf({ metrics }: Route): Attribute[] {
  const numbered = metrics.map((one) => ({ ...one, number: firstMetric + metricNames.indexOf(one.name) }))
  const locks = numbered.reduce((mask, { number, isLocked }) => (isLocked ? mask | (1 << number) : mask), 0)
  return [
    ...(locks === 0 ? [] : [[lockMetric, u32(locks)] as const]),
    ...numbered.map(({ number, value }) => [number, typeof value === 'string' ? text(value) : u32(value)] as const),
  ]
}

export function encodeRealms({ from, to }: Realms): Uint8Array {
  return u32(from * 65_536 + to)
}

function encodeHop(
  { via, interface: name, weight, isOnLink, realms }: NextHop,
  indexOf: IndexOf,
): Uint8Array | undefined {
  const number = name === undefined ? 0 : indexOf(name)
  if (number === undefined) return undefined
  const own = encodeAttributes([
    ...given(attributes.gateway, via, addressBytes),
    ...given(attributes.realms, realms, encodeRealms),
  ])
  const length = hopBytes + own.length
  return joined([u16(length), Uint8Array.of(isOnLink ? onLink : 0, weight - 1), u32(number), own])
}
