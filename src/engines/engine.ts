/** The Engine port: what moves connections from a virtual service to its real servers. */
import { InfraError } from '../errors.ts'
import type { Application } from '../lvs/application.ts'
import type { ConnectionState } from '../lvs/connection-state.ts'
import type { SyncDaemon, SyncRole } from '../lvs/edit.ts'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import type {
  Endpoint,
  Forwarding,
  Persistence,
  Protocol,
  RealServer,
  SchedulerName,
  Service,
  ServiceId,
  Tunnel,
} from '../lvs/service.ts'
import type { Settings, SettingsChange, SysctlName } from '../lvs/settings.ts'
import type { SyncStatus } from '../lvs/sync-daemon.ts'
import type { TellingRules } from '../lvs/telling.ts'
import type { SeenFrame } from '../wire/balanced-packet.ts'

export type EngineName = 'userspace' | 'ebpf' | 'ipvs' | 'fake'

/** What an engine can carry, as data, so that a refusal can be said before anything is changed. */
export type EngineCapabilities = {
  readonly protocols: readonly Protocol[]
  readonly schedulers: readonly SchedulerName[]
  readonly forwarding: readonly Forwarding[]
  /** How it wraps packets for servers of forwarding `tunnel`. */
  readonly tunnels: readonly Tunnel['type'][]
  /** Whether what wraps them can bear checksums (ipvsadm --tun-csum, --tun-remcsum). */
  readonly tunnelChecksums: boolean
  /** Whether real servers may be of another family than their service: all of them, or those of tunnels. */
  readonly mixedFamilies: 'all' | 'tunnel'
  readonly fwmark: boolean
  readonly persistence: boolean
  /** What else than its address it can tell a client by. */
  readonly persistenceEngines: readonly NonNullable<Persistence['engine']>[]
  /** Services on all ports of their address. */
  readonly anyPort: boolean
  readonly onePacket: boolean
  readonly thresholds: boolean
  readonly proxyProtocol: boolean
  readonly idleTimeout: boolean
  /** What it can read before it chooses a server. */
  readonly applications: readonly Application['kind'][]
  /** DNS-based services. */
  readonly dns: boolean
  /** Runs synchronisation daemons itself, by `daemon.start`. */
  readonly syncDaemon: boolean
  /** Its daemons can be given a key, and rules of their own: they are Baton's. */
  readonly syncSeals: boolean
  readonly porting: PortingCapabilities
  /** The sysctls that it heeds; the others cannot be changed from their defaults. */
  readonly sysctls: readonly SysctlName[]
}

/** Which of its connections an engine can hand to another director, or take over from one. */
export type Portion = 'all' | 'templates' | 'none'

export type PortingCapabilities = {
  /** What stands, when asked for. */
  readonly exports: Portion
  /** What has changed, without being asked. */
  readonly changes: Portion
  readonly imports: Portion
  /** Why not all, in words, and what there is instead. */
  readonly limit?: string
}

export type TableChange =
  | { readonly kind: 'service.add' | 'service.update'; readonly service: Service }
  | { readonly kind: 'service.remove'; readonly id: ServiceId }
  | { readonly kind: 'server.add' | 'server.update'; readonly id: ServiceId; readonly server: RealServer }
  | { readonly kind: 'server.remove'; readonly id: ServiceId; readonly server: Endpoint }

export type EngineChange =
  | TableChange
  | { readonly kind: 'settings'; readonly settings: SettingsChange }
  | { readonly kind: 'daemon.start'; readonly daemon: SyncDaemon }
  | { readonly kind: 'daemon.stop'; readonly role: SyncRole }

export type Counters = {
  readonly connections: number
  readonly packetsIn: number
  readonly packetsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Per second, averaged as the kernel's estimator does: over about 8 s, anew every 2 s. */
export type Rates = { readonly [Name in keyof Counters]: number }

export type ServerSnapshot = {
  readonly server: RealServer
  /** Connections that carry traffic, and those that are closing or (UDP) have no state. */
  readonly active: number
  readonly inactive: number
  /** Persistence templates that lead here. */
  readonly persistent: number
  readonly counters: Counters
  readonly rates: Rates
  /** Connections that went to another server because this one could not be reached. Only engines that connect know. */
  readonly connectFailures?: number
}

export type ServiceSnapshot = {
  readonly service: Service
  /** In scheduler order: the newest server first, as the kernel keeps them. */
  readonly servers: readonly ServerSnapshot[]
  readonly counters: Counters
  readonly rates: Rates
}

export type Connection = {
  /** `ip`: a persistence template of a firewall mark. */
  readonly protocol: Protocol | 'ip'
  readonly client: Endpoint
  readonly service: Endpoint
  readonly server: Endpoint
  readonly state: ConnectionState
  /** Until the entry goes away by itself. */
  readonly expiresSeconds: number
  /** Of a persistence template: what its persistence engine tells clients apart by. */
  readonly persistenceData?: { readonly engine: 'sip'; readonly data: string }
}

/** What backups are to be told. */
export type ChangedConnections = {
  readonly connections: readonly PortableConnection[]
  /** How many more were not told since the last ones, as whoever listens was too slow for them. */
  readonly dropped: number
}

/** What became of connections that were taken over. */
export type TakenConnections = {
  readonly taken: number
  /** They stood here already. */
  readonly updated: number
  /** Of a service or a real server that is not here (yet): they are bound to it when they are told of again, or when it comes. */
  readonly waiting: number
  /** How many were left aside, by reason. */
  readonly refused: Readonly<Record<string, number>>
}

/** A client's packet that is not sent: where would it go? */
export type TraceQuestion = {
  readonly protocol: 'tcp' | 'udp'
  readonly client: Endpoint
  readonly service: Endpoint
  /** By which it would come in; left out, the one that leads to the client. */
  readonly interface?: string
}

export type TraceAnswer = {
  readonly interface: string
  /** `new`: it would begin a connection. */
  readonly connection: 'new' | 'established' | 'none'
  /** What would become of it. `answered`: the sender is told that it cannot go on. */
  readonly verdict: 'sent' | 'passed' | 'dropped' | 'answered'
  /** Why, in words. */
  readonly reason: string
  readonly service?: { readonly id: ServiceId; readonly scheduler: SchedulerName | 'none' }
  readonly server?: Endpoint & { readonly forwarding: Forwarding; readonly weight: number }
  readonly before: SeenFrame
  readonly after: SeenFrame
}

/** What holds for the whole engine. */
export type EngineInfo = {
  readonly settings: Settings
  /** Master first. */
  readonly daemons: readonly SyncDaemon[]
  /** Buckets of the connection table, as ipvsadm prints it. */
  readonly tableSize: number
}

/** What an engine tells without being asked. A trouble stands until the same subject is said to be well. */
export type EngineReport = {
  readonly kind: 'trouble' | 'well' | 'fault'
  /** What it is about: a service's key, or a part of the engine. */
  readonly subject: string
  readonly message: string
}

export type CallOptions = { readonly signal: AbortSignal }

export type FollowOptions = CallOptions & { readonly rules: TellingRules }

/** `only`: of a large table just these services, where they exist. */
export type ReadOptions = CallOptions & { readonly only?: readonly ServiceId[] }

export interface Engine extends AsyncDisposable {
  readonly name: EngineName
  readonly capabilities: EngineCapabilities
  /** Its table outlives every process, and others may have services in it: a director takes away only its own. */
  readonly isShared?: true
  /**
   * Applies all changes or none, in order. A service that is removed takes its servers along; its and a removed
   * server's established connections are left to finish. Adding what is there updates it, removing what is gone
   * succeeds, so that a repeated apply converges.
   * @throws InfraError `unsupported` when `refusals` would name a change; `busy`/`permission` when an address cannot
   * be taken (subject: the service key). Nothing is changed then.
   */
  apply(changes: readonly EngineChange[], options: CallOptions): Promise<void>
  /** All that is installed now, as read from the engine itself, services in the order in which they were added. */
  read(options: ReadOptions): Promise<readonly ServiceSnapshot[]>
  info(options: CallOptions): Promise<EngineInfo>
  /** Begins the counters and rates anew: of a service and its servers, or of all. Succeeds when there is no such service. */
  zero(id: ServiceId | undefined, options: CallOptions): Promise<void>
  /** The connections that stand now. Lazy: a million of them need no million objects at once. */
  connections(options: CallOptions): AsyncIterable<Connection>
  /**
   * What stands now, as another director can go on with it, in batches, templates first; of TCP only what has been
   * established. What is not of `capabilities.porting.exports` is left out.
   */
  exportConnections(options: CallOptions): AsyncIterable<readonly PortableConnection[]>
  /**
   * From this call on what backups are to be told, in batches, until the signal is aborted or the engine ends. What stood
   * before may be told, too. Nothing comes twice in a batch.
   * @throws InfraError `unsupported` where `capabilities.porting.changes` is `none`.
   */
  changedConnections(options: FollowOptions): AsyncIterable<ChangedConnections>
  /**
   * Puts connections of another director among its own; those that stand are brought up to date, so that it may be told
   * the same again. As with the kernel's backup daemon they are bound to this director's own service and real server,
   * whose forwarding they take, and statistics do not count them.
   * @throws InfraError `unsupported` where `capabilities.porting.imports` is `none`.
   */
  takeConnections(connections: readonly PortableConnection[], options: CallOptions): Promise<TakenConnections>
  /** How its synchronisation daemons do; left out where they are the kernel's. */
  synchronisation?(options: CallOptions): Promise<readonly SyncStatus[]>
  /** Only engines that look at packets can say. Nothing is sent, and nothing changes. @throws InfraError */
  trace?(question: TraceQuestion, options: CallOptions): Promise<TraceAnswer>
  /** Ends this side only, traffic goes on as it is. Engines that traffic passes through do not have it. */
  release?(): Promise<void>
}

export function isTableChange(change: EngineChange): change is TableChange {
  return change.kind !== 'settings' && change.kind !== 'daemon.start' && change.kind !== 'daemon.stop'
}

/** The service that a change is about. */
export function changedService(change: TableChange): ServiceId {
  return 'service' in change ? change.service.id : change.id
}

/** @throws InfraError `cancelled` when the call's signal has been aborted. */
export function throwIfCancelled({ signal }: CallOptions, subject: string): void {
  if (signal.aborted) throw new InfraError('cancelled', `${subject}: cancelled`, { subject, cause: signal.reason })
}

export const noCounters: Counters = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }
