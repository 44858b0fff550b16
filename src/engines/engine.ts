/** The Engine port: what moves connections from a virtual service to its real servers. */
import { InfraError } from '../errors.ts'
import {
  type Endpoint,
  type Forwarding,
  type Protocol,
  type RealServer,
  type SchedulerName,
  type Service,
  type ServiceId,
  serviceKey,
} from '../lvs/service.ts'

export type EngineName = 'userspace' | 'ebpf' | 'ipvs' | 'fake'

/** What an engine can carry, as data, so that a refusal can be said before anything is changed. */
export type EngineCapabilities = {
  readonly protocols: readonly Protocol[]
  readonly schedulers: readonly SchedulerName[]
  readonly forwarding: readonly Forwarding[]
  readonly fwmark: boolean
  readonly persistence: boolean
  readonly onePacket: boolean
  readonly thresholds: boolean
  readonly proxyProtocol: boolean
  readonly idleTimeout: boolean
}

export type EngineChange =
  | { readonly kind: 'service.add' | 'service.update'; readonly service: Service }
  | { readonly kind: 'service.remove'; readonly id: ServiceId }
  | { readonly kind: 'server.add' | 'server.update'; readonly id: ServiceId; readonly server: RealServer }
  | { readonly kind: 'server.remove'; readonly id: ServiceId; readonly server: Endpoint }

/** Why a change cannot be made, and what can: said before anything is applied. */
export type EngineRefusal = { readonly change: EngineChange; readonly reason: string; readonly hint?: string }

export type Counters = {
  readonly connections: number
  readonly packetsIn: number
  readonly packetsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

export type ServerSnapshot = {
  readonly server: RealServer
  /** Connections that carry traffic, and those that are closing or (UDP) have no state. */
  readonly active: number
  readonly inactive: number
  readonly counters: Counters
  /** Connections that went to another server because this one could not be reached. Only engines that connect know. */
  readonly connectFailures?: number
}

export type ServiceSnapshot = {
  readonly service: Service
  /** In scheduler order: the newest server first, as the kernel keeps them. */
  readonly servers: readonly ServerSnapshot[]
  readonly counters: Counters
}

export type ConnectionState = 'established' | 'syn-sent' | 'fin-wait' | 'closing' | 'udp'

export type Connection = {
  readonly protocol: Protocol
  readonly client: Endpoint
  readonly service: Endpoint
  readonly server: Endpoint
  readonly state: ConnectionState
  /** Until the entry goes away by itself. */
  readonly expiresSeconds: number
}

export type CallOptions = { readonly signal: AbortSignal }

export interface Engine extends AsyncDisposable {
  readonly name: EngineName
  readonly capabilities: EngineCapabilities
  /**
   * Applies all changes or none, in order. A service that is removed takes its servers along; its and a removed
   * server's established connections are left to finish. Adding what is there updates it, removing what is gone
   * succeeds, so that a repeated apply converges.
   * @throws InfraError `unsupported` when `refusals` would name a change; `busy`/`permission` when an address cannot
   * be taken (subject: the service key). Nothing is changed then.
   */
  apply(changes: readonly EngineChange[], options: CallOptions): Promise<void>
  /** All that is installed now, as read from the engine itself, services in the order in which they were added. */
  read(options: CallOptions): Promise<readonly ServiceSnapshot[]>
  /** The connections that stand now. Lazy: a million of them need no million objects at once. */
  connections(options: CallOptions): AsyncIterable<Connection>
}

/** The changes an engine cannot make, each with its reason; empty when it can make all of them. Pure. */
export function refusals(name: EngineName, can: EngineCapabilities, changes: readonly EngineChange[]): EngineRefusal[] {
  const found: EngineRefusal[] = []
  for (const change of changes) {
    const refuse = (reason: string, hint?: string): void => {
      found.push(hint === undefined ? { change, reason } : { change, reason, hint })
    }
    const packetEngines = 'the ebpf and ipvs engines can'
    if (change.kind === 'service.add' || change.kind === 'service.update') {
      const { service } = change
      const { id } = service
      if (id.kind === 'fwmark' && !can.fwmark) refuse(`the ${name} engine has no firewall-mark services`, packetEngines)
      if (id.kind === 'address' && !can.protocols.includes(id.protocol))
        refuse(`the ${name} engine does not carry ${id.protocol}`, packetEngines)
      if (!can.schedulers.includes(service.scheduler))
        refuse(`the ${name} engine has no scheduler ${service.scheduler}`, `it has ${can.schedulers.join(' ')}`)
      if (service.persistence !== undefined && !can.persistence)
        refuse(`the ${name} engine has no persistence`, packetEngines)
      if (service.onePacket && !can.onePacket) refuse(`the ${name} engine has no one-packet scheduling`, packetEngines)
      if (service.proxyProtocol !== undefined && !can.proxyProtocol)
        refuse(`the ${name} engine cannot speak the PROXY protocol`, 'the userspace engine can')
      if (service.proxyProtocol !== undefined && id.kind === 'address' && id.protocol !== 'tcp')
        refuse(`the PROXY protocol goes over tcp, not ${id.protocol}`)
      if (service.idleTimeoutSeconds !== undefined && !can.idleTimeout)
        refuse(`the ${name} engine has no idle timeout of its own`, 'the userspace engine has')
    }
    if (change.kind === 'server.add' || change.kind === 'server.update') {
      const { server } = change
      if (!can.forwarding.includes(server.forwarding))
        refuse(`the ${name} engine cannot forward by ${server.forwarding}`, packetEngines)
      if ((server.upperThreshold > 0 || server.lowerThreshold > 0) && !can.thresholds)
        refuse(`the ${name} engine has no connection thresholds`, packetEngines)
    }
  }
  return found
}

/** @throws InfraError `unsupported`, with all reasons, when the engine cannot make one of the changes. */
export function throwIfRefused(name: EngineName, can: EngineCapabilities, changes: readonly EngineChange[]): void {
  const [first, ...others] = refusals(name, can, changes)
  if (first === undefined) return
  const { change, hint } = first
  const subject = serviceKey('service' in change ? change.service.id : change.id)
  const reasons = [first, ...others].map(({ reason }) => reason).join('; ')
  throw new InfraError('unsupported', `${subject}: ${reasons}`, hint === undefined ? { subject } : { subject, hint })
}

/** @throws InfraError `cancelled` when the call's signal has been aborted. */
export function throwIfCancelled({ signal }: CallOptions, subject: string): void {
  if (signal.aborted) throw new InfraError('cancelled', `${subject}: cancelled`, { subject, cause: signal.reason })
}
