/** The virtual routers of a keepalived.conf: as keepalived itself would run them. Pure. */
import { parseAddress } from '../../lvs/address.ts'
import { type Family, familyOf } from '../../lvs/service.ts'
import type {
  Instance,
  Routers,
  ScriptUser,
  SyncGroup,
  Tracking,
  TrackScript,
  VrrpAddress,
  Weighted,
} from './instance-model.ts'
import { readInteger } from './keyword.ts'
import type { Machine } from './machine.ts'
import { isKeptStrict } from './settled.ts'
import { readTracked } from './tracked.ts'
import { allOf, type Entry, lastOf } from './tree.ts'
import { isMissing, membersOf } from './vrrp.ts'
import { readWays, type Ways } from './ways.ts'
import { splitCommand } from './words.ts'

const defaults = { garpDelay: 5, garpRepeat: 5, refreshRepeat: 1, missed: 3, priority: 100, owner: 255 }

const noWays: Ways = { routes: [], rules: [] }

/** Scripts whose programs cannot be run are passed over. What is wrong is said elsewhere. */
export function readRouters(entries: readonly Entry[], machine: Machine): Routers {
  const globals = lastOf(entries, 'global_defs')?.entries ?? []
  const ways = readWays(entries, machine.routingNames)
  const instances = allOf(entries, 'vrrp_instance').map((entry) =>
    readInstance(entry, globals, ways.get(entry) ?? noWays),
  )
  const link = lastOf(globals, 'default_interface')?.words[0] ?? 'eth0'
  const standing = allOf(entries, 'static_routes', 'static_rules').flatMap((entry) => ways.get(entry) ?? [])
  return {
    instances,
    standing: {
      addresses: addressesOf(entries, 'static_ipaddress').map((one) => ({ interface: link, ...one })),
      ways: {
        routes: standing.flatMap(({ routes }) => routes),
        rules: standing.flatMap(({ rules }) => rules),
      },
      trackGroups: new Map(
        allOf(entries, 'track_group').map(({ words, entries: inner }) => [words[0] ?? '', membersOf(inner)]),
      ),
    },
    groups: allOf(entries, 'vrrp_sync_group').map(readGroup),
    scripts: new Map(
      allOf(entries, 'vrrp_script').flatMap((entry) => {
        const script = readScript(entry, globals, machine)
        return script === undefined ? [] : [[entry.words[0] ?? '', script]]
      }),
    ),
    ...readTracked(entries),
  }
}

function readInstance({ place, words, entries }: Entry, globals: readonly Entry[], ways: Ways): Instance {
  const [name = ''] = words
  const first = allOf(entries, 'virtual_ipaddress').flatMap((list) => list.entries)[0]
  const family = familyOf(parseAddress(first?.keyword.split('/')[0] ?? '') ?? peersOf(entries)[0] ?? '0.0.0.0')
  const version = family === 'ipv6' || numberOf('version', 2, entries, globals, 'vrrp_version') === 3 ? 3 : 2
  const saysMaster = wordOf(entries, 'state') === 'MASTER'
  const priority = numberOf('priority', saysMaster ? defaults.owner : defaults.priority, entries)
  const isOwner = priority === defaults.owner
  const isStrict = isKeptStrict(entries, globals)
  const isMaster = isStrict ? isOwner : saysMaster
  const id = lastOf(entries, 'virtual_router_id')?.value
  const garpDelay = garp('garp_master_delay', defaults.garpDelay, entries, globals)
  const garpRepeat = garp('garp_master_repeat', defaults.garpRepeat, entries, globals)
  const preempts = isMaster || isOwner || lastOf(entries, 'nopreempt') === undefined
  const { interface: link, source, group } = pathOf(entries, globals, family)
  return {
    place,
    name,
    entries,
    family,
    version,
    priority,
    ...given('id', typeof id === 'number' ? id : undefined),
    ...given('interface', link),
    ...given('source', source),
    ...given('group', group),
    peers: peersOf(entries).filter((peer) => familyOf(peer) === family),
    advertSeconds: advertOf(entries, version),
    addresses: addressesOf(entries, 'virtual_ipaddress').filter(({ address }) => familyOf(address) === family),
    excluded: addressesOf(entries, 'virtual_ipaddress_excluded'),
    ways,
    ...given('password', version === 2 && !isStrict ? passwordOf(entries) : undefined),
    isAuthenticated: version === 2 && !isStrict && typeOfAuthentication(entries) === 'AH',
    preempts,
    preemptDelaySeconds: isMaster || !preempts ? 0 : numberOf('preempt_delay', 0, entries),
    garpDelay,
    garpRepeat,
    garpRefresh: garp('garp_master_refresh', 0, entries, globals),
    garpRefreshRepeat: garp('garp_master_refresh_repeat', defaults.refreshRepeat, entries, globals),
    garpLowerDelay: garp('garp_lower_prio_delay', garpDelay, entries, globals),
    garpLowerRepeat: garp('garp_lower_prio_repeat', garpRepeat, entries, globals),
    missed: numberOf('down_timer_adverts', defaults.missed, entries, globals, 'vrrp_down_timer_adverts'),
    answersLower: !(flagOf(entries, 'lower_prio_no_advert') ?? flagOf(globals, 'vrrp_lower_prio_no_advert') ?? false),
    hasVirtualMac: lastOf(entries, 'use_vmac') !== undefined,
    accepts: isOwner || acceptOf(entries) !== 'no_accept',
    tracksOwn: lastOf(entries, 'dont_track_primary') === undefined,
    tracking: trackingOf(entries),
    ...(isStrict ? strictly(isOwner || (acceptOf(entries) === 'accept' && version === 3)) : {}),
  }
}

/** What keepalived sets back in an instance that is kept to the RFCs, whatever the file says. */
function strictly(accepts: boolean): Partial<Instance> {
  return {
    preemptDelaySeconds: 0,
    missed: defaults.missed,
    garpLowerDelay: 0,
    garpLowerRepeat: 0,
    answersLower: false,
    accepts,
  }
}

function acceptOf(entries: readonly Entry[]): string | undefined {
  return allOf(entries, 'accept', 'no_accept').at(-1)?.keyword
}

function readGroup({ place, words, entries }: Entry): SyncGroup {
  return {
    place,
    name: words[0] ?? '',
    entries,
    members: membersOf(entries),
    keepsWeights:
      lastOf(entries, 'sync_group_tracking_weight') !== undefined || lastOf(entries, 'global_tracking') !== undefined,
    tracking: trackingOf(entries),
  }
}

function readScript(
  { place, words, entries }: Entry,
  globals: readonly Entry[],
  machine: Machine,
): TrackScript | undefined {
  const script = lastOf(entries, 'script')
  if (script === undefined || isMissing(script, machine)) return undefined
  const intervalSeconds = numberOf('interval', 1, entries) || 1
  return {
    place,
    name: words[0] ?? '',
    argv: commandOf(script),
    intervalSeconds,
    timeoutSeconds: numberOf('timeout', 0, entries) || intervalSeconds,
    weight: numberOf('weight', 0, entries),
    isReversed: lastOf(entries, 'weight')?.words[1] === 'reverse',
    rise: numberOf('rise', 1, entries),
    fall: numberOf('fall', 1, entries),
    ...given('user', userOf(lastOf(entries, 'user'), globals, machine)),
  }
}

const scriptUser = 'keepalived_script'

/** Who runs a command: its own user, that of global_defs, or keepalived_script where there is one. undefined: root. */
export function userOf(own: Entry | undefined, globals: readonly Entry[], machine: Machine): ScriptUser | undefined {
  const written = (own ?? lastOf(globals, 'script_user'))?.words ?? (machine.hasUser(scriptUser) ? [scriptUser] : [])
  const [name, group] = written
  if (name === undefined || name === 'root') return undefined
  return { name, ...given('group', group ?? machine.groupOf(name)) }
}

/** A whole command in quotes is taken apart once more. */
export function commandOf({ words }: Pick<Entry, 'words'>): readonly string[] {
  return words.length === 1 ? splitCommand(words[0] ?? '').words : words
}

function pathOf(entries: readonly Entry[], globals: readonly Entry[], family: Family) {
  const own = wordOf(entries, 'mcast_dst_ip')
  const common = wordOf(globals, family === 'ipv4' ? 'vrrp_mcast_group4' : 'vrrp_mcast_group6')
  const multicast = [own, common].map((word) => parseAddress(word ?? '')).find((one) => one !== undefined)
  return {
    interface: wordOf(entries, 'interface'),
    source: parseAddress(wordOf(entries, 'unicast_src_ip') ?? wordOf(entries, 'mcast_src_ip') ?? ''),
    group: multicast,
  }
}

function peersOf(entries: readonly Entry[]): string[] {
  return allOf(entries, 'unicast_peer').flatMap((list) =>
    list.entries.flatMap(({ keyword }) => parseAddress(keyword) ?? []),
  )
}

/** Version 2 has whole seconds (rounded), version 3 hundredths up to 40.95 s. */
function advertOf(entries: readonly Entry[], version: 2 | 3): number {
  const written = numberOf('advert_int', 1, entries)
  return version === 2 ? Math.max(1, Math.round(written)) : Math.min(Math.round(written * 100) / 100, 40.95)
}

function addressesOf(entries: readonly Entry[], keyword: string): VrrpAddress[] {
  const found = new Map<string, VrrpAddress>()
  for (const list of allOf(entries, keyword))
    for (const { keyword: written, words, place } of list.entries) {
      const [host = '', length] = written.split('/')
      const address = parseAddress(host)
      if (address === undefined || found.has(address)) continue
      const most = familyOf(address) === 'ipv4' ? 32 : 128
      const prefix = length === undefined ? most : readInteger(length, { min: 0, max: most })
      const link = words.indexOf('dev') < 0 ? undefined : words[words.indexOf('dev') + 1]
      found.set(address, {
        place,
        address,
        prefix: typeof prefix === 'number' ? prefix : most,
        ...given('interface', link),
        words: words.filter((word, at) => word !== 'dev' && words[at - 1] !== 'dev'),
      })
    }
  return [...found.values()]
}

function typeOfAuthentication(entries: readonly Entry[]): string | undefined {
  const inner = lastOf(entries, 'authentication')?.entries ?? []
  return lastOf(inner, 'auth_pass') === undefined ? undefined : wordOf(inner, 'auth_type')
}

function passwordOf(entries: readonly Entry[]): string | undefined {
  if (typeOfAuthentication(entries) !== 'PASS') return undefined
  return wordOf(lastOf(entries, 'authentication')?.entries ?? [], 'auth_pass')?.slice(0, 8)
}

function trackingOf(entries: readonly Entry[]): Tracking {
  const of = (keyword: string): Weighted[] =>
    allOf(entries, keyword).flatMap((list) =>
      list.entries.map(({ keyword: name, words, place }) => {
        const weight = words[0] === 'weight' ? readInteger(words[1] ?? '', { min: -253, max: 253 }) : undefined
        return {
          name,
          place,
          ...given('weight', typeof weight === 'number' ? weight : undefined),
          isReversed: words.includes('reverse'),
        }
      }),
    )
  return {
    interfaces: of('track_interface'),
    scripts: of('track_script'),
    files: of('track_file'),
    processes: of('track_process'),
    others: of('track_bfd'),
  }
}

function garp(keyword: string, otherwise: number, entries: readonly Entry[], globals: readonly Entry[]): number {
  return numberOf(keyword, otherwise, entries, globals, `vrrp_${keyword}`)
}

/** Of the block, else of global_defs. */
function numberOf(
  keyword: string,
  otherwise: number,
  entries: readonly Entry[],
  globals: readonly Entry[] = [],
  common = '',
): number {
  const own = lastOf(entries, keyword)?.value ?? lastOf(globals, common)?.value
  return typeof own === 'number' ? own : typeof own === 'string' && /^[0-9]+$/.test(own) ? Number(own) : otherwise
}

function flagOf(entries: readonly Entry[], keyword: string): boolean | undefined {
  const value = lastOf(entries, keyword)?.value
  return typeof value === 'boolean' ? value : undefined
}

function wordOf(entries: readonly Entry[], keyword: string): string | undefined {
  return lastOf(entries, keyword)?.words[0]
}

function given<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: T })
}
