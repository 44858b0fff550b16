/**
 * A spec as a keepalived.conf. What was written is read again and compared with what was meant: whatever is not the same
 * is said, so that nothing is lost without a word. Pure.
 */

import type { ClusterSpec, ServerSpec, ServiceSpec, StandingSpec, VirtualRouterSpec } from '../../cluster/spec/model.ts'
import { sameData } from '../../difference.ts'
import { commonNames } from '../../formats/iproute/names.ts'
import { parseKeepalived } from '../../formats/keepalived/parse.ts'
import type { Forwarding } from '../../lvs/service.ts'
import type { TrackSpec } from '../../vrrp/spec.ts'
import { convertKeepalived } from './convert.ts'
import { block, checkLines, quoted, seconds } from './export-check.ts'

type Exported = {
  readonly text: string
  /** What keepalived.conf does not say as the spec does; also in the text, as comments. */
  readonly lost: readonly string[]
}

export function exportKeepalived(spec: ClusterSpec): Exported {
  const lines = [
    ...block('global_defs', [
      `router_id ${spec.name}`, 'enable_script_security', 'script_user root', ...syncLines(spec.directors),
      ...timeoutLines(spec.directors.settings),
    ]),
    ...standingLines(spec.directors.standing), ...routerLines(spec.directors.vrrp ?? []), ...Object.values(spec.services).flatMap(serviceLines),
  ] // biome-ignore format: a file
  const lost = compare(spec, `${lines.join('\n')}\n`)
  const comments = lost.map((one) => `# not said here: ${one}`)
  return { text: `${[...comments, ...lines].join('\n')}\n`, lost }
}

/** By what is read of it again. */
function compare(spec: ClusterSpec, text: string): readonly string[] {
  const surroundings = { include: () => ({ files: [], missing: [], directories: [] }), random: () => 0 }
  const machine = {
    interface: () => 'there' as const,
    isExecutable: () => true,
    routingNames: commonNames,
    hasUser: (name: string) => name === 'root',
    groupOf: () => '0',
  }
  const parsed = parseKeepalived({ file: 'keepalived.conf', directory: '/', text }, surroundings, machine)
  const { spec: read, diagnostics } = convertKeepalived(parsed, { file: 'keepalived.conf', cluster: spec.name })
  if (read === undefined)
    return diagnostics.flatMap(({ severity, line, message }) =>
      severity === 'error' ? [`line ${line}: ${message}`] : [],
    )
  const services = new Map(Object.values(read.services).map((service) => [JSON.stringify(service.service.id), service]))
  return [
    ...Object.values(spec.services).flatMap((service) => {
      const again = services.get(JSON.stringify(service.service.id))
      const meant = { ...spread(service), name: '' }
      return differing(`service ${service.name}`, meant, again && { ...again, name: '' })
    }),
    ...differing('directors.sync', spec.directors.sync ?? {}, read.directors.sync ?? {}),
    ...differing('directors.standing', spec.directors.standing ?? {}, read.directors.standing ?? {}),
    ...differing('directors', spec.directors.settings ?? {}, read.directors.settings ?? {}),
    ...(spec.directors.vrrp ?? []).flatMap((router) =>
      differing(
        `virtual router ${router.name}`,
        router,
        read.directors.vrrp?.find(({ name }) => name === router.name),
      ),
    ),
  ]
}

function differing(what: string, meant: object, again: object | undefined): string[] {
  if (again === undefined) return [what]
  const found = new Map(Object.entries(again))
  const keys = new Set([...Object.keys(meant), ...found.keys()])
  const own = new Map(Object.entries(meant))
  return [...keys].flatMap((key) => (sameData(own.get(key), found.get(key)) ? [] : [`${key} of ${what}`]))
}

/** Checks of the service are checks of each of its servers there. */
function spread(service: ServiceSpec): ServiceSpec {
  const servers = service.servers.map((server): ServerSpec => {
    const checks = server.checks ?? service.checks
    const { checks: _, ...rest } = server
    return checks.length === 0 ? rest : { ...rest, checks }
  })
  // keepalived has no sorry server without a quorum.
  const quorum = service.fallback === undefined ? {} : { quorum: service.quorum ?? { weight: 1, hysteresis: 0 } }
  return { ...service, ...quorum, servers, checks: [] }
}

const methods: Readonly<Record<Forwarding, string>> = { masq: 'NAT', direct: 'DR', tunnel: 'TUN', local: 'DR' }
const list = (head: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : block(head, lines))

/** Of the first router: keepalived's daemons have the roles of one. */
function syncLines({ sync, vrrp = [] }: ClusterSpec['directors']): string[] {
  if (sync === undefined) return []
  const { interface: name, syncId, group, port, ttl, maxLength } = sync
  const [router] = vrrp
  const words = [
    ...(router === undefined ? [] : ['inst', router.name]),
    ...['id', syncId, 'port', port, 'ttl', ttl, 'group', group],
    ...(maxLength === undefined ? [] : ['maxlen', maxLength]),
  ]
  return [`lvs_sync_daemon ${name} ${words.join(' ')}`]
}

function timeoutLines(settings: ClusterSpec['directors']['settings']): string[] {
  const { tcp, tcpFin, udp } = settings?.timeouts ?? {}
  const words = Object.entries({ tcp, tcpfin: tcpFin, udp }).flatMap(([word, value]) =>
    value === undefined ? [] : [word, String(value)],
  )
  return words.length === 0 ? [] : [`lvs_timeouts ${words.join(' ')}`]
}

function standingLines({ addresses = [], routes = [], rules = [] }: StandingSpec = {}): string[] {
  return [...list('static_ipaddress', addresses), ...list('static_routes', routes), ...list('static_rules', rules)]
}

function routerLines(routers: readonly VirtualRouterSpec[]): string[] {
  const commands = new Map<string, string>()
  for (const track of routers.flatMap(({ tracked }) => tracked))
    if (track.kind === 'command') commands.set(keyOf(track), `check_${commands.size + 1}`)
  const scripts = new Map(
    routers.flatMap(({ tracked }) =>
      tracked.flatMap((track) => (track.kind === 'command' ? [[keyOf(track), track]] : [])),
    ),
  )
  const groups = groupsOf(routers)
  return [
    ...[...scripts].flatMap(([key, track]) => scriptLines(commands.get(key) ?? '', track)),
    ...[...groups].flatMap(([name, members]) =>
      block(`vrrp_sync_group ${name}`, ['sync_group_tracking_weight', ...block('group', members)]),
    ),
    ...routers.flatMap((router) => instanceLines(router, commands)),
  ]
}

function groupsOf(routers: readonly VirtualRouterSpec[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const { name, group } of routers)
    if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), name])
  return groups
}

type CommandTrack = TrackSpec & { readonly kind: 'command' }

/** One command may be tracked with several weights. */
function keyOf({ argv, everyMs, timeoutMs, rise, fall }: CommandTrack): string {
  return JSON.stringify([argv, everyMs, timeoutMs, rise, fall])
}

function scriptLines(name: string, { argv, everyMs, timeoutMs, rise, fall }: CommandTrack): string[] {
  return block(`vrrp_script ${name}`, [
    `script ${quoted(argv)}`,
    `interval ${Math.max(1, Math.round(everyMs / 1000))}`,
    `timeout ${Math.max(1, Math.round(timeoutMs / 1000))}`,
    `rise ${rise}`,
    `fall ${fall}`,
  ])
}

function instanceLines(router: VirtualRouterSpec, commands: ReadonlyMap<string, string>): string[] {
  const { announcing, tracked, password, peers, source, multicast } = router
  const weighted = (name: string, weight: number | undefined): string =>
    weight === undefined ? name : `${name} weight ${weight}`
  const whole = (ms: number): number => Math.round(ms / 1000)
  return block(`vrrp_instance ${router.name}`, [
    `interface ${router.interface}`,
    `virtual_router_id ${router.id}`,
    `version ${router.version}`,
    `priority ${router.priority}`,
    `advert_int ${seconds(router.intervalMs)}`,
    ...(router.preempts ? [] : ['nopreempt']),
    ...(router.preemptDelayMs > 0 ? [`preempt_delay ${seconds(router.preemptDelayMs)}`] : []),
    `down_timer_adverts ${router.downAdverts}`,
    ...(router.answersLower ? [] : ['lower_prio_no_advert true']),
    `garp_master_repeat ${announcing.times}`,
    `garp_master_delay ${whole(announcing.delayMs)}`,
    `garp_lower_prio_repeat ${announcing.conflictTimes}`,
    `garp_lower_prio_delay ${whole(announcing.conflictDelayMs)}`,
    ...(announcing.refreshMs === undefined ? [] : [`garp_master_refresh ${whole(announcing.refreshMs)}`]),
    `garp_master_refresh_repeat ${announcing.refreshTimes}`,
    ...(router.hasVirtualMac ? ['use_vmac'] : []),
    ...(router.accepts ? [] : ['no_accept']),
    ...(router.tracksOwn ? [] : ['dont_track_primary']),
    ...(password === undefined ? [] : block('authentication', ['auth_type PASS', `auth_pass "${password}"`])),
    ...(source === undefined ? [] : [`unicast_src_ip ${source}`]),
    ...list('unicast_peer', peers ?? []),
    ...(multicast === undefined ? [] : [`mcast_dst_ip ${multicast}`]),
    ...list('virtual_ipaddress', router.addresses ?? []),
    ...list('virtual_ipaddress_excluded', router.beside),
    ...list('virtual_routes', router.routes ?? []),
    ...list('virtual_rules', router.rules ?? []),
    ...list('track_interface', tracked.flatMap((one) => (one.kind === 'interface' ? [weighted(one.interface, one.weight)] : []))),
    ...list('track_script', tracked.flatMap((one) => (one.kind === 'command' ? [weighted(commands.get(keyOf(one)) ?? '', one.weight)] : []))),
  ]) // biome-ignore format: a block, line by line
}

function serviceLines(service: ServiceSpec): string[] {
  const { id, scheduler, schedulerFlags, persistence, onePacket } = service.service
  if (id.kind !== 'address' && id.kind !== 'fwmark') return []
  const { fallback, forwarding, onFailure, quorum } = service
  const isIpv6 = id.kind === 'fwmark' && id.family === 'ipv6'
  return block(id.kind === 'address' ? `virtual_server ${id.address} ${id.port}` : `virtual_server fwmark ${id.mark}`, [
    ...(id.kind === 'address' ? [`protocol ${id.protocol.toUpperCase()}`] : []),
    ...(isIpv6 ? ['ip_family inet6'] : []),
    `lb_algo ${scheduler}`,
    `lb_kind ${methods[forwarding]}`,
    ...schedulerFlags,
    ...(onePacket ? ['ops'] : []),
    ...(persistence === undefined
      ? []
      : [`persistence_timeout ${persistence.timeoutSeconds}`, ...(isWhole(persistence.mask) ? [] : [`persistence_granularity ${persistence.mask}`])]),
    ...(onFailure === 'drain' ? ['inhibit_on_failure'] : []),
    ...(fallback === undefined ? [] : [`sorry_server ${fallback.address} ${fallback.port}`, `sorry_server_lvs_method ${methods[fallback.forwarding ?? 'masq']}`]),
    ...(fallback?.idle === undefined ? [] : ['sorry_server_inhibit']),
    ...(quorum === undefined ? [] : [`quorum ${quorum.weight}`, `hysteresis ${quorum.hysteresis}`]),
    ...service.servers.flatMap((server) => serverLines(server, service)),
  ]) // biome-ignore format: a block, line by line
}

const isWhole = (mask: string): boolean => mask === '255.255.255.255' || mask === '128'

function serverLines(server: ServerSpec, { checks, forwarding }: ServiceSpec): string[] {
  if (server.kind !== 'address') return []
  const { address, port } = server.endpoint
  return block(`real_server ${address} ${port}`, [
    `weight ${server.weight}`,
    ...(server.forwarding === undefined || server.forwarding === forwarding ? [] : [`lvs_method ${methods[server.forwarding]}`]),
    ...(server.onFailure === undefined ? [] : [`inhibit_on_failure ${server.onFailure === 'drain'}`]),
    ...(server.upperThreshold === undefined ? [] : [`uthreshold ${server.upperThreshold}`]),
    ...(server.lowerThreshold === undefined ? [] : [`lthreshold ${server.lowerThreshold}`]),
    ...(server.checks ?? checks).flatMap(checkLines),
  ]) // biome-ignore format: a block, line by line
}
