/** From a keepalived.conf to a spec that serves its virtual servers; whatever is not taken over is said with its line. Pure. */

import type { Diagnostic } from '../../cluster/spec/diagnostic.ts'
import type { ChosenEngine } from '../../cluster/spec/engine-check.ts'
import type { ClusterSpec, ServerSpec, ServiceSpec } from '../../cluster/spec/model.ts'
import { unheardServices } from '../../cluster/spec/unheard.ts'
import { sameData } from '../../difference.ts'
import type { Routers } from '../../formats/keepalived/instance-model.ts'
import type { KeepalivedFile, Method, Real, Virtual, VirtualAddress } from '../../formats/keepalived/model.ts'
import { checkerNames } from '../../formats/keepalived/tables/checks.ts'
import { allOf, type Entry, lastOf } from '../../formats/keepalived/tree.ts'
import { numberIn } from '../../formats/keepalived/virtuals.ts'
import type { CheckSpec } from '../../health/check.ts'
import { type Forwarding, familyOf, type SchedulerName, type ServiceId, schedulerNames } from '../../lvs/service.ts'
import { schedulerFlags, throughSpec } from '../ldirectord/convert.ts'
import { convertChecker } from './check.ts'
import { convertRouters, convertStanding } from './routers.ts'
import type { Say } from './say.ts'
import { convertSync, convertTimeouts } from './sync.ts'

export type Converted = {
  /** There if and only if no diagnostic is an error. */
  readonly spec: ClusterSpec | undefined
  readonly diagnostics: readonly Diagnostic[]
}

export type ConvertOptions = {
  readonly file: string
  readonly cluster: string
  readonly engine?: ChosenEngine
  /** Somebody does what is to be done beside a director: runs the commands that are told of changes. */
  readonly hasCompany?: boolean
}

export function convertKeepalived(
  parsed: KeepalivedFile,
  { file, cluster, engine, hasCompany = false }: ConvertOptions,
): Converted {
  const diagnostics: Diagnostic[] = parsed.findings.map(({ exit, place, message }) => ({
    severity: exit === 2 ? 'error' : 'warning',
    file: place?.file ?? file,
    line: place?.line ?? 1,
    column: 1,
    message,
  }))
  const say: Say = (severity, place, message) => {
    const diagnostic: Diagnostic = { severity, ...place, column: 1, message }
    if (!diagnostics.some((one) => sameData(one, diagnostic))) diagnostics.push(diagnostic)
  }
  reportOthers(parsed.entries, hasCompany, say)
  reportGroups(parsed.entries, say)
  const vrrp = convertRouters(parsed.routers, hasCompany, say)
  const standing = convertStanding(parsed.routers, say)
  const globals = lastOf(parsed.entries, 'global_defs')?.entries ?? []
  const sync = convertSync(globals, parsed.routers, say)
  const settings = convertTimeouts(globals, say)
  const services: Record<string, ServiceSpec> = {}
  for (const virtual of parsed.virtuals)
    for (const place of virtual.places) {
      const service = convertVirtual(virtual, place, { hasCompany, files: parsed.routers.files, say })
      const checked = throughSpec(service, virtual.place.line, engine, (severity, _, message) =>
        say(severity, virtual.place, message),
      )
      if (checked !== undefined) services[checked.name] = checked
    }
  const spec: ClusterSpec = {
    name: cluster,
    hosts: { local: { name: 'local', hypervisor: 'qemu' } },
    images: {},
    guests: {},
    services,
    directors: {
      hosts: ['local'],
      engine: 'auto',
      ...(settings === undefined ? {} : { settings }),
      ...(vrrp.length === 0 ? {} : { vrrp }),
      ...(standing === undefined ? {} : { standing }),
      ...(sync === undefined ? {} : { sync }),
    },
  }
  for (const { router, service, reason } of engine === undefined ? [] : unheardServices(spec, engine.name)) {
    const instance = parsed.routers.instances.find(({ name }) => name === router)
    const isWritten = instance !== undefined && lastOf(instance.entries, 'no_accept') !== undefined
    const cause = isWritten ? 'no_accept' : 'strict mode, and so no_accept,'
    say('error', instance?.place ?? { file, line: 1 }, `${cause} of ${router} does not go with ${service}: ${reason}`)
  }
  return { spec: diagnostics.some(({ severity }) => severity === 'error') ? undefined : spec, diagnostics }
}

function reportGroups(entries: readonly Entry[], say: Say): void {
  const groups = new Set(allOf(entries, 'virtual_server_group').map(({ words }) => words[0]))
  for (const { words, place } of allOf(entries, 'virtual_server')) {
    const [first, group = ''] = words
    if (first === 'group' && !groups.has(group))
      say('warning', place, `virtual server group ${group} is not configured: the virtual server is left out`)
  }
}

/** Blocks that are read where their contents are used. */
const blocks = new Set([
  'virtual_server',
  'virtual_server_group',
  'vrrp_instance',
  'vrrp_sync_group',
  'vrrp_script',
  'track_file',
  'vrrp_track_file',
  'vrrp_track_process',
  'static_ipaddress',
  'static_routes',
  'static_rules',
  'track_group',
])
/** Of global_defs: what routers take from there, and who runs commands. */
const carriedGlobals = new Set([
  'vrrp_version', 'vrrp_mcast_group4', 'vrrp_mcast_group6', 'vrrp_garp_master_delay', 'vrrp_garp_master_repeat',
  'vrrp_garp_master_refresh', 'vrrp_garp_master_refresh_repeat', 'vrrp_garp_lower_prio_delay',
  'vrrp_garp_lower_prio_repeat', 'vrrp_down_timer_adverts', 'vrrp_lower_prio_no_advert', 'vrrp_skip_check_adv_addr',
  'script_user', 'enable_script_security', 'default_interface', 'router_id', 'lvs_sync_daemon', 'lvs_timeouts',
  'vrrp_strict',
]) // biome-ignore format: a list to read at a glance

/** What is done beside a director (`duties/plan.ts`). */
const companyGlobals = new Set([
  'notify_fifo', 'notify_fifo_script', 'vrrp_notify_fifo', 'vrrp_notify_fifo_script', 'lvs_notify_fifo',
  'lvs_notify_fifo_script', 'notification_email', 'notification_email_from', 'smtp_server', 'smtp_alert',
  'smtp_alert_vrrp', 'smtp_alert_checker', 'rs_init_notifies', 'vrrp_notify_priority_changes',
]) // biome-ignore format: a list to read at a glance
const companyServers = new Set(['quorum_up', 'quorum_down', 'omega', 'notify_up', 'notify_down', 'smtp_alert'])

/** Everything outside the virtual servers and routers. */
function reportOthers(entries: readonly Entry[], hasCompany: boolean, say: Say): void {
  for (const { keyword, words, place, entries: inner } of entries) {
    if (blocks.has(keyword)) continue
    if (keyword !== 'global_defs') say('warning', place, `${[keyword, ...words].join(' ')} is not taken over`)
    else
      for (const one of inner)
        if (!carriedGlobals.has(one.keyword) && !(hasCompany && companyGlobals.has(one.keyword))) notTaken(one, say)
  }
}

function notTaken({ keyword, place }: Entry, say: Say): void {
  say('warning', place, `${keyword} is not taken over`)
}

const forwardings: Readonly<Record<Method['forward'], Forwarding>> = { NAT: 'masq', DR: 'direct', TUN: 'tunnel' }

/** What is read below, or by the checks. */
const carriedByVirtual = new Set([
  'lb_algo', 'lvs_sched', 'lb_kind', 'lvs_method', 'protocol', 'persistence_timeout', 'persistence_granularity', 'weight',
  'delay_loop', 'retry', 'warmup', 'connect_timeout', 'virtualhost', 'inhibit_on_failure', 'flag-1', 'flag-2', 'flag-3',
  'sh-port', 'sh-fallback', 'mh-port', 'mh-fallback', 'ops', 'sorry_server', 'sorry_server_lvs_method', 'real_server',
  'quorum', 'hysteresis', 'ip_family', 'delay_before_retry', 'alpha', 'sorry_server_inhibit',
]) // biome-ignore format: a list to read at a glance
const carriedByReal = new Set([
  'weight', 'uthreshold', 'lthreshold', 'lb_kind', 'lvs_method', 'inhibit_on_failure', 'delay_loop', 'retry', 'warmup',
  'connect_timeout', 'virtualhost', 'alpha', 'delay_before_retry', ...checkerNames,
]) // biome-ignore format: a list to read at a glance

type Around = Pick<Routers, 'files'> & { readonly hasCompany: boolean; readonly say: Say }

function convertVirtual(virtual: Virtual, at: VirtualAddress, { hasCompany, files, say }: Around): ServiceSpec {
  const check = (entries: readonly Entry[], carried: ReadonlySet<string>): void => {
    for (const entry of entries)
      if (!carried.has(entry.keyword) && !(hasCompany && companyServers.has(entry.keyword))) notTaken(entry, say)
  }
  check(virtual.entries, carriedByVirtual)
  for (const real of virtual.reals) check(real.entries, carriedByReal)
  const { quorum, hysteresis, persistence, sorry } = virtual
  const scheduler = schedulerNames.find((name) => name === virtual.scheduler.value) ?? 'wlc'
  const id = idOf(at, virtual)
  const isIpv6 = id.kind === 'fwmark' ? id.family === 'ipv6' : familyOf(id.address) === 'ipv6'
  const forwarding = forwardings[virtual.method.forward]
  const onFailure = virtual.reals.every(({ inhibit }) => inhibit) ? 'drain' : 'remove'
  const sorryForwarding = sorry?.method === undefined ? forwarding : forwardings[sorry.method.forward]
  return {
    name: nameOf(id),
    service: {
      id,
      scheduler,
      schedulerFlags: flagsOf(virtual, scheduler),
      ...(persistence === undefined
        ? {}
        : {
            persistence: {
              timeoutSeconds: persistence.timeoutSeconds,
              mask: persistence.mask ?? (isIpv6 ? '128' : '255.255.255.255'),
            },
          }),
      onePacket: virtual.onePacket,
    },
    forwarding,
    servers: virtual.reals.map((real) => serverOf(real, virtual, id, { forwarding, onFailure, files }, say)),
    checks: [],
    onFailure,
    ...(sorry === undefined
      ? {}
      : {
          fallback: {
            address: sorry.address,
            port: portOf(sorry.port, id, sorryForwarding),
            ...(sorryForwarding === 'masq' ? {} : { forwarding: sorryForwarding }),
            ...(sorry.inhibit ? { idle: 'drain' } : {}),
          },
          quorum: { weight: quorum, hysteresis },
        }),
  }
}

export type Id = Extract<ServiceId, { kind: 'address' | 'fwmark' }>

const protocols = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' } as const

export function idOf(at: VirtualAddress, { protocol, entries, reals }: Virtual): Id {
  if (at.kind === 'address')
    return { kind: 'address', protocol: protocols[protocol], address: at.address, port: at.port }
  const written = entries.findLast(({ keyword }) => keyword === 'ip_family')?.value
  const family =
    at.family ?? (written === undefined ? familyOf(reals[0]?.address ?? '') : written === 'inet6' ? 'ipv6' : 'ipv4')
  return { kind: 'fwmark', mark: at.mark, family }
}

/** As an ldirectord.cf's: `tcp-10-0-0-1-80`, `fwm-5`. */
export function nameOf(id: Id): string {
  if (id.kind === 'fwmark') return `fwm${id.family === 'ipv6' ? '6' : ''}-${id.mark}`
  return `${id.protocol}-${id.address.replaceAll(/[.:]/g, '-')}-${id.port}`
}

function flagsOf({ flags }: Virtual, scheduler: SchedulerName): readonly string[] {
  return schedulerFlags(flags.filter((flag) => flag !== 'hashed').join(','), scheduler)
}

/** Packets that are not rewritten keep their port. */
export function portOf(written: number, id: Id, forwarding: Forwarding): number {
  if (id.kind !== 'address') return written
  return written === 0 || forwarding !== 'masq' ? id.port : written
}

/** What is said once for all servers of a service. */
type Common = Pick<ServiceSpec, 'forwarding' | 'onFailure'> & Pick<Routers, 'files'>

function serverOf(real: Real, virtual: Virtual, id: Id, common: Common, say: Say): ServerSpec {
  const onFailure = real.inhibit ? 'drain' : 'remove'
  const method = real.method ?? virtual.method
  const forwarding = forwardings[method.forward]
  const upperThreshold = numberIn(real.entries, 'uthreshold', 0)
  const lowerThreshold = numberIn(real.entries, 'lthreshold', 0)
  const checks: readonly CheckSpec[] = real.checkers.flatMap((checker) =>
    convertChecker({ checker, real, virtual, files: common.files }, say),
  )
  const { tunnel } = method
  return {
    kind: 'address',
    endpoint: { address: real.address, port: portOf(real.port, id, forwarding) },
    weight: real.weight,
    ...(upperThreshold > 0 ? { upperThreshold } : {}),
    ...(lowerThreshold > 0 ? { lowerThreshold } : {}),
    ...(forwarding === common.forwarding ? {} : { forwarding }),
    ...(onFailure === common.onFailure ? {} : { onFailure }),
    ...(tunnel === undefined ? {} : { tunnel: tunnelOf(tunnel) }),
    ...(checks.length === 0 ? {} : { checks }),
  }
}

function tunnelOf({ type, port = 0, checksum }: NonNullable<Method['tunnel']>): NonNullable<ServerSpec['tunnel']> {
  if (type === 'gue') return { type, port, checksum }
  return type === 'gre' ? { type, checksum: checksum === 'csum' ? 'csum' : 'nocsum' } : { type: 'ipip' }
}
