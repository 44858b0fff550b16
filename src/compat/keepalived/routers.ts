/** keepalived's virtual routers in Baton's words; what has no counterpart is said with its line. Pure. */
import { formatHeldAddress } from '../../cluster/spec/held-address.ts'
import type { ClusterSpec, StandingSpec, VirtualRouterSpec } from '../../cluster/spec/model.ts'
import { parseSpec } from '../../cluster/spec/parse.ts'
import { printSpec } from '../../cluster/spec/print.ts'
import { readAddressWords } from '../../formats/iproute/address.ts'
import type {
  Instance,
  Routers,
  SyncGroup,
  Tracking,
  TrackProcess,
  TrackScript,
  VrrpAddress,
  Weighted,
} from '../../formats/keepalived/instance-model.ts'
import type { Way, Ways } from '../../formats/keepalived/ways.ts'
import type { TrackSpec, WaySpec } from '../../vrrp/spec.ts'
import { asUser } from './as-user.ts'
import type { Say } from './say.ts'

/** What a router is made of below, and what says nothing that would be otherwise here. */
const carried = new Set([
  'state', 'interface', 'virtual_router_id', 'priority', 'advert_int', 'version', 'virtual_ipaddress', 'authentication',
  'virtual_ipaddress_excluded', 'virtual_routes', 'virtual_rules', 'preempt', 'nopreempt', 'preempt_delay', 'unicast_src_ip', 'mcast_src_ip', 'mcast_dst_ip',
  'unicast_peer', 'garp_master_delay', 'garp_master_repeat', 'garp_master_refresh', 'garp_master_refresh_repeat',
  'garp_lower_prio_delay', 'garp_lower_prio_repeat', 'down_timer_adverts', 'lower_prio_no_advert', 'use_vmac', 'accept',
  'no_accept', 'track_interface', 'track_script', 'track_file', 'track_process', 'track_bfd', 'skip_check_adv_addr', 'native_ipv6',
  'strict_mode', 'dont_track_primary',
]) // biome-ignore format: a list to read at a glance
const carriedByGroup = new Set([
  'group', 'track_interface', 'track_script', 'track_file', 'track_process', 'track_bfd', 'sync_group_tracking_weight',
  'global_tracking',
]) // biome-ignore format: a list to read at a glance
/** What happens in their place, where it is something other than nothing. */
const instead: Readonly<Record<string, string>> = {
  use_ipvlan: 'the addresses stand at the interface itself',
}
/** Done by whoever follows the director (`duties/plan.ts`). */
const noticeKeywords = new Set([
  'notify', 'notify_master', 'notify_backup', 'notify_fault', 'notify_stop', 'notify_deleted', 'smtp_alert',
  'notify_master_rx_lower_pri', 'notify_priority_changes',
]) // biome-ignore format: a list to read at a glance

/** In the file's order. `hasCompany`: somebody does what is to be done when a router changes its state. */
export function convertRouters(routers: Routers, hasCompany: boolean, say: Say): readonly VirtualRouterSpec[] {
  const isCarried = (keyword: string): boolean => hasCompany && noticeKeywords.has(keyword)
  for (const { entries, name } of routers.groups)
    for (const { keyword, place } of entries)
      if (!carriedByGroup.has(keyword) && (keyword === 'notify_priority_changes' || !isCarried(keyword)))
        say('warning', place, `${keyword} of ${name} is not taken over`)
  return routers.instances.flatMap((instance) => {
    for (const { keyword, place } of instance.entries)
      if (!carried.has(keyword) && !isCarried(keyword))
        say('warning', place, `${keyword} of ${instance.name} is not taken over${insteadOf(keyword)}`)
    const router = convertInstance(instance, routers, say)
    return router === undefined || !fits(router, instance, say) ? [] : [router]
  })
}

function insteadOf(keyword: string): string {
  const what = instead[keyword]
  return what === undefined ? '' : `: ${what}`
}

function convertInstance(instance: Instance, routers: Routers, say: Say): VirtualRouterSpec | undefined {
  const { place, name, id, interface: link, priority, version, password, preempts, source, peers } = instance
  if (id === undefined) return refuse(say, instance, `${name} has no virtual_router_id`)
  if (link === undefined) return refuse(say, instance, `${name} has no interface`)
  if (instance.isAuthenticated)
    return refuse(
      say,
      instance,
      `auth_type AH of ${name}: expected PASS or none; RFC 3768 took the header away, as it protects nothing that it should`,
    )
  if (source !== undefined && peers.length === 0)
    say('warning', place, `the source address of ${name} is not taken over: it goes with unicast_peer`)
  const group = routers.groups.find(({ members }) => members.includes(name))
  return {
    name,
    interface: link,
    id,
    version,
    priority,
    intervalMs: Math.round(instance.advertSeconds * 1000),
    addresses: instance.addresses.flatMap((address) => heldText(address, link, say)),
    beside: instance.excluded.flatMap((address) => heldText(address, link, say)),
    ...waysText(instance.ways, say),
    downAdverts: instance.missed,
    answersLower: instance.answersLower,
    preempts,
    preemptDelayMs: Math.round(instance.preemptDelaySeconds * 1000),
    ...(peers.length === 0 ? {} : { peers }),
    ...(peers.length === 0 || source === undefined ? {} : { source }),
    ...(peers.length > 0 || instance.group === undefined ? {} : { multicast: instance.group }),
    also: [],
    ...(password === undefined ? {} : { password }),
    checksum: 'rfc5798',
    checksAddresses: true,
    hasVirtualMac: instance.hasVirtualMac,
    accepts: instance.accepts,
    tracksOwn: instance.tracksOwn,
    tracked: trackedOf(instance, group, routers, say),
    ...(group === undefined ? {} : { group: group.name }),
    announcing: announcingOf(instance),
  }
}

function refuse(say: Say, { place }: Instance, message: string): undefined {
  say('error', place, message)
  return undefined
}

function announcingOf(instance: Instance): VirtualRouterSpec['announcing'] {
  const { garpRefresh } = instance
  return {
    times: instance.garpRepeat,
    delayMs: instance.garpDelay * 1000,
    conflictTimes: instance.garpLowerRepeat,
    conflictDelayMs: instance.garpLowerDelay * 1000,
    ...(garpRefresh > 0 ? { refreshMs: garpRefresh * 1000 } : {}),
    refreshTimes: instance.garpRefreshRepeat,
  }
}

/** None of one whose words say nothing that Linux has. */
function heldText({ address, prefix, interface: link, words, place }: VrrpAddress, own: string, say: Say): string[] {
  // keepalived has no new connections come from such an address, unless it is told to.
  const isDeprecated = prefix === 128 && !words.includes('preferred_lft')
  const carried = words.filter(
    (word, at) => word !== 'use_vmac' && word !== 'track_group' && words[at - 1] !== 'track_group',
  )
  if (words.includes('use_vmac'))
    say(
      'warning',
      place,
      `use_vmac of ${address} is not taken over: all addresses of an instance stand where its use_vmac says`,
    )
  const read = readAddressWords([...carried, ...(isDeprecated ? ['preferred_lft', '0'] : [])], { address, prefix })
  if (typeof read === 'string') {
    say('warning', place, `${address}: ${read}; it is not taken over`)
    return []
  }
  return [
    formatHeldAddress({ address, prefix, ...read, ...(link === undefined || link === own ? {} : { interface: link }) }),
  ]
}

/** Those that Baton does not carry out are errors: without them packets would go elsewhere. */
function waysText({ routes, rules }: Ways, say: Say): WaySpec {
  const texts = (ways: readonly Way[]): string[] =>
    ways.flatMap(({ text, refused, place }) => {
      if (refused === undefined) return [text]
      say('error', place, refused)
      return []
    })
  return {
    ...(routes.length === 0 ? {} : { routes: texts(routes) }),
    ...(rules.length === 0 ? {} : { rules: texts(rules) }),
  }
}

/** What stands whoever is master. */
export function convertStanding({ standing: { addresses, ways } }: Routers, say: Say): StandingSpec | undefined {
  const held = addresses.flatMap((address) => heldText(address, '', say))
  const spec = { ...(held.length === 0 ? {} : { addresses: held }), ...waysText(ways, say) }
  return Object.keys(spec).length === 0 ? undefined : spec
}

/** Interfaces without which what always stands is lost, where a track group says that the instance needs it. */
function neededBy({ name, interface: own }: Instance, { standing }: Routers): readonly string[] {
  const isMeant = (group: string | undefined): boolean =>
    group !== undefined && standing.trackGroups.get(group)?.includes(name) === true
  const addresses = standing.addresses.filter(({ words }) =>
    isMeant(words.includes('track_group') ? words[words.indexOf('track_group') + 1] : undefined),
  )
  const ways = [...standing.ways.routes, ...standing.ways.rules].filter(({ trackGroup }) => isMeant(trackGroup))
  const names = [...addresses.map(({ interface: link }) => link), ...ways.flatMap(({ interfaces }) => interfaces)]
  return [...new Set(names.flatMap((link) => (link === undefined || link === own ? [] : [link])))]
}

/** What the group tracks, each of its members does. */
function trackedOf(instance: Instance, group: SyncGroup | undefined, routers: Routers, say: Say): readonly TrackSpec[] {
  const { scripts, files, processes } = routers
  const isWeightless = group !== undefined && !group.keepsWeights
  const weighted = (one: Weighted, otherwise: number, isReversed: boolean): Heavy => {
    const weight = isWeightless ? 0 : (one.weight ?? otherwise)
    return { ...(weight === 0 ? {} : { weight }), ...(isReversed ? { isReversed: true } : {}) }
  }
  const from = ({ interfaces, scripts: named, files: read, processes: looked, others }: Tracking): TrackSpec[] => {
    for (const { name, place } of others) say('warning', place, `${name} is not taken over: it is not tracked`)
    const of = <T extends Common>(
      all: readonly Weighted[],
      known: ReadonlyMap<string, T>,
      to: (found: T) => TrackSpec,
    ) =>
      all.flatMap((one): TrackSpec[] => {
        const found = known.get(one.name)
        if (found === undefined) return []
        // A weight that is written here goes with its own direction.
        const isReversed = one.isReversed || (one.weight === undefined && found.isReversed)
        return [{ ...to(found), ...weighted(one, found.weight, isReversed) }]
      })
    return [
      ...interfaces.map(
        (one): TrackSpec => ({ kind: 'interface', interface: one.name, ...weighted(one, 0, one.isReversed) }),
      ),
      ...of(named, scripts, commandOf),
      ...of(read, files, ({ path }) => ({ kind: 'file', path })),
      ...of(looked, processes, processOf),
    ]
  }
  const tracked = [...from(instance.tracking), ...(group === undefined ? [] : from(group.tracking))]
  const isTracked = (link: string): boolean => tracked.some((one) => one.kind === 'interface' && one.interface === link)
  const needed = neededBy(instance, routers).filter((link) => !isTracked(link))
  return [...tracked, ...needed.map((link): TrackSpec => ({ kind: 'interface', interface: link }))]
}

type Heavy = Pick<TrackSpec, 'weight' | 'isReversed'>
type Common = { readonly weight: number; readonly isReversed: boolean }

function processOf(tracked: TrackProcess): TrackSpec {
  const { program, parameters, isFullCommand, least, most, forkDelaySeconds, terminateDelaySeconds } = tracked
  return {
    kind: 'process',
    program,
    ...(parameters === undefined ? {} : { parameters }),
    ...(isFullCommand ? { isFullCommand } : {}),
    least,
    ...(most === undefined ? {} : { most }),
    forkDelayMs: Math.round(forkDelaySeconds * 1000),
    terminateDelayMs: Math.round(terminateDelaySeconds * 1000),
  }
}

function commandOf({ argv, user, intervalSeconds, timeoutSeconds, rise, fall }: TrackScript): TrackSpec {
  return {
    kind: 'command',
    argv: asUser(argv, user),
    everyMs: intervalSeconds * 1000,
    timeoutMs: timeoutSeconds * 1000,
    rise,
    fall,
  }
}

/** What Baton's own file could not say is an error here, too: the router goes once through its text. */
function fits(router: VirtualRouterSpec, { place }: Instance, say: Say): boolean {
  const spec: ClusterSpec = {
    name: 'keepalived',
    hosts: { local: { name: 'local', hypervisor: 'qemu' } },
    images: {},
    guests: {},
    services: {},
    directors: { hosts: ['local'], engine: 'auto', vrrp: [router] },
  }
  const read = parseSpec({
    file: 'keepalived.conf',
    text: printSpec(spec),
    environment: {},
    readInclude: () => undefined,
  })
  for (const { severity, message, hint } of read.diagnostics)
    say(severity, place, `${router.name}: ${message}${hint === undefined ? '' : ` (${hint})`}`)
  return read.spec !== undefined
}
