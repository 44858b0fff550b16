/** Reads a route by iproute2's words, with keepalived's few of its own (`no_track`, `append`, `gw`, `or`), and its messages. Pure. */
import { parseAddress } from '../../lvs/address.ts'
import { type Family, familyOf } from '../../lvs/service.ts'
import { isName, type Names, ownProtocol } from './names.ts'
import { type Reader, type ReadLine, readLine } from './reader.ts'
import {
  type MetricName,
  type NextHop,
  type Realms,
  type Route,
  type RouteMetric,
  routerPreferences,
  routeTypes,
} from './route.ts'

type Draft = {
  -readonly [Key in keyof Omit<Route, 'to' | 'family' | 'metrics' | 'hops'>]?: Route[Key] | undefined
} & { to?: Route['to'] | 'all'; written?: string; family?: Family; metrics: RouteMetric[]; hops: NextHop[] }

const u32 = { min: 0, max: 4_294_967_295 }

/** What stands against it is said in keepalived's words. */
export function readRoute(words: readonly string[], names: Names): ReadLine<Route> {
  return readLine(words, names, (reader) => {
    const draft: Draft = { metrics: [], hops: [] }
    for (let word = reader.next(); word !== undefined; word = reader.next()) takeWord(word, draft, reader)
    return finished(draft, reader)
  })
}

function finished(draft: Draft, reader: Reader): Route {
  const {
    to,
    written = '',
    family = 'ipv4',
    type = 'unicast',
    protocol = ownProtocol,
    isTracked = true,
    ...more
  } = draft
  if (to === undefined) return reader.fail('Route must have a destination')
  const everywhere = { address: family === 'ipv4' ? '0.0.0.0' : '::', prefix: 0 }
  const isLoose = !isTracked
  if (!isLoose && protocol !== ownProtocol)
    reader.said.push('Route cannot be tracked if protocol is not RTPROT_KEEPALIVED(18), resetting protocol')
  if (!isLoose && draft.interface === undefined)
    reader.said.push(`Warning - cannot track route ${written} with no interface specified, not tracking`)
  return {
    ...withoutNothing(more),
    family,
    type,
    to: to === 'all' ? everywhere : to,
    protocol: isLoose ? protocol : ownProtocol,
    isTracked,
  }
}

/** Keys that have a value. */
function withoutNothing<T extends object>(of: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}

function takeWord(word: string, draft: Draft, reader: Reader): void {
  const take = takers[word]
  if (Object.hasOwn(takers, word) && take !== undefined) return take(draft, reader, word)
  const metric = metricTakers[word]
  if (Object.hasOwn(metricTakers, word) && metric !== undefined) {
    const isLocked = reader.has('lock')
    const value = metric(reader, reader.value(word))
    draft.metrics = draft.metrics.filter(({ name }) => name !== word)
    draft.metrics.push({ name: word as MetricName, value, ...(isLocked ? { isLocked } : {}) })
    return
  }
  takeDestination(word, draft, reader)
}

function takeDestination(first: string, draft: Draft, reader: Reader): void {
  const isType = isName(routeTypes, first) || first === 'nat' || first === 'xresolve'
  if (isType) {
    if (isName(routeTypes, first)) draft.type = first
    else reader.refused = `routes of type ${first} are none that Linux still has`
  }
  let word = isType ? reader.value(first) : first
  if (word === 'to') word = reader.value(word)
  if (word === 'default' || word === 'any' || word === 'all') {
    if (draft.family === 'ipv6' && draft.via === undefined)
      return reader.fail(`Cannot mix IPv4 and IPv6 addresses for route (${word})`)
    draft.to = 'all'
  } else {
    const network = reader.network(word, `unknown route keyword ${word}`)
    ofFamily(familyOf(network.address), draft, reader)
    draft.to = network
  }
  draft.written = word
}

function ofFamily(family: Family, draft: Draft, reader: Reader): void {
  if (draft.family !== undefined && draft.family !== family)
    return reader.fail('Cannot mix IPv4 and IPv6 addresses for route')
  draft.family = family
}

/** Without a length. */
function plainAddress(reader: Reader, word: string, what: string): string {
  return parseAddress(word) ?? reader.fail(`VRRP parsed invalid IP ${word}. skipping IP...`, what)
}

function gateway(reader: Reader, keyword: string, draft: Draft): string {
  const first = reader.value(keyword)
  const hasFamily = first === 'inet' || first === 'inet6'
  if (hasFamily) ofFamily(first === 'inet' ? 'ipv4' : 'ipv6', draft, reader)
  const word = hasFamily ? reader.value(first) : first
  const address = plainAddress(reader, word, `invalid route via address ${word}`)
  ofFamily(familyOf(address), draft, reader)
  return address
}

type Take = (draft: Draft, reader: Reader, word: string) => void

const metricOfRoute: Take = (draft, reader, word) => {
  const value = reader.value(word)
  draft.metric = reader.integer(value, u32, `Invalid metric ${value} specified for route`)
}
const tosOfRoute: Take = (draft, reader, word) => {
  const value = reader.value(word)
  draft.tos = readTos(reader, value)
}
const interfaceOfRoute: Take = (draft, reader, word) => {
  draft.interface = reader.value(word)
}

const takers: Readonly<Record<string, Take>> = {
  src(draft, reader, word) {
    const value = reader.value(word)
    const address = plainAddress(reader, value, `invalid route src address ${value}`)
    ofFamily(familyOf(address), draft, reader)
    draft.source = address
  },
  from(draft, reader, word) {
    const value = reader.value(word)
    const network = reader.network(value, `invalid route from address ${value}`)
    if (familyOf(network.address) === 'ipv4')
      return reader.fail(`route from address only supported with IPv6 (${value})`)
    ofFamily('ipv6', draft, reader)
    draft.from = network
  },
  as(_, reader) {
    reader.said.push('"as to" for MPLS only - ignoring')
    reader.has('to')
    reader.next()
  },
  via(draft, reader, word) {
    draft.via = gateway(reader, word, draft)
  },
  gw(draft, reader, word) {
    reader.said.push('"gw" for routes is deprecated. Please use "via"')
    draft.via = gateway(reader, word, draft)
  },
  /** An old word: packets are spread over the two. */
  or(draft, reader, word) {
    reader.said.push('"or" for routes is deprecated. Please use "nexthop"')
    const value = reader.value(word)
    const address = plainAddress(reader, value, `Invalid "or" address ${value}`)
    ofFamily(familyOf(address), draft, reader)
    draft.hops = [...(draft.via === undefined ? [] : [{ via: draft.via, weight: 1 }]), { via: address, weight: 1 }]
    draft.via = undefined
  },
  dev: interfaceOfRoute,
  oif: interfaceOfRoute,
  onlink(draft) {
    draft.isOnLink = true
  },
  inet: takeFamily('ipv4'),
  inet6: takeFamily('ipv6'),
  table(draft, reader, word) {
    const value = reader.value(word)
    draft.table = reader.named('table', value, u32.max, `Routing table ${value} not found for route`)
  },
  tos: tosOfRoute,
  dsfield: tosOfRoute,
  protocol(draft, reader, word) {
    const value = reader.value(word)
    draft.protocol = reader.named('protocol', value, 255, `Protocol ${value} not found or invalid for route`)
  },
  scope(draft, reader, word) {
    const value = reader.value(word)
    draft.scope = reader.named('scope', value, 255, `Scope ${value} not found or invalid for route`)
  },
  metric: metricOfRoute,
  priority: metricOfRoute,
  preference: metricOfRoute,
  realms(draft, reader, word) {
    const value = reader.value(word)
    draft.realms = readRealms(reader, value, `Invalid realms ${value} for route`)
  },
  pref(draft, reader, word) {
    const value = reader.value(word)
    if (isName(preferences, value)) draft.preference = value
    else {
      const number = reader.integer(value, { min: 0, max: 3 }, `Invalid pref value ${value} specified for route`)
      draft.preference = preferences.find((name) => routerPreferences[name] === number) ?? 'medium'
    }
  },
  expires(draft, reader, word) {
    const value = reader.value(word)
    if (draft.family !== 'ipv6') return reader.fail('expires is only valid for IPv6')
    draft.expiresSeconds = reader.integer(value, u32, `Invalid expires time ${value} specified for route`)
  },
  'ttl-propagate'(draft, reader, word) {
    const value = reader.value(word)
    if (value !== 'enabled' && value !== 'disabled') return reader.fail(`ttl-propagate value ${value} not recognised`)
    draft.propagatesTtl = value === 'enabled'
  },
  features(draft, reader, word) {
    const value = reader.value(word)
    if (value !== 'ecn') return reader.fail(`feature ${value} not supported`)
    draft.metrics.push({ name: 'features', value: 1 })
  },
  vrf(_, reader, word) {
    reader.fail(`VRF ${reader.value(word)} not found for route`)
  },
  encap(_, reader, word) {
    const value = reader.value(word)
    if (!['mpls', 'ip', 'ip6', 'ila'].includes(value)) return reader.fail(`Unknown encap type - ${value}`)
    reader.refused = `encap ${value}: Baton puts routes without encapsulation only`
    reader.skipAll()
  },
  append(draft) {
    draft.isAppended = true
  },
  no_track(draft) {
    draft.isTracked = false
  },
  nexthop: takeHops,
}

/** keepalived passes over the word after it, whatever that is. */
function takeFamily(family: Family): Take {
  return (draft, reader) => {
    ofFamily(family, draft, reader)
    reader.next()
  }
}

const preferences = ['low', 'medium', 'high'] as const

/** The rest of the line. What is wrong here keeps the route, without the hop. */
function takeHops(draft: Draft, reader: Reader): void {
  for (let word: string | undefined = 'nexthop'; word === 'nexthop'; word = reader.next()) {
    const hop = readHop(draft, reader)
    if (hop === undefined) return
    draft.hops.push(hop)
    const next = reader.peek()
    if (next !== undefined && next !== 'nexthop') {
      reader.said.push(`Route has trailing nonsense after nexthops - ${next}`)
      reader.skipAll()
    }
  }
}

function readHop(draft: Draft, reader: Reader): NextHop | undefined {
  let hop: NextHop = { weight: 1 }
  const astray = (...messages: readonly string[]): undefined => {
    reader.said.push(...messages)
    reader.skipAll()
    return undefined
  }
  for (;;) {
    if (reader.has('via')) {
      const first = reader.value('via')
      const hasFamily = first === 'inet' || first === 'inet6'
      const word = hasFamily ? reader.value(first) : first
      if (hasFamily && draft.family !== undefined && (first === 'inet6') !== (draft.family === 'ipv6'))
        return astray('IPv4/6 mismatch for nexthop')
      const via = parseAddress(word)
      if (via === undefined)
        return astray(`VRRP parsed invalid IP ${word}. skipping IP...`, `invalid nexthop address ${word}`)
      if (draft.family !== undefined && familyOf(via) !== draft.family)
        return astray('Address family mismatch for next hop')
      draft.family = familyOf(via)
      hop = { ...hop, via }
    } else if (reader.has('dev') || reader.has('oif')) hop = { ...hop, interface: reader.value('dev') }
    else if (reader.has('weight')) {
      const value = reader.value('weight')
      const weight = /^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN
      if (weight > 256)
        return astray(`number '${value}' outside range [0, 256]`, `Invalid weight ${value} specified for route`)
      if (!(weight >= 1))
        return astray(
          ...(Number.isNaN(weight) ? [`invalid number '${value}'`] : []),
          `Invalid weight ${value} specified for route`,
        )
      hop = { ...hop, weight }
    } else if (reader.has('onlink')) hop = { ...hop, isOnLink: true }
    else if (reader.has('realms')) {
      const value = reader.value('realms')
      const realms = realmsOf(reader, value)
      if (realms === undefined) return astray(`Invalid realms ${value} for route`)
      hop = { ...hop, realms }
    } else return hop
  }
}

/** A name, or a number that is hexadecimal, as in iproute2. */
export function readTos(reader: Reader, word: string): number {
  const hexadecimal = /^(0[xX])?[0-9A-Fa-f]{1,8}$/.test(word) ? Number.parseInt(word, 16) : undefined
  const number = reader.names('dsfield', word) ?? hexadecimal
  return number === undefined || number > 255 ? reader.fail(`TOS value ${word} is invalid`) : number
}

export function readRealms(reader: Reader, word: string, message: string): Realms {
  return realmsOf(reader, word) ?? reader.fail(message)
}

/** `TO`, or `FROM/TO`: of sixteen bits each. */
function realmsOf({ names }: Reader, word: string): Realms | undefined {
  const parts = word.split('/').map((part) => (/^[0-9]{1,10}$/.test(part) ? Number(part) : names('realm', part)))
  const [first, second] = parts
  if (parts.length > 2 || parts.some((part) => part === undefined || part > 65_535) || first === undefined)
    return undefined
  return second === undefined ? { from: 0, to: first } : { from: first, to: second }
}

type MetricTake = (reader: Reader, word: string) => number | string

function count(name: string, max: number = u32.max): MetricTake {
  return (reader, word) => reader.integer(word, { min: 0, max }, `Invalid ${name} ${word} specified for route`)
}

/** A time: a plain number is the kernel's own, else with `ms` or `s`; `parts` of a millisecond are the kernel's unit. */
function time(message: (word: string) => string, parts: number): MetricTake {
  return (reader, word) => {
    const [, digits = '', unit = ''] = /^([0-9]{1,10}(?:\.[0-9]{0,6})?)(ms|msec|msecs|s|sec|secs)?$/.exec(word) ?? []
    const number = Number(digits)
    if (digits === '')
      return reader.fail(`${word.startsWith('-') ? 'negative' : 'invalid'} number '${word}'`, message(word))
    if (unit === '') return Math.trunc(number)
    return Math.round(number * parts * (unit.startsWith('m') ? 1 : 1000))
  }
}

const metricTakers: Readonly<Record<string, MetricTake>> = {
  mtu: count('MTU'),
  hoplimit: count('hoplimit', 255),
  advmss: count('advmss'),
  reordering: count('reordering value'),
  window: count('window value'),
  cwnd: count('cwnd value'),
  ssthresh: count('ssthresh value'),
  initcwnd: count('initcwnd value'),
  initrwnd: count('initrwnd value'),
  quickack: count('quickack value', 1),
  fastopen_no_cookie: count('fastopen_no_cookie value', 1),
  rtt: time((word) => `Invalid rtt ${word} for route`, 8),
  rttvar: time((word) => `Invalid rttvar ${word} for route`, 4),
  rto_min: time((word) => `Invalid rto_min value ${word} specified for route`, 1),
  congctl: (_, word) => word,
}
