/** The virtual servers of a keepalived.conf: their places and methods read, then what does not go together set right and said. */

import { parseAddress } from '../../lvs/address.ts'
import { type Family, familyOf, schedulerNames } from '../../lvs/service.ts'
import { inetAton } from '../ipvsadm/values.ts'
import { readChecker } from './checkers.ts'
import type { Place, Report } from './finding.ts'
import { readInteger } from './keyword.ts'
import type { Method, Real, Sorry, Virtual, VirtualAddress } from './model.ts'
import { checkerNames } from './tables/checks.ts'
import { maxUnsigned } from './tables/kinds.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

const ports = { min: 1, max: 65_535 }
const marks = { min: 0, max: maxUnsigned }

/** Of one file, in its order; those that keepalived ignores are left out. */
export function readVirtuals(entries: readonly Entry[], report: Report): readonly Virtual[] {
  const groups = new Map<string, readonly VirtualAddress[]>()
  for (const group of allOf(entries, 'virtual_server_group')) groups.set(group.words[0] ?? '', readGroup(group, report))
  const drafts = allOf(entries, 'virtual_server').flatMap((entry) => {
    const head = readHead(entry, groups, report)
    return head === undefined ? [] : [readVirtual(entry, head, report)]
  })
  return drafts.flatMap((draft) => setRight(draft, report))
}

type Head = { readonly places: readonly VirtualAddress[]; readonly group?: string }

function readHead(
  { words, place }: Entry,
  groups: ReadonlyMap<string, readonly VirtualAddress[]>,
  report: Report,
): Head | undefined {
  const [first = '', second] = words
  if (first === 'fwmark') {
    const mark = readInteger(second ?? '', marks)
    if (typeof mark === 'number') return { places: [{ kind: 'mark', mark }] }
    report(5, place, mark)
    report(5, place, `virtual server fwmark '${second ?? ''}' must be in [0, ${maxUnsigned}] - ignoring`)
    return undefined
  }
  if (first === 'group') {
    const places = groups.get(second ?? '')
    if (places !== undefined) return { places, group: second ?? '' }
    report(
      5,
      undefined,
      `Virtual server group ${second ?? ''} specified but not configured - ignoring virtual server ${second ?? ''}`,
    )
    return undefined
  }
  const endpoint = readEndpoint(first, second, place, report)
  if (endpoint !== undefined) return { places: [{ kind: 'address', ...endpoint }] }
  const written = second === undefined ? ` ${first}` : `/port ${first}/${second}`
  report(5, place, `Invalid virtual server IP address${written} - skipping`)
  return undefined
}

/** 0 is no port, as is none. */
function readEndpoint(
  host: string,
  port: string | undefined,
  place: Place,
  report: Report,
): { readonly address: string; readonly port: number } | undefined {
  const number = port === undefined || port === '0' ? 0 : readInteger(port, ports)
  if (typeof number === 'string') report(5, place, number)
  const address = parseAddress(host)
  return address === undefined || typeof number === 'string' ? undefined : { address, port: number }
}

/** `IP [port]`, `a.b.c.d-e`, `ip-ip`, CIDR, `fwmark N [family]`. */
function readGroup({ words: [name = ''], entries }: Entry, report: Report): readonly VirtualAddress[] {
  const said = (place: Place, text: string): readonly VirtualAddress[] => {
    report(5, place, text)
    return []
  }
  return entries.flatMap(({ keyword, words, place }): readonly VirtualAddress[] => {
    if (keyword === 'fwmark') {
      const mark = readInteger(words[0] ?? '', marks)
      if (typeof mark === 'string') report(5, place, mark)
      if (typeof mark === 'string')
        return said(place, `(${name}): fwmark '${words[0] ?? ''}' must be in [0, ${maxUnsigned}] - ignoring`)
      const family = words[1]
      if (family !== undefined && family !== 'inet' && family !== 'inet6')
        return said(place, `(${name}): fwmark '${mark}' family ${family} unknown - ignoring`)
      return [{ kind: 'mark', mark, ...(family === undefined ? {} : { family: family === 'inet' ? 'ipv4' : 'ipv6' }) }]
    }
    const [, host = keyword, range, prefix] = /^([^-/]+)(?:-([^/]+))?(?:\/(.*))?$/.exec(keyword) ?? []
    const endpoint = readEndpoint(host, words[0], place, report)
    if (endpoint === undefined) {
      const written = words[0] === undefined ? `${keyword} ` : `${keyword}/${words[0]}`
      return said(place, `Invalid virtual server group IP address ${written} - skipping`)
    }
    const addresses = addressesOf(endpoint.address, range, prefix)
    return typeof addresses === 'string'
      ? said(place, `${addresses} - ${keyword} - skipping`)
      : addresses.map((address) => ({ kind: 'address', address, port: endpoint.port }))
  })
}

/** More addresses than this in one line are a slip of the pen. */
const maxAddresses = 65_536

/** A string is what is wrong. */
function addressesOf(
  address: string,
  range: string | undefined,
  prefix: string | undefined,
): readonly string[] | string {
  if (range === undefined && prefix === undefined) return [address]
  if (familyOf(address) === 'ipv6') return range === undefined ? 'Invalid netmask' : lastGroups(address, range)
  const first = numberOf(address)
  if (prefix !== undefined) {
    const bits = /^[0-9]{1,2}$/.test(prefix) ? Number(prefix) : 33
    if (bits > 32 || bits === 0) return 'Invalid netmask'
    const size = 2 ** (32 - bits)
    if (first % size !== 0) return 'Address mask bits not empty'
    return size > maxAddresses
      ? 'Invalid netmask'
      : Array.from({ length: size }, (_, index) => addressOf(first + index))
  }
  const last = /^[0-9]{1,3}$/.test(range ?? '') ? first - (first % 256) + Number(range) : numberOf(range ?? '')
  if (Number.isNaN(last) || last - first >= maxAddresses) return 'Invalid range end'
  if (last <= first) return 'Address range end is not greater than address range start'
  return Array.from({ length: last - first + 1 }, (_, index) => addressOf(first + index))
}

/** `ae00::2-9`: of the last sixteen bits. */
function lastGroups(address: string, range: string): readonly string[] | string {
  const [, head = '', group = ''] = /^(.*:)([0-9a-f]*)$/.exec(address) ?? []
  const first = Number.parseInt(group === '' ? '0' : group, 16)
  const last = /^[0-9A-Fa-f]{1,4}$/.test(range) ? Number.parseInt(range, 16) : Number.NaN
  if (Number.isNaN(last)) return 'Invalid range end'
  if (last <= first) return 'Address range end is not greater than address range start'
  return Array.from(
    { length: last - first + 1 },
    (_, index) => parseAddress(`${head}${(first + index).toString(16)}`) ?? address,
  )
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}

type Draft = Omit<Virtual, 'protocol' | 'method' | 'scheduler' | 'name'> & {
  readonly group?: string
  readonly protocol?: Virtual['protocol']
  readonly method?: Method
  readonly scheduler?: Virtual['scheduler']
}

function readVirtual(entry: Entry, head: Head, report: Report): Draft {
  const { entries, place } = entry
  const family = familyOfPlaces(head.places)
  const scheduler = readScheduler(entries, report)
  const method = readMethod(entries, 'virtual', report)
  const persistence = readPersistence(entries, family, report)
  const sorry = readSorry(entry, family, report)
  const inhibit = isSet(entries, 'inhibit_on_failure')
  const weight = lastOf(entries, 'weight')?.value
  const protocol = lastOf(entries, 'protocol')?.value
  const { protocol: name } = { protocol: typeof protocol === 'string' ? protocol.toUpperCase() : undefined }
  return {
    place,
    ...head,
    ...(name === 'TCP' || name === 'UDP' || name === 'SCTP' ? { protocol: name } : {}),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(method === undefined ? {} : { method }),
    ...(persistence === undefined ? {} : { persistence }),
    ...(sorry === undefined ? {} : { sorry }),
    flags: allOf(entries, 'flag-1', 'flag-2', 'flag-3', 'sh-port', 'sh-fallback', 'mh-port', 'mh-fallback', 'hashed')
      .filter(({ value }) => value !== false)
      .map(({ keyword }) => keyword),
    onePacket: isSet(entries, 'ops'),
    quorum: numberIn(entries, 'quorum', 1),
    hysteresis: numberIn(entries, 'hysteresis', 0),
    reals: allOf(entries, 'real_server').flatMap((real) =>
      readReal(real, { family, weight: typeof weight === 'number' ? weight : 1, inhibit, method }, report),
    ),
    entries,
  }
}

function familyOfPlaces(places: readonly VirtualAddress[]): Family | undefined {
  const [first] = places
  return first?.kind === 'address' ? familyOf(first.address) : first?.family
}

export function isSet(entries: readonly Entry[], keyword: string): boolean {
  return lastOf(entries, keyword)?.value === true
}

export function numberIn(entries: readonly Entry[], keyword: string, otherwise: number): number {
  const value = lastOf(entries, keyword)?.value
  return typeof value === 'number' ? value : otherwise
}

function readScheduler(entries: readonly Entry[], report: Report): Virtual['scheduler'] | undefined {
  let found: Virtual['scheduler'] | undefined
  for (const entry of entries) {
    const { keyword, place, value } = entry
    if (keyword === 'lb_algo' || keyword === 'lvs_sched') {
      if (schedulerNames.some((name) => name === value)) found = { value: String(value), place }
      else report(5, place, `Invalid lvs_scheduler '${String(value)}' - ignoring`)
    } else if (keyword.startsWith('sh-') && found?.value !== 'sh')
      report(5, place, `${keyword} only applies to sh scheduler - ignoring`)
  }
  return found
}

function readMethod(entries: readonly Entry[], of: 'virtual' | 'real' | 'sorry', report: Report): Method | undefined {
  let method: Method | undefined
  const keywords = of === 'sorry' ? ['sorry_server_lvs_method'] : ['lb_kind', 'lvs_method']
  for (const { words, place } of allOf(entries, ...keywords)) {
    const [forward = '', ...rest] = words
    if (forward === 'NAT' || forward === 'DR') method = { forward }
    else if (forward === 'TUN') method = { forward, ...readTunnel(rest, of, place, report) }
    else report(5, place, `PARSER : unknown [${forward}] routing method for ${of} server.`)
  }
  return method
}

/** `[type ipip|gre|gue port N] [nocsum|csum|remcsum]`. */
function readTunnel(
  words: readonly string[],
  of: string,
  place: Place,
  report: Report,
): { readonly tunnel?: NonNullable<Method['tunnel']> } {
  let type: 'ipip' | 'gre' | 'gue' = 'ipip'
  let port: number | undefined
  let checksum: 'nocsum' | 'csum' | 'remcsum' = 'nocsum'
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]
    const next = words[at + 1]
    if (word === 'type' || word === 'port') {
      at += 1
      if (word === 'type' && (next === 'ipip' || next === 'gre' || next === 'gue')) type = next
      else if (word === 'type')
        report(
          5,
          place,
          next === undefined
            ? `Missing tunnel type for ${of} server.`
            : `Unknown tunnel type ${next} for ${of} server.`,
        )
      else {
        const number = next === undefined ? undefined : readInteger(next, ports)
        if (number === undefined) report(5, place, `Missing port for ${of} server gue tunnel.`)
        else if (typeof number === 'number') port = number
        else {
          report(5, place, number)
          report(5, place, `Invalid gue tunnel port ${next} for ${of} server.`)
        }
      }
    } else if (word === 'nocsum' || word === 'csum' || word === 'remcsum') checksum = word
    else report(5, place, `Invalid tunnel option ${word} for ${of} server.`)
  }
  if ((type === 'gue') !== (port !== undefined)) {
    report(5, place, 'gue tunnels require port, otherwise cannot have port.')
    return {}
  }
  if (type === 'ipip' && checksum !== 'nocsum') report(5, place, 'ipip tunnels do not support checksum option.')
  if (type === 'gre' && checksum === 'remcsum') report(5, place, 'gre tunnels do not support remote checksum option.')
  return type === 'ipip' ? {} : { tunnel: { type, checksum, ...(port === undefined ? {} : { port }) } }
}

function readPersistence(
  entries: readonly Entry[],
  family: Family | undefined,
  report: Report,
): Virtual['persistence'] | undefined {
  const granularity = lastOf(entries, 'persistence_granularity')
  const mask = granularity?.words[0]
  const isWrong =
    mask !== undefined &&
    (family === 'ipv6' ? !/^([1-9]|[1-9][0-9]|1[01][0-9]|12[0-8])$/.test(mask) : inetAton(mask) === undefined)
  if (isWrong && granularity !== undefined)
    report(
      5,
      granularity.place,
      `Invalid ${family === 'ipv6' ? 'IPv6' : 'IPv4'} persistence_granularity specified - ${mask}`,
    )
  const taken = isWrong ? undefined : mask
  const timeout = lastOf(entries, 'persistence_timeout')?.value
  if (typeof timeout !== 'number' && taken === undefined) return undefined
  return {
    timeoutSeconds: typeof timeout === 'number' ? timeout : 360,
    ...(taken === undefined ? {} : { mask: taken }),
  }
}

function readSorry({ entries, end }: Entry, family: Family | undefined, report: Report): Sorry | undefined {
  let sorry: Sorry | undefined
  for (const { keyword, words, place } of allOf(
    entries,
    'sorry_server',
    'sorry_server_inhibit',
    'sorry_server_lvs_method',
  )) {
    if (keyword === 'sorry_server') {
      const endpoint = readEndpoint(words[0] ?? '', words[1], place, report)
      if (endpoint === undefined) report(5, place, `Invalid sorry server IP address ${words[0] ?? ''} - skipping`)
      else sorry = { place, ...endpoint }
    } else if (sorry === undefined && keyword === 'sorry_server_inhibit')
      report(5, place, 'Ignoring sorry_server inhibit used before or without sorry_server')
    else if (sorry === undefined) report(5, place, 'sorry_server forwarding used without sorry_server')
  }
  const method = readMethod(sorry === undefined ? [] : entries, 'sorry', report)
  if (sorry === undefined) return undefined
  if (family !== undefined && familyOf(sorry.address) !== family && method?.forward !== 'TUN') {
    report(
      5,
      end,
      `Address family of virtual server and sorry server ${sorry.address} don't match - skipping sorry server.`,
    )
    return undefined
  }
  return method === undefined ? sorry : { ...sorry, method }
}

type Inherited = {
  readonly family: Family | undefined
  readonly weight: number
  readonly inhibit: boolean
  readonly method: Method | undefined
}

function readReal(
  entry: Entry,
  { family, weight, inhibit, method: common }: Inherited,
  report: Report,
): readonly Real[] {
  const { words, place, entries } = entry
  const endpoint = readEndpoint(words[0] ?? '', words[1], place, report)
  if (endpoint === undefined) {
    report(5, place, `Invalid real server ip address/port ${words[0] ?? ''}/${words[1] ?? ''} - skipping`)
    return []
  }
  const method = readMethod(entries, 'real', report)
  if (family !== undefined && familyOf(endpoint.address) !== family && (method ?? common)?.forward !== 'TUN') {
    report(
      5,
      place,
      `Address family of virtual server and real server ${endpoint.address} don't match - skipping real server.`,
    )
    return []
  }
  const own = lastOf(entries, 'inhibit_on_failure')
  return [
    {
      place,
      ...endpoint,
      weight: numberIn(entries, 'weight', weight),
      inhibit: own === undefined ? inhibit : own.value === true,
      ...(method === undefined ? {} : { method }),
      entries,
      checkers: allOf(entries, ...checkerNames).flatMap((checker) =>
        readChecker(
          checker,
          { address: endpoint.address, name: `[${endpoint.address}]:none:${endpoint.port}` },
          report,
        ),
      ),
    },
  ]
}

/** What a virtual is called in keepalived's messages. */
function nameOf({ places, group, protocol }: Pick<Draft, 'places' | 'group' | 'protocol'>): string {
  const [first] = places
  if (group !== undefined)
    return `[${group}]:${first?.kind === 'address' ? `${protocolName(protocol)}:${first.port}` : ''}`
  return first?.kind === 'address'
    ? `[${first.address}]:${protocolName(protocol)}:${first.port}`
    : `FWM ${first?.mark ?? 0}`
}

function protocolName(protocol: Virtual['protocol'] | undefined): string {
  return protocol === undefined ? 'none' : protocol.toLowerCase()
}

/** keepalived's validate_check_config: no virtual, or one in which everything goes together. */
function setRight(draft: Draft, report: Report): readonly Virtual[] {
  const { places, reals: written } = draft
  const say = (message: string): void => report(5, undefined, message)
  const isMark = places[0]?.kind === 'mark'
  if (written.length === 0) {
    say(`Virtual server ${nameOf(draft)} has no real servers - ignoring`)
    return []
  }
  if (isMark && draft.protocol !== undefined)
    say(`Warning: Virtual server ${nameOf(draft)}: protocol specified for fwmark - protocol will be ignored`)
  if (!isMark && draft.protocol === undefined)
    say(`Virtual server ${nameOf(draft)}: no protocol set - defaulting to UDP`)
  const protocol = draft.protocol ?? 'UDP'
  const name = nameOf({ ...draft, protocol })
  if (draft.onePacket && protocol !== 'UDP' && !isMark)
    say(`Virtual server ${name}: one packet scheduling requires UDP - resetting`)
  const hasPort = places.every((place) => place.kind === 'mark' || place.port !== 0)
  if (!hasPort && draft.persistence === undefined)
    say(`Virtual server ${name}: zero port only valid for persistent services - setting`)
  const persistence = draft.persistence ?? (hasPort ? undefined : { timeoutSeconds: 360 })
  if (draft.scheduler === undefined) say(`Virtual server ${name}: no scheduler set, setting default 'wlc'`)
  if (draft.method === undefined && written.some((real) => real.method === undefined))
    say(`Virtual server ${name}: no forwarding method set, setting default NAT`)
  const method: Method = draft.method ?? { forward: 'NAT' }
  const realName = (real: Pick<Real, 'address' | 'port'>): string =>
    `[${real.address}]:${isMark ? 'none' : protocolName(protocol)}:${real.port}`
  const once = onceEach(written, (real) =>
    say(`VS ${name}: real server ${realName(real)} is duplicated - removing second rs`),
  )
  const limits = quorumOf(draft, name, once, say)
  const own = places[0]?.kind === 'address' ? places[0].port : 0
  const reals = once.map((real) => withPort(real, { method, isMark, own, name, realName, say }))
  return [
    {
      ...draft,
      ...limits,
      name,
      protocol,
      method,
      reals,
      ...(persistence === undefined ? {} : { persistence }),
      onePacket: draft.onePacket && protocol === 'UDP',
      scheduler: draft.scheduler ?? { value: 'wlc', place: draft.place },
    },
  ]
}

function onceEach(reals: readonly Real[], isAgain: (real: Real) => void): readonly Real[] {
  const seen = new Set<string>()
  return reals.filter((real) => {
    const key = `${real.address} ${real.port}`
    if (seen.has(key)) isAgain(real)
    return !seen.has(key) && seen.add(key) !== undefined
  })
}

function quorumOf(draft: Draft, name: string, reals: readonly Real[], say: (message: string) => void) {
  const total = reals.reduce((sum, { weight }) => sum + weight, 0)
  const isHigh = draft.quorum > total && total > 0
  if (isHigh)
    say(
      `Warning - quorum ${draft.quorum} for ${name} exceeds total weight of real servers ${total}, reducing quorum to ${total}`,
    )
  const quorum = isHigh ? total : draft.quorum
  const isWide = draft.hysteresis > 0 && draft.hysteresis >= quorum
  if (isWide)
    say(
      `Virtual server ${name}: hysteresis ${draft.hysteresis} >= quorum ${quorum}; setting hysteresis to ${quorum - 1}`,
    )
  return { quorum, hysteresis: isWide ? quorum - 1 : draft.hysteresis }
}

type Around = {
  readonly method: Method
  readonly isMark: boolean
  readonly own: number
  readonly name: string
  readonly realName: (real: Real) => string
  readonly say: (message: string) => void
}

/** Packets that are not rewritten keep their port. */
function withPort(real: Real, { method, isMark, own, name, realName, say }: Around): Real {
  if ((real.method ?? method).forward === 'NAT') return real.port === 0 && !isMark ? { ...real, port: own } : real
  if (isMark) {
    if (real.port !== 0)
      say(`WARNING - fwmark virtual server ${name}, real server ${realName(real)} has port specified - clearing`)
    return { ...real, port: 0 }
  }
  if (real.port !== own && real.port !== 0)
    say(`WARNING - virtual server ${name} and real server ${realName(real)} ports don't match - resetting`)
  return { ...real, port: own }
}
