/** What holds between services: addresses and servers that are there twice, rules that lead nowhere. Looks at what is written. */
import { isAnyAddress, parseEndpoint } from '../../lvs/address.ts'
import { familyOf, formatEndpoint } from '../../lvs/service.ts'
import { parseDnsName } from '../../wire/dns-name.ts'
import { isNothing } from './explain.ts'
import { checkKnown, namesOf, takeOnce } from './known.ts'
import { applicationKeys, serviceKindOf } from './service-combinations.ts'
import {
  child,
  items,
  members,
  oneOrMore,
  type Place,
  problem,
  type Report,
  type SourceMap,
  type SourceNode,
  textOf,
  warning,
} from './source.ts'
import { nearest } from './suggest.ts'

export function checkServices(root: SourceMap, report: Report): void {
  const taken = new Map<string, Place>()
  const led = checkRules(root, report)
  for (const [name, { key, value }] of members(child(root, 'services'))) {
    const own = parseEndpoint(textOf(child(value, 'address')) ?? '')
    const protocol = textOf(child(value, 'protocol')) ?? 'tcp'
    takeIdentity(taken, value, report)
    if (serviceKindOf(value) === 'pool' && !led.has(name) && !isMisspelt(value))
      report(
        problem(
          key,
          `services.${name} has no address: expected an address and port such as 192.168.1.10:80`,
          'or mark:, or a rule of another service that leads to it',
        ),
      )
    checkServers(root, name, value, report)
    const written = child(value, 'fallback')
    const fallback = child(written, 'address') ?? written
    if (own !== undefined && fallback !== undefined && isSame(fallback, own))
      report(problem(fallback.place, 'the fallback is the service itself: its connections would go round for ever'))
    for (const of of [value, ...items(child(value, 'servers'))])
      for (const check of oneOrMore(child(of, 'check'))) checkProbe(check, protocol, report)
  }
  checkOverlaps(root, report)
}

function isSame(node: SourceNode | undefined, endpoint: { address: string; port: number }): boolean {
  const other = parseEndpoint(textOf(node) ?? '')
  return other?.address === endpoint.address && other.port === endpoint.port
}

function checkServers(root: SourceMap, service: string, node: SourceNode, report: Report): void {
  const pools = namesOf(root, 'guests')
  const own = parseEndpoint(textOf(child(node, 'address')) ?? '')
  const servers = child(node, 'servers')
  const taken = new Map<string, Place>()
  for (const server of items(servers)) {
    const [guests, address, port] = [child(server, 'guests'), child(server, 'address'), child(server, 'port')]
    checkKnown(guests, 'guest pool', pools, report)
    const endpoint = address === undefined ? undefined : parseEndpoint(textOf(address) ?? '')
    if (
      address !== undefined &&
      endpoint?.address === own?.address &&
      endpoint !== undefined &&
      endpoint.port === own?.port
    )
      report(problem(address.place, `the server is ${service} itself: its connections would go round for ever`))
    const number = port?.kind === 'scalar' ? port.value : undefined
    const key = endpoint === undefined ? `${textOf(guests)} port ${number}` : formatEndpoint(endpoint)
    const at = address ?? guests
    if (at !== undefined && (endpoint !== undefined || textOf(guests) !== undefined))
      takeOnce(taken, key, at.place, (first) => `${key} is a server of ${service} already: first in ${first}`, report)
  }
  const leads = applicationKeys.some((key) => items(child(child(node, key), 'rules')).length > 0)
  if (servers?.kind === 'list' && servers.items.length === 0 && child(node, 'fallback') === undefined && !leads)
    report(warning(servers.place, `${service} has no servers: every connection is refused`))
}

/** Kinds of checks that do not connect to the server's own port over TCP. */
const otherWays = ['udp', 'ping', 'external', 'file', 'radius']

function isOverTcp(check: SourceNode): boolean {
  if (otherWays.some((kind) => child(check, kind) !== undefined)) return false
  const either = child(check, 'dns') ?? child(check, 'sip')
  return either === undefined || textOf(child(either, 'transport')) === 'tcp'
}

function checkProbe(check: SourceNode, protocol: string, report: Report): void {
  if (
    !isNothing(check) &&
    textOf(check) !== 'none' &&
    protocol === 'udp' &&
    child(check, 'port') === undefined &&
    isOverTcp(check)
  )
    report(warning(check.place, 'the service is UDP, but the check opens TCP connections to the same port'))
}

/** A service on all addresses takes the port from every other address, too. */
function checkOverlaps(root: SourceMap, report: Report): void {
  const services = members(child(root, 'services')).flatMap(([name, entry]) => {
    const node = child(entry.value, 'address')
    const endpoint = parseEndpoint(textOf(node) ?? '')
    const protocol = textOf(child(entry.value, 'protocol')) ?? 'tcp'
    if (serviceKindOf(entry.value) !== 'address') return []
    return node === undefined || endpoint === undefined ? [] : [{ name, node, endpoint, protocol }]
  })
  const wide = services.filter(({ endpoint }) => isAnyAddress(endpoint.address))
  for (const { name, node, endpoint, protocol } of services) {
    const over = wide.find(
      (other) =>
        other.protocol === protocol &&
        other.endpoint.port === endpoint.port &&
        other.endpoint.address !== endpoint.address &&
        familyOf(other.endpoint.address) === familyOf(endpoint.address),
    )
    if (over !== undefined)
      report(warning(node.place, `${over.name} takes port ${endpoint.port} of all addresses: ${name} may not get it`))
  }
}

/** One address, port and protocol is one service's; a DNS responder answers for several, over UDP and TCP. */
function takeIdentity(taken: Map<string, Place>, service: SourceNode, report: Report): void {
  const kind = serviceKindOf(service)
  const mark = child(service, 'mark')
  if (kind === 'mark' && mark?.kind === 'scalar' && typeof mark.value === 'number') {
    const key = `mark ${mark.value} ${textOf(child(service, 'family')) ?? 'ipv4'}`
    takeOnce(taken, key, mark.place, (first) => `${key} is another service's already: ${first}`, report)
  }
  const address = child(service, 'address')
  const own = parseEndpoint(textOf(address) ?? '')
  if (kind === 'mark' || address === undefined || own === undefined) return
  const text = formatEndpoint(own)
  const inUse = (what: string) => (first: string) => `${what} is another service's address already: ${first}`
  const protocol = textOf(child(service, 'protocol')) ?? 'tcp'
  if (kind === 'address') {
    const first = taken.get(`responder ${text}`)
    if (first !== undefined && protocol !== 'sctp')
      report(
        problem(address.place, `${protocol} ${text} is where questions for names are answered: line ${first.line}`),
      )
    else takeOnce(taken, `${protocol} ${text}`, address.place, inUse(`${protocol} ${text}`), report)
    return
  }
  const first = taken.get(`tcp ${text}`) ?? taken.get(`udp ${text}`)
  if (first !== undefined) report(problem(address.place, inUse(text)(`line ${first.line}`)))
  taken.set(`responder ${text}`, address.place)
  const name = child(child(service, 'dns'), 'name')
  const asked = parseDnsName(textOf(name) ?? '')
  if (name !== undefined && asked !== undefined)
    takeOnce(taken, `dns ${asked} ${text}`, name.place, inUse(`${asked} at ${text}`), report)
}

/** Rules lead to services without an address. Returns the names that they lead to. */
function checkRules(root: SourceMap, report: Report): ReadonlySet<string> {
  const services = members(child(root, 'services'))
  const pools = services.filter(([, { value }]) => serviceKindOf(value) === 'pool').map(([name]) => name)
  const led = new Set<string>()
  for (const [, { value }] of services)
    for (const key of applicationKeys)
      for (const rule of items(child(child(value, key), 'rules'))) {
        const to = child(rule, 'to')
        const name = textOf(to) ?? ''
        led.add(name)
        if (to === undefined || pools.includes(name)) continue
        if (services.some(([other]) => other === name))
          report(problem(to.place, `${name} has an address of its own: expected a service without one`))
        else checkKnown(to, 'service without an address', pools, report)
      }
  return led
}

/** A key that was to be an address, or a mark, is said to be unknown already. */
function isMisspelt(service: SourceNode): boolean {
  return members(service).some(([key]) => nearest(key, ['address', 'mark']) !== undefined)
}
