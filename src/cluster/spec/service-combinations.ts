/** Keys of a service that need or exclude one another. Looks at what is written, so that it finds all at once. */
import { parseEndpoint } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import { show } from './leaf.ts'
import { schedulerFlagNames } from './service-schema.ts'
import {
  child,
  items,
  oneOrMore,
  type Place,
  problem,
  type Report,
  type SourceMap,
  type SourceNode,
  textOf,
  warning,
} from './source.ts'

/** What says where a service's clients come from. */
export type ServiceKind = 'mark' | 'dns' | 'address' | 'pool'

export function serviceKindOf(service: SourceNode): ServiceKind {
  const has = (key: string): boolean => child(service, key) !== undefined
  if (has('mark')) return 'mark'
  if (has('dns')) return 'dns'
  return has('address') ? 'address' : 'pool'
}

export const applicationKeys = ['http', 'sni', 'tls'] as const

/** Keys that make no sense for a kind of service. */
const excluded: Readonly<Record<ServiceKind, readonly string[]>> = {
  mark: ['address', 'protocol', 'dns', ...applicationKeys, 'proxy-protocol'],
  dns: ['protocol', 'family', ...applicationKeys, 'persistence', 'one-packet', 'proxy-protocol', 'idle-timeout'],
  address: ['family'],
  pool: ['protocol', 'family', ...applicationKeys, 'one-packet'],
}
const kindText: Readonly<Record<ServiceKind, string>> = {
  mark: 'mark',
  dns: 'dns',
  address: 'address',
  pool: 'a service without an address',
}

export function checkServiceKeys(service: SourceMap, report: Report): void {
  const kind = serviceKindOf(service)
  for (const key of excluded[kind]) {
    const entry = service.entries.get(key)
    if (entry === undefined) continue
    const hint = key === 'family' ? 'it goes with mark' : 'remove one of them'
    report(problem(entry.key, `${key} does not go with ${kindText[kind]}`, hint))
  }
  const dns = service.entries.get('dns')
  if (kind === 'dns' && dns !== undefined && child(service, 'address') === undefined)
    report(problem(dns.key, 'dns needs an address: where questions are answered', 'add address: 0.0.0.0:53'))
  if (kind === 'address') checkApplications(service, report)
  checkScheduler(service, report)
  checkPersistence(service, kind, report)
  checkServers(service, kind, report)
}

function checkApplications(service: SourceMap, report: Report): void {
  const [first, ...others] = applicationKeys.flatMap((key) => {
    const entry = service.entries.get(key)
    return entry === undefined ? [] : [{ key, entry }]
  })
  if (first === undefined) return
  for (const { key, entry } of others)
    report(problem(entry.key, `${key} does not go with ${first.key}: expected only one of http, sni, tls`))
  const protocol = child(service, 'protocol')
  if (protocol !== undefined && (textOf(protocol) === 'udp' || textOf(protocol) === 'sctp'))
    report(problem(protocol.place, `${first.key} goes over tcp, not ${textOf(protocol)}`))
  const certificates = child(first.entry.value, 'certificates')
  if (certificates?.kind === 'list' && certificates.items.length === 0)
    report(problem(certificates.place, 'certificates: expected at least one', 'or leave certificates out'))
  const rules = items(child(first.entry.value, 'rules'))
  for (const rule of rules) checkRule(rule, report)
  const all = rules.findIndex((rule) => rule.kind === 'map' && !matchKeys.some((key) => rule.entries.has(key)))
  const after = all < 0 ? undefined : rules[all + 1]
  if (after !== undefined)
    report(warning(after.place, 'the rule before this one takes everything: this one is never read'))
}

const matchKeys = ['host', 'path', 'header', 'cookie']

function checkRule(rule: SourceNode, report: Report): void {
  if (rule.kind !== 'map') return
  const exact = rule.entries.get('exact')
  if (exact !== undefined && !rule.entries.has('path'))
    report(problem(exact.key, 'exact goes with path', 'add path: or remove exact'))
}

function checkScheduler(service: SourceMap, report: Report): void {
  const scheduler = textOf(child(service, 'scheduler')) ?? 'wlc'
  const prefix = scheduler === 'sh' || scheduler === 'mh' ? `${scheduler}-` : 'flag-'
  for (const flag of items(child(service, 'scheduler-flags'))) {
    const text = textOf(flag)
    if (text !== undefined && schedulerFlagNames.some((flag) => flag === text) && !text.startsWith(prefix))
      report(
        problem(flag.place, `the scheduler ${show(scheduler)} has no flag ${text}`, `its flags begin with ${prefix}`),
      )
  }
  const onePacket = service.entries.get('one-packet')
  if (isTrue(onePacket?.value) && serviceKindOf(service) === 'address' && textOf(child(service, 'protocol')) !== 'udp')
    report(problem(onePacket?.key ?? service.place, 'one-packet goes over udp', 'add protocol: udp'))
}

function isTrue(node: SourceNode | undefined): boolean {
  return node?.kind === 'scalar' && node.value === true
}

function familyText(service: SourceMap, kind: ServiceKind): 'ipv4' | 'ipv6' | undefined {
  if (kind === 'mark') return textOf(child(service, 'family')) === 'ipv6' ? 'ipv6' : 'ipv4'
  const own = parseEndpoint(textOf(child(service, 'address')) ?? '')
  return own === undefined ? undefined : familyOf(own.address)
}

function checkPersistence(service: SourceMap, kind: ServiceKind, report: Report): void {
  const persistence = child(service, 'persistence')
  const mask = child(persistence, 'mask')
  const family = familyText(service, kind)
  if (mask?.kind === 'scalar' && family === 'ipv6' && typeof mask.value === 'string' && mask.value.includes('.'))
    report(problem(mask.place, 'the service is IPv6: expected a prefix length such as 64'))
  if (mask?.kind === 'scalar' && family === 'ipv4' && typeof mask.value === 'number' && mask.value > 32)
    report(
      problem(mask.place, `the service is IPv4: expected a mask, or a prefix length up to 32, found ${mask.value}`),
    )
  const engine = child(persistence, 'engine')
  if (
    textOf(engine) === 'sip' &&
    engine !== undefined &&
    kind === 'address' &&
    textOf(child(service, 'protocol')) !== 'udp'
  )
    report(problem(engine.place, 'sip persistence goes over udp', 'add protocol: udp'))
  const address = child(service, 'address')
  if (address === undefined || parseEndpoint(textOf(address) ?? '')?.port !== 0) return
  if (kind === 'dns' || applicationKeys.some((key) => child(service, key) !== undefined))
    report(problem(address.place, 'port 0 is no port to listen on: expected one from 1 to 65535'))
  else if (persistence === undefined)
    report(problem(address.place, 'port 0 is no port: it means all ports, with persistence', 'add persistence: 300s'))
}

function checkServers(service: SourceMap, kind: ServiceKind, report: Report): void {
  const own = parseEndpoint(textOf(child(service, 'address')) ?? '')
  const isPortless = kind === 'mark' || (kind === 'address' && own?.port === 0)
  const fallback = child(service, 'fallback')
  checkBare(child(fallback, 'address') ?? fallback, 'fallback', isPortless, report)
  if (fallback?.kind === 'map')
    checkForwarding(
      fallback,
      textOf(child(fallback, 'forwarding')) ?? 'masq',
      kind === 'address' ? own : undefined,
      report,
    )
  const forwarding = textOf(child(service, 'forwarding')) ?? 'masq'
  for (const server of items(child(service, 'servers'))) {
    if (server.kind !== 'map') continue
    const address = child(server, 'address')
    const isBare = bare.test(textOf(address) ?? '')
    checkBare(address, 'address', isPortless, report)
    checkForwarding(
      server,
      textOf(child(server, 'forwarding')) ?? forwarding,
      kind === 'address' ? own : undefined,
      report,
    )
    checkThresholds(server, report)
    if (address !== undefined && isBare && isPortless)
      checkProbePort(child(server, 'check') ?? child(service, 'check'), address.place, report)
  }
}

function checkBare(address: SourceNode | undefined, key: string, isPortless: boolean, report: Report): void {
  const text = textOf(address) ?? ''
  if (address === undefined || isPortless || !bare.test(text) || !isAddress(text)) return
  const expected = `${key}: expected an address and port such as 192.168.1.9:80, found ${text}`
  report(problem(address.place, expected, portHint(text)))
}

/** Perhaps an address without a port: no colon, or more than one of them and no brackets. */
const bare = /^(?:[^:[\]]+|[^:[\]]*:[^[\]]*:[^[\]]*)$/
const isAddress = (text: string): boolean =>
  parseEndpoint(`${text}:1`) !== undefined || parseEndpoint(`[${text}]:1`) !== undefined
const portHint = (text: string): string => `add the port: ${text.includes(':') ? `"[${text}]:80"` : `${text}:80`}`

/** An echo and a file have no port, and a command hears 0. */
const portless = ['ping', 'external', 'file']

function checkProbePort(written: SourceNode | undefined, place: Place, report: Report): void {
  const needsPort = (check: SourceNode): boolean =>
    textOf(check) !== 'none' && !portless.some((kind) => child(check, kind) !== undefined)
  if (oneOrMore(written).some((check) => needsPort(check) && child(check, 'port') === undefined))
    report(problem(place, 'this server has no port to check', 'add port: to the check'))
}

/** Packets that are not rewritten keep their port: ipvsadm(8), -g and -i. */
function checkForwarding(
  server: SourceMap,
  forwarding: string,
  own: { readonly port: number } | undefined,
  report: Report,
): void {
  const tunnel = server.entries.get('tunnel')
  if (tunnel !== undefined && forwarding !== 'tunnel')
    report(problem(tunnel.key, 'tunnel goes with forwarding: tunnel', 'add forwarding: tunnel'))
  if (tunnel !== undefined) checkTunnel(tunnel.value, tunnel.key, report)
  if (own === undefined || own.port === 0 || (forwarding !== 'direct' && forwarding !== 'tunnel')) return
  const [address, guestPort] = [child(server, 'address'), child(server, 'port')]
  const port =
    guestPort?.kind === 'scalar' && typeof guestPort.value === 'number'
      ? guestPort.value
      : parseEndpoint(textOf(address) ?? '')?.port
  const node = address ?? guestPort
  if (port !== undefined && node !== undefined && port !== own.port)
    report(problem(node.place, `forwarding by ${forwarding} keeps the port: expected port ${own.port}, found ${port}`))
}

function checkTunnel(tunnel: SourceNode, key: Place, report: Report): void {
  if (tunnel.kind !== 'map') return
  const type = textOf(child(tunnel, 'type')) ?? 'ipip'
  const [port, checksum] = [tunnel.entries.get('port'), tunnel.entries.get('checksum')]
  if (type === 'gue' && port === undefined) report(problem(key, 'a gue tunnel needs a port', 'add port: 6080'))
  if (type !== 'gue' && port !== undefined)
    report(problem(port.key, `port does not go with ${type}: it belongs to gue`))
  if (type === 'ipip' && checksum !== undefined)
    report(problem(checksum.key, 'checksum does not go with ipip: it belongs to gre and gue'))
  if (type === 'gre' && checksum !== undefined && textOf(checksum.value) === 'remcsum')
    report(problem(checksum.value.place, 'remcsum does not go with gre: it belongs to gue'))
}

function checkThresholds(server: SourceMap, report: Report): void {
  const [upper, lower] = [child(server, 'upper-threshold'), child(server, 'lower-threshold')]
  const number = (node: SourceNode | undefined): number =>
    node?.kind === 'scalar' && typeof node.value === 'number' ? node.value : 0
  if (lower !== undefined && number(lower) > number(upper))
    report(problem(lower.place, `lower-threshold ${number(lower)} is above upper-threshold ${number(upper)}`))
}
