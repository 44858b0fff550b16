/** What one asks of a director: the same interface in its process and over its control socket. */
import type { EbpfTuning } from '../engines/ebpf/tuning.ts'
import type {
  Connection,
  Counters,
  EngineCapabilities,
  EngineInfo,
  EngineName,
  ServiceSnapshot,
  TraceAnswer,
  TraceQuestion,
} from '../engines/engine.ts'
import type { CheckSpec, ProbeKind } from '../health/check.ts'
import type { EditResult, Synchronisation, TableEdit } from '../lvs/edit.ts'
import type { Endpoint, Forwarding, Protocol, RealServer, Service, ServiceId } from '../lvs/service.ts'
import type { SettingsChange } from '../lvs/settings.ts'
import type { SyncStatus } from '../lvs/sync-daemon.ts'
import type { VrrpSpec } from '../vrrp/spec.ts'
import type { RouterStatus } from '../vrrp/status.ts'
import type { DirectorEvent } from './events.ts'
import type { DrainTarget, Health, ServiceState } from './states.ts'

export type OnFailure = 'drain' | 'remove'

export type WantedServer = RealServer & {
  /** The guest that this server is, and the port inside it; undefined for a plain address. */
  readonly guest?: string
  readonly guestPort?: number
  /** Where a port of its guest is reached by checks, by that port, when it is reached elsewhere: behind forwarded ports. */
  readonly checkPorts?: Readonly<Record<string, number>>
  /** Where this guest was before its address changed: it gets nothing new, and goes once its connections have. */
  readonly formerly?: string
  /** In place of the service's checks; an empty list: it is not checked. */
  readonly checks?: readonly CheckSpec[]
  /** In place of the service's. */
  readonly onFailure?: OnFailure
}

/** `forwarding`: masq when left out. `idle`: while it is not needed it stands in the table with weight 0. */
export type Fallback = Endpoint & { readonly forwarding?: Forwarding; readonly idle?: 'drain' }

/** The weight of usable servers that is enough; `hysteresis`: so much more to gain it, so much less to lose it. */
export type Quorum = { readonly weight: number; readonly hysteresis: number }

/** A named service of a cluster, with everything that keeps it right. */
export type WantedService = {
  readonly name: string
  readonly service: Service
  readonly servers: readonly WantedServer[]
  /** All must pass; none: its servers are not checked. */
  readonly checks: readonly CheckSpec[]
  /** What becomes of a server whose check fails: weight 0 (`drain`) or out of the table (`remove`). */
  readonly onFailure: OnFailure
  /** Takes the connections when no server is usable, or too few of them for the quorum. */
  readonly fallback?: Fallback
  /** With less than this the servers leave all connections to the fallback, as if each had failed. */
  readonly quorum?: Quorum
  /** A shell command, run with `start` when no server is usable any more, with `stop` when one is; then address:port and protocol. */
  readonly fallbackCommand?: string
  /** With a smaller share of usable servers than this, in percent, all get connections: better some errors than all on a few. */
  readonly panicPercent?: number
  /** A server that comes back gets its weight little by little over this time. */
  readonly slowStartMs?: number
}

/** When a guest whose checks fail is started anew: ever more slowly, and not for ever. */
export type RestartPolicy = {
  /** For how long its checks have to fail. */
  readonly afterMs: number
  /** The least time between two restarts; twice as long after each. */
  readonly backOffMs: number
  /** So many restarts within this time, then it is left to people. */
  readonly limit: number
  readonly withinMs: number
}

/** What is done about a pool's guests beside serving them. */
export type GuestCare = {
  readonly pool: string
  readonly guests: readonly string[]
  /** How long connections may take to finish before one of them goes. */
  readonly drainMs?: number
  readonly restart?: RestartPolicy
}

export type ClusterServices = {
  readonly cluster: string
  readonly services: readonly WantedService[]
  readonly guests?: readonly GuestCare[]
  /** Of the whole director; two clusters may not ask for different values. */
  readonly settings?: SettingsChange
  /** A directory: a server that a file in it names is in maintenance. */
  readonly maintenance?: string
  /** Who is told of this cluster's events. */
  readonly notify?: readonly NotifySink[]
  /** Where Prometheus finds /metrics over TCP, of the whole director; on the control socket it always does. */
  readonly metrics?: Endpoint
  /** Virtual routers: addresses that go to another director when this one fails. */
  readonly vrrp?: VrrpSpec
  /** Connections are synchronised with other directors'. */
  readonly sync?: Synchronisation
}

/** Which events: all when left out. A webhook gets each as the JSON of an `EventRecord` by POST, a command on its standard input. */
export type NotifySink = { readonly events?: readonly DirectorEvent['kind'][] } & (
  | { readonly kind: 'command'; readonly argv: readonly string[] }
  | { readonly kind: 'webhook'; readonly url: string; readonly headers?: Readonly<Record<string, string>> }
)

/** An event as it is told to others: numbered from 1 in a daemon's life, with the wall time. */
export type EventRecord = { readonly id: number; readonly at: string; readonly event: DirectorEvent }

export type EventQuery = CallOptions & {
  /** Those after this one first, as far as they are still kept; left out, only what comes. */
  readonly after?: number
  /** Only what concerns this cluster. */
  readonly cluster?: string
  /** Also each result of each check: many, and none of them kept. */
  readonly results?: boolean
  /** `false`: ends after those that are kept. */
  readonly follow?: boolean
}

/** One check of a server: where it probes, and what it says. */
export type CheckStatus = {
  readonly kind: ProbeKind
  readonly address: string
  readonly port: number
  readonly health: Health
  readonly detail: string
}

export type ServerStatus = {
  readonly address: string
  readonly port: number
  readonly guest?: string
  readonly forwarding: RealServer['forwarding']
  /** As wanted, and as it stands in the engine now (0 while drained or failed; undefined when out of the table). */
  readonly wantedWeight: number
  readonly weight: number | undefined
  readonly health: Health
  /** What the last probe said; of several checks, the one that speaks against the server. */
  readonly detail: string
  /** What each of its checks says. */
  readonly checks: readonly CheckStatus[]
  /** Why it stands in the table as it does, or does not: its health, its agent, a drain, a slow start, panic. */
  readonly reason: string
  /** Set by hand with `drain`. */
  readonly drained: boolean
  readonly active: number
  readonly inactive: number
  readonly connections: number
  readonly counters: Counters
  /** Connections that went to another server because this one could not be reached; only engines that connect know. */
  readonly connectFailures?: number
  /** Until its certificate ends; of several the first. */
  readonly certificateDays?: number
  readonly fallback: boolean
}

export type ServiceStatus = {
  /** The cluster that wants it; undefined for a service made by hand. */
  readonly cluster?: string
  readonly name: string
  readonly service: Service
  /** Who takes its connections; undefined for a service made by hand. */
  readonly state?: ServiceState
  readonly counters: Counters
  readonly servers: readonly ServerStatus[]
}

export type DirectorStatus = {
  readonly version: string
  readonly pid: number
  readonly startedAt: string
  readonly engine: EngineName
  /** Why this one, where `auto` has chosen it. */
  readonly engineReason?: string
  /** What the ebpf engine was told when it began; undefined when nothing. */
  readonly ebpf?: EbpfTuning
  readonly capabilities: EngineCapabilities
  /** How often the supervisor had to start it again. */
  readonly restarts: number
  readonly clusters: readonly ClusterServices[]
  readonly services: readonly ServiceStatus[]
  readonly routers: readonly RouterStatus[]
  /** The daemons that synchronise connections, master first. */
  readonly sync: readonly SyncStatus[]
  /** Changes that the engine refused or could not make, in words; retried until they stand. */
  readonly problems: readonly string[]
}

/** Where a port of a guest is reached; without a protocol for all of them. */
export type ServerReach = Endpoint & { readonly guestPort: number; readonly protocol?: Protocol }

/** The table as the engine holds it: what ipvsadm lists. */
export type TableView = { readonly services: readonly ServiceSnapshot[]; readonly info: EngineInfo }

/** `router`: its name, or its group's. */
export type HandOver = { readonly router?: string; readonly back?: boolean }

export type CallOptions = { readonly signal: AbortSignal }

export type StopRequest = { readonly keep?: boolean }

export interface DirectorControl {
  status(options: CallOptions): Promise<DirectorStatus>
  /**
   * Makes these the services of the cluster; others' and hand-made ones are not touched. Resolves when the engine has
   * them and the intent is on disk. @throws InfraError `invalid`/`unsupported` with every reason, `busy`/`permission`
   * when the engine cannot take an address; nothing is changed then.
   */
  putCluster(wanted: ClusterServices, options: CallOptions): Promise<void>
  /** Succeeds when there is none. */
  removeCluster(cluster: string, options: CallOptions): Promise<void>
  /** Resolves to the number of servers that match now; a drain is kept for servers that come later, too. */
  drain(target: DrainTarget, options: CallOptions): Promise<number>
  undrain(target: DrainTarget, options: CallOptions): Promise<number>
  /** A guest is reached elsewhere now (it was started again): moves its servers there. They must prove healthy anew. */
  moveGuest(guest: string, reach: readonly ServerReach[], options: CallOptions): Promise<void>
  /** Those that stand now, in batches: nobody has to hold a million of them at once. */
  connections(options: CallOptions): AsyncIterable<readonly Connection[]>
  /**
   * Edits by hand, in order, each answered by itself as the kernel answers; one that fails does not stop the others. What
   * is made by hand lives beside the clusters' services: no reload touches it, and it touches nothing of theirs (`EPERM`,
   * naming the owner; `flush` passes over them), but for counters: `zero` begins everybody's anew. Timeouts set by hand go
   * before those of clusters, each by itself. All of it outlives a crash of the daemon, and ends with its orderly stop.
   */
  edit(edits: readonly TableEdit[], options: CallOptions): Promise<readonly EditResult[]>
  /** `only`: of a large table just these services, where they exist. */
  table(options: CallOptions & { readonly only?: readonly ServiceId[] }): Promise<TableView>
  /** Where a client's packet would go, and why. Nothing is sent, and nothing changes. @throws InfraError `unsupported` where the engine has no packets. */
  trace(question: TraceQuestion, options: CallOptions): Promise<TraceAnswer>
  /** The service's probe, run once now, for every server. */
  checkNow(id: ServiceId, options: CallOptions): Promise<void>
  /**
   * What happens, as it happens, beginning when it is first asked for. Ends when the signal aborts, and with the director;
   * over its socket a director that has gone is `unreachable`. Who takes them too slowly loses the oldest, and is told so.
   */
  events(query: EventQuery): AsyncIterable<EventRecord>
  /**
   * Leaves the addresses of virtual routers to another director until they are taken `back`; `router` left out, of all.
   * Resolves to the number of routers that are meant. @throws InfraError `not-found` when there is none.
   */
  handOver(order: HandOver, options: CallOptions): Promise<number>
  /**
   * Ends the daemon and its supervisor; with `keep` traffic goes on as it is, unattended, until the next one takes it up.
   * @throws InfraError `unsupported` where the engine cannot do that; nothing ends then.
   */
  stop(options: CallOptions & StopRequest): Promise<void>
}
