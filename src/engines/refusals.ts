/** What an engine cannot do, said before anything is changed. Pure. */
import { InfraError } from '../errors.ts'
import type { SyncDaemon } from '../lvs/edit.ts'
import { isMixedFamily } from '../lvs/edit-rules.ts'
import { type Service, serviceKey, type Tunnel } from '../lvs/service.ts'
import { defaultSysctls, isSysctlValue, type SysctlName } from '../lvs/settings.ts'
import type { EngineCapabilities, EngineChange, EngineName } from './engine.ts'

/** Why a change cannot be made, and what can make it. */
export type EngineRefusal = { readonly change: EngineChange; readonly reason: string; readonly hint?: string }

type Reason = { readonly reason: string; readonly hint?: string }
type ServiceChange = Extract<EngineChange, { readonly kind: 'service.add' | 'service.update' }>
type ServerChange = Extract<EngineChange, { readonly kind: 'server.add' | 'server.update' }>
type SettingsEngineChange = Extract<EngineChange, { readonly kind: 'settings' }>

const packetEngines = 'the ebpf and ipvs engines can'
const kernelEngine = 'the ipvs engine can'

/** The changes an engine cannot make, each with its reason; empty when it can make all of them. */
export function refusals(name: EngineName, can: EngineCapabilities, changes: readonly EngineChange[]): EngineRefusal[] {
  const services = new Map<string, Service>()
  return changes.flatMap((change): EngineRefusal[] => {
    const because = (reasons: readonly Reason[]): EngineRefusal[] => reasons.map((reason) => ({ change, ...reason }))
    switch (change.kind) {
      case 'service.add':
      case 'service.update':
        services.set(serviceKey(change.service.id), change.service)
        return because(serviceReasons(name, can, change))
      case 'server.add':
      case 'server.update':
        return because(serverReasons(name, can, change, services.get(serviceKey(change.id))))
      case 'settings':
        return because(settingsReasons(name, can, change))
      case 'daemon.start':
        return because(daemonReasons(name, can, change.daemon))
      case 'service.remove':
      case 'server.remove':
      case 'daemon.stop':
        return []
    }
  })
}

function daemonReasons(name: EngineName, can: EngineCapabilities, { keyFile, rules }: SyncDaemon): Reason[] {
  if (!can.syncDaemon) {
    const { limit } = can.porting
    const reason = `the ${name} engine does not synchronise connections`
    return [{ reason: limit === undefined ? reason : `${reason}: ${limit}` }]
  }
  if (can.syncSeals) return []
  const kernels = 'the daemon is the kernel’s own'
  return [
    ...(keyFile === undefined ? [] : [{ reason: `${kernels}, whose protocol has no keys`, hint: 'leave the key out' }]),
    ...(rules === undefined
      ? []
      : [
          {
            reason: `${kernels}, with rules of its own`,
            hint: 'set sysctls net.ipv4.vs.sync_threshold, sync_refresh_period … instead',
          },
        ]),
  ]
}

function serviceReasons(name: EngineName, can: EngineCapabilities, { service }: ServiceChange): Reason[] {
  const { id, scheduler } = service
  const reasons: Reason[] = []
  const refuse = (refused: boolean, reason: string, hint?: string): void => {
    if (refused) reasons.push(hint === undefined ? { reason } : { reason, hint })
  }
  const isTcp = id.kind === 'address' && id.protocol === 'tcp'
  refuse(id.kind === 'fwmark' && !can.fwmark, `the ${name} engine has no firewall-mark services`, kernelEngine)
  if (id.kind === 'address') {
    refuse(!can.protocols.includes(id.protocol), `the ${name} engine does not carry ${id.protocol}`, kernelEngine)
    refuse(id.port === 0 && !can.anyPort, `the ${name} engine needs a port, not 0`, kernelEngine)
  }
  refuse(id.kind === 'dns' && !can.dns, `the ${name} engine has no DNS-based services`)
  refuse(
    scheduler !== 'none' && !can.schedulers.includes(scheduler),
    `the ${name} engine has no scheduler ${scheduler}`,
    `it has ${can.schedulers.join(' ')}`,
  )
  if (service.application !== undefined) {
    const { kind } = service.application
    refuse(!isTcp, `${kind} goes over tcp and needs an address`)
    refuse(!can.applications.includes(kind), `the ${name} engine does not read ${kind}`)
  }
  if (service.persistence !== undefined) {
    refuse(!can.persistence, `the ${name} engine has no persistence`, 'the userspace and ipvs engines can')
    const { engine } = service.persistence
    if (engine !== undefined && can.persistence)
      refuse(
        !can.persistenceEngines.includes(engine),
        `the ${name} engine tells clients by their addresses only, not by ${engine}`,
        'the userspace and ipvs engines can',
      )
    refuse(id.kind === 'dns', 'a DNS-based service has no persistence: its clients keep the answer')
  }
  refuse(
    service.onePacket && !can.onePacket,
    `the ${name} engine has no one-packet scheduling`,
    'the userspace and ipvs engines can',
  )
  if (service.proxyProtocol !== undefined) {
    refuse(!can.proxyProtocol, `the ${name} engine cannot speak the PROXY protocol`, 'the userspace engine can')
    refuse(
      id.kind === 'address' && !isTcp,
      `the PROXY protocol goes over tcp, not ${id.kind === 'address' ? id.protocol : id.kind}`,
    )
  }
  refuse(
    service.idleTimeoutSeconds !== undefined && !can.idleTimeout,
    `the ${name} engine has no idle timeout of its own`,
    'the userspace engine has',
  )
  return reasons
}

/** Content is read in userspace, whatever the engine: its servers are connected to. */
function serverReasons(
  name: EngineName,
  can: EngineCapabilities,
  { id, server }: ServerChange,
  service: Service | undefined,
): Reason[] {
  const reasons: Reason[] = []
  const { forwarding } = server
  const isRead = id.kind === 'pool' || service?.application !== undefined
  if (isRead && forwarding !== 'masq' && forwarding !== 'local')
    reasons.push({ reason: `what is read cannot be forwarded by ${forwarding}`, hint: 'say forwarding: masq' })
  else if (id.kind !== 'dns' && !can.forwarding.includes(forwarding))
    reasons.push({ reason: `the ${name} engine cannot forward by ${forwarding}`, hint: packetEngines })
  if (forwarding === 'tunnel' && can.forwarding.includes('tunnel'))
    reasons.push(...tunnelReasons(name, can, server.tunnel ?? { type: 'ipip' }))
  if (can.mixedFamilies === 'tunnel' && forwarding !== 'tunnel' && isMixedFamily(id, server))
    reasons.push({
      reason: `the ${name} engine cannot forward to another address family by ${forwarding}`,
      hint: 'say forwarding: tunnel',
    })
  if (server.upperThreshold > 0 || server.lowerThreshold > 0) {
    if (id.kind === 'dns')
      reasons.push({ reason: 'a DNS-based service sees no connections: it cannot keep to thresholds' })
    else if (!can.thresholds)
      reasons.push({ reason: `the ${name} engine has no connection thresholds`, hint: packetEngines })
  }
  return reasons
}

function tunnelReasons(name: EngineName, can: EngineCapabilities, tunnel: Tunnel): Reason[] {
  const { type } = tunnel
  if (!can.tunnels.includes(type))
    return [{ reason: `the ${name} engine has no ${type} tunnels`, hint: `it has ${can.tunnels.join(' ')}` }]
  if (type === 'ipip' || tunnel.checksum === 'nocsum' || can.tunnelChecksums) return []
  return [
    {
      reason: `the ${name} engine has no checksums in ${type} tunnels, as ${tunnel.checksum} asks`,
      hint: 'say nocsum: what is inside keeps its own checksum',
    },
  ]
}

function settingsReasons(name: EngineName, can: EngineCapabilities, { settings }: SettingsEngineChange): Reason[] {
  return Object.entries(settings.sysctls ?? {}).flatMap(([key, value]): Reason[] => {
    const sysctl = key as SysctlName
    if (!isSysctlValue(sysctl, value)) return [{ reason: `${sysctl} cannot be ${value}` }]
    if (can.sysctls.includes(sysctl) || value === defaultSysctls[sysctl]) return []
    return [
      { reason: `the ${name} engine does not heed ${sysctl}`, hint: `it heeds ${can.sysctls.join(' ') || 'none'}` },
    ]
  })
}

/** @throws InfraError `unsupported`, with all reasons, when the engine cannot make one of the changes. */
export function throwIfRefused(name: EngineName, can: EngineCapabilities, changes: readonly EngineChange[]): void {
  const [first, ...others] = refusals(name, can, changes)
  if (first === undefined) return
  const { hint } = first
  const subject = subjectOf(first.change)
  const reasons = [first, ...others].map(({ reason }) => reason).join('; ')
  throw new InfraError('unsupported', `${subject}: ${reasons}`, hint === undefined ? { subject } : { subject, hint })
}

/** What a change is about: a service's key, or the engine as a whole. */
export function subjectOf(change: EngineChange): string {
  if ('service' in change) return serviceKey(change.service.id)
  return 'id' in change ? serviceKey(change.id) : 'engine'
}
