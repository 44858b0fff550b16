/** The virtual servers of a keepalived.conf, read from their blocks. */

import { type Family, familyOf, schedulerNames } from '../../lvs/service.ts'
import { inetAton } from '../ipvsadm/values.ts'
import { type Known, type RunsAs, readChecker } from './checkers.ts'
import type { Report } from './finding.ts'
import { isUser as isUserOf } from './globals.ts'
import { userOf } from './instances.ts'
import { readInteger } from './keyword.ts'
import type { Machine } from './machine.ts'
import { readMethod } from './methods.ts'
import type { Method, Real, Sorry, Virtual, VirtualAddress } from './model.ts'
import { marks, readEndpoint, readGroup } from './places.ts'
import { type Draft, setRight } from './set-right.ts'
import { checkerNames } from './tables/checks.ts'
import { maxUnsigned } from './tables/kinds.ts'
import { allOf, type Entry, lastOf } from './tree.ts'

/** Of one file, in its order; those that keepalived ignores are left out. */
export function readVirtuals(entries: readonly Entry[], machine: Machine, report: Report): readonly Virtual[] {
  const globals = lastOf(entries, 'global_defs')?.entries ?? []
  const isUser = (name: string): boolean => isUserOf(name, machine)
  const runsAs: RunsAs = (own) => userOf(own, globals, machine)
  const groups = new Map<string, readonly VirtualAddress[]>()
  for (const group of allOf(entries, 'virtual_server_group')) groups.set(group.words[0] ?? '', readGroup(group, report))
  const drafts = allOf(entries, 'virtual_server').flatMap((entry) => {
    const head = readHead(entry, groups, report)
    const known = {
      files: namesBefore(entry, entries, ...fileKeywords),
      bfds: namesBefore(entry, entries, 'bfd_instance'),
    }
    return head === undefined ? [] : [readVirtual(entry, head, { runsAs, isUser, ...known }, report)]
  })
  return drafts.flatMap((draft) => setRight(draft, report))
}

const fileKeywords = ['track_file', 'vrrp_track_file']

/** What comes later in the file is not known yet. */
function namesBefore(entry: Entry, all: readonly Entry[], ...keywords: readonly string[]): ReadonlySet<string> {
  return new Set(allOf(all.slice(0, all.indexOf(entry)), ...keywords).map(({ words }) => words[0] ?? ''))
}

/** Only schedulers that hash have them; keepalived asks for one before them. */
const hashFlags = ['sh-port', 'sh-fallback', 'mh-port', 'mh-fallback', 'hashed']
const engineNameBytes = 16

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
    // Of one that is not configured keepalived tells its log alone.
    return places === undefined ? undefined : { places, group: second ?? '' }
  }
  const endpoint = readEndpoint(first, second, place, report)
  if (endpoint !== undefined) return { places: [{ kind: 'address', ...endpoint }] }
  const written = second === undefined ? ` ${first}` : `/port ${first}/${second}`
  report(5, place, `Invalid virtual server IP address${written} - skipping`)
  return undefined
}

function readVirtual(entry: Entry, head: Head, known: Known, report: Report): Draft {
  const { entries, place } = entry
  const scheduler = readScheduler(entries, report)
  const family = readFamily(entries, head.places, report)
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
    flags: allOf(entries, 'flag-1', 'flag-2', 'flag-3', ...hashFlags)
      .filter(({ value }) => value !== false)
      .map(({ keyword }) => keyword),
    onePacket: isSet(entries, 'ops'),
    quorum: numberIn(entries, 'quorum', 1),
    hysteresis: numberIn(entries, 'hysteresis', 0),
    reals: allOf(entries, 'real_server').flatMap((real) =>
      readReal(
        real,
        { family, weight: typeof weight === 'number' ? weight : 1, inhibit, method, known, protocol: name },
        report,
      ),
    ),
    entries,
  }
}

/** `ip_family` is for those without an address, and may not contradict one. */
function readFamily(entries: readonly Entry[], places: readonly VirtualAddress[], report: Report): Family | undefined {
  const own = familyOfPlaces(places)
  const written = lastOf(entries, 'ip_family')
  if (written?.value === undefined) return own
  const wanted: Family = written.value === 'inet6' ? 'ipv6' : 'ipv4'
  if (own === undefined || places[0]?.kind === 'mark') return wanted
  if (own !== wanted)
    report(5, written.place, `Virtual server specified family ${String(written.value)} conflicts with server family`)
  return own
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
    } else if (hashFlags.includes(keyword) && found?.value !== 'sh' && found?.value !== 'mh')
      report(5, place, `${keyword} only applies to sh scheduler - ignoring`)
  }
  return found
}

function readPersistence(
  entries: readonly Entry[],
  family: Family | undefined,
  report: Report,
): Virtual['persistence'] | undefined {
  const engine = lastOf(entries, 'persistence_engine')
  if ((engine?.words[0] ?? '').length > engineNameBytes)
    report(5, engine?.place, `persistence_name too long, truncating - ${engine?.words[0] ?? ''}`)
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
  for (const { keyword, words, place, value } of allOf(
    entries,
    'sorry_server',
    'sorry_server_inhibit',
    'sorry_server_lvs_method',
  )) {
    if (keyword === 'sorry_server') {
      const endpoint = readEndpoint(words[0] ?? '', words[1], place, report)
      if (endpoint === undefined) report(5, place, `Invalid sorry server IP address ${words[0] ?? ''} - skipping`)
      else sorry = { place, ...endpoint, inhibit: sorry?.inhibit ?? false }
    } else if (sorry === undefined && keyword === 'sorry_server_inhibit')
      report(5, place, 'Ignoring sorry_server inhibit used before or without sorry_server')
    else if (sorry !== undefined && keyword === 'sorry_server_inhibit') sorry = { ...sorry, inhibit: value !== false }
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
  readonly protocol: string | undefined
  readonly known: Known
}

function readReal(
  entry: Entry,
  { family, weight, inhibit, method: common, protocol, known }: Inherited,
  report: Report,
): readonly Real[] {
  const { words, place, entries, end } = entry
  const endpoint = readEndpoint(words[0] ?? '', words[1], place, report)
  if (endpoint === undefined) {
    report(5, place, `Invalid real server ip address/port ${words[0] ?? ''}/${words[1] ?? '(null)'} - skipping`)
    return []
  }
  const method = readMethod(entries, 'real', report)
  if (family !== undefined && familyOf(endpoint.address) !== family && (method ?? common)?.forward !== 'TUN') {
    report(
      5,
      end,
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
          {
            address: endpoint.address,
            name: `[${endpoint.address}]:${protocol?.toLowerCase() ?? 'none'}:${endpoint.port}`,
            known,
          },
          report,
        ),
      ),
    },
  ]
}
