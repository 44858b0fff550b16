/** Hosts, ports, real servers and fallbacks as ldirectord writes them, looked up. */
import { parseAddress } from '../../lvs/address.ts'
import type { Family } from '../../lvs/service.ts'
import { inetAton } from '../ipvsadm/values.ts'
import { withSlash } from './directives.ts'
import type { CheckService, CheckUrl, Fallback, Finding, Forward, LdirectordNames, Real } from './model.ts'

export type Report = (severity: Finding['severity'], line: number, message: string) => void

const forwards: readonly Forward[] = ['gate', 'masq', 'ipip']
const badForward = 'forward method must be gate, masq or ipip'
/** More real servers than this from one range are a slip of the pen. */
const maxRange = 65_536

/** getaddrinfo(3) for one family: brackets do not count, and no name at all is this machine. */
export function hostAddress(written: string, family: Family, names: LdirectordNames): string | undefined {
  const host = /\[(.*)\]/s.exec(written)?.[1] ?? written
  if (host === '') return family === 'ipv6' ? '::1' : '127.0.0.1'
  if (family === 'ipv6' && host.includes(':')) return parseAddress(host)
  const numeric = inetAton(host)
  if (numeric !== undefined) return family === 'ipv4' ? numeric : undefined
  return names.host(host, family)
}

/** `protocol` fwm knows no names of ports, undefined knows all. */
export function portNumber(
  written: string,
  protocol: 'tcp' | 'udp' | 'fwm' | undefined,
  names: LdirectordNames,
): number | undefined {
  if (/^[0-9]+$/.test(written)) return Number(written) < 65_536 ? Number(written) : undefined
  return protocol === 'fwm' ? undefined : names.port(written, protocol)
}

/** As written, before its names are looked up. */
export type WrittenFallback = { readonly host: string; readonly port: string | undefined; readonly forward: Forward }

export function readFallback(value: string, line: number, report: Report): WrittenFallback | undefined {
  const [, place = value, method = 'gate'] = /(\S+)(?:\s+(\S+))?\s*$/.exec(value) ?? []
  const port = /:([A-Za-z0-9_-]+)$/.exec(place)
  const forward = forwards.find((name) => name === method)
  if (forward === undefined) {
    report('error', line, badForward)
    return undefined
  }
  return { host: port === null ? place : place.slice(0, port.index), port: port?.[1], forward }
}

export function resolveFallback(
  { host, port, forward }: WrittenFallback,
  protocol: 'tcp' | 'udp' | 'fwm',
  family: Family,
  names: LdirectordNames,
): Fallback | { readonly refused: string } {
  const address = hostAddress(host, family, names)
  const version = family === 'ipv4' ? 'IPv4' : 'IPv6'
  if (address === undefined)
    return { refused: `invalid ${version} address or could not resolve for fallback server: ${host}` }
  if (port === undefined || port === '0') return { address, forward, ...(port === undefined ? {} : { port: 0 }) }
  const number = portNumber(port, protocol, names)
  return number === undefined || number === 0
    ? { refused: 'invalid port for fallback server' }
    : { address, port: number, forward }
}

const host = '[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|[A-Za-z0-9.-]+|\\[[0-9A-fa-f:]+\\]'
const realPattern = new RegExp(`(${host})(?:->(${host}))?(?::([A-Za-z0-9_-]+))?\\s+(.*)`, 's')

type Surroundings = {
  readonly line: number
  readonly family: Family
  readonly service: CheckService
  readonly names: LdirectordNames
  readonly report: Report
}

/** One real= directive: a server, or each of a range. */
export function readReal(value: string, surroundings: Surroundings): readonly Real[] {
  const { line, family, names, report } = surroundings
  const found = realPattern.exec(value)
  if (found === null) {
    report('error', line, 'invalid address for real server (wrong format)')
    return []
  }
  const [, first = '', last, portText = '0', rest = ''] = found
  const address = hostAddress(first, family, names)
  const port = portNumber(portText, undefined, names)
  const end = last === undefined ? undefined : hostAddress(last, family, names)
  if (address === undefined)
    report('error', line, `invalid address (${first}) for real server (could not resolve host)`)
  if (port === undefined) report('error', line, `invalid port (${portText}) for real server (could not resolve port)`)
  if (last !== undefined && end === undefined)
    report('error', line, `invalid address (${last}) for real server (could not resolve end host)`)
  if (found.index > 0)
    report(
      'warning',
      line,
      `what stands before ${first} is passed over, as by ldirectord: ${value.slice(0, found.index)}`,
    )
  const options = readOptions(rest, surroundings)
  if (address === undefined || port === undefined || options === undefined) return []
  if (last === undefined) return [{ line, address, port, ...options }]
  if (end === undefined) return []
  return range(address, end, family, line, report).map((one) => ({ line, address: one, port, ...options }))
}

function range(first: string, last: string, family: Family, line: number, report: Report): readonly string[] {
  if (family === 'ipv6') {
    report('error', line, 'Address range for IPv6 is not supported yet')
    return []
  }
  const number = (address: string): number => address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const [from, to] = [number(first), number(last)]
  if (from > to) {
    const order = 'First value must be greater than or equal to the second value'
    report('error', line, `Invalid Range: ${first}-${last}: ${order}`)
    return []
  }
  if (to - from >= maxRange) {
    report('error', line, `${first}->${last} are more than ${maxRange} servers`)
    return []
  }
  // ldirectord compares the numbers as text: with another count of digits it stops early or goes too far.
  if (String(from).length !== String(to).length)
    report(
      'warning',
      line,
      `ldirectord takes ${first}->${last} for another range; here it is the whole range as written`,
    )
  return Array.from({ length: to - from + 1 }, (_, index) =>
    [24, 16, 8, 0].map((shift) => Math.floor((from + index) / 2 ** shift) % 256).join('.'),
  )
}

type Options = Omit<Real, 'line' | 'address' | 'port'>

/** `gate 5 "request", "receive" l:3 u:9`, in this order; all after the method may be left out. */
function readOptions(written: string, surroundings: Surroundings): Options | undefined {
  const { line, report } = surroundings
  const method = /(\w+)(.*)/s.exec(written)
  const forward = forwards.find((name) => name === method?.[1])
  if (method === null || forward === undefined) {
    report('error', line, badForward)
    return undefined
  }
  let rest = method[2] ?? ''
  const take = (pattern: RegExp): readonly string[] | undefined => {
    const found = pattern.exec(rest)
    if (found === null) return undefined
    rest = found.at(-1) ?? ''
    return found.slice(1)
  }
  const weight = take(/\s+([0-9]+)(.*)/s)
  const exchange = take(/\s+"(.*)"[, ]\s*"(.*)"(.*)/s)
  const lower = take(/\s+l:([0-9]+)(.*)/s)
  const upper = take(/\s+u:([0-9]+)(.*)/s)
  if (/\S/.test(rest)) {
    report('error', line, `Invalid real server line, around "${rest}"`)
    return undefined
  }
  const [request, receive = ''] = exchange ?? []
  const url = request === undefined ? undefined : readUrl(request, surroundings)
  if (request?.startsWith('/') === true)
    report(
      'warning',
      line,
      `ldirectord passes over "${request}" and what follows it, as it begins with a slash; here it is asked`,
    )
  return {
    forward,
    weight: Number(weight?.[0] ?? 1),
    ...(request === undefined ? {} : { exchange: { request: withSlash(request), receive, ...(url && { url }) } }),
    ...(lower === undefined ? {} : { lowerThreshold: Number(lower[0]) }),
    ...(upper === undefined ? {} : { upperThreshold: Number(upper[0]) }),
  }
}

function readUrl(request: string, { family, service, names }: Surroundings): CheckUrl | undefined {
  const found = /^\/?(https?):\/\/(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(\/.*)?$/s.exec(request)
  if (found === null || found[1] !== service) return undefined
  const [, scheme, host = '', port, path = '/'] = found
  // Brackets are IPv6, whatever the virtual is.
  const address = hostAddress(host, host.startsWith('[') ? 'ipv6' : family, names)
  return { host, address, port: Number(port ?? (scheme === 'https' ? 443 : 80)), path }
}
