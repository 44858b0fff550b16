/** What `baton status` says, as JSON: the hypervisors' guests joined with the director's services. Pure. */
import type { CheckStatus, DirectorStatus, ServerStatus, ServiceStatus } from '../../director/control.ts'
import type { Health, ServiceState } from '../../director/states.ts'
import type { Counters, EngineName } from '../../engines/engine.ts'
import type { GuestReach, GuestRunState, GuestState, HypervisorName } from '../../guests/hypervisor.ts'
import type { Application } from '../../lvs/application.ts'
import type { SyncRole } from '../../lvs/edit.ts'
import {
  type Forwarding,
  formatEndpoint,
  type Persistence,
  type Protocol,
  type Service,
  type ServiceId,
  serviceKey,
} from '../../lvs/service.ts'
import type { SyncCounts, SyncStatus } from '../../lvs/sync-daemon.ts'
import type { RouterStatus } from '../../vrrp/status.ts'

export type GuestJson = {
  readonly name: string
  readonly host: string
  readonly hypervisor: HypervisorName
  readonly state: GuestRunState
  /**
   * A guest on a bridge: its own address. On a user network: where its first forwarded port is reached, as
   * `127.0.0.1:40001`. null while there is neither.
   */
  readonly address: string | null
  readonly cluster: string | null
  readonly pool: string | null
  readonly memoryBytes: number
  readonly vcpus: number
  readonly image: string
  readonly acceleration: string | null
  readonly processId: number | null
  readonly reach: readonly GuestReach[]
}

export type ServerJson = {
  readonly address: string
  readonly guest: string | null
  readonly forwarding: Forwarding
  /** As it stands in the engine now: 0 while drained or failed. */
  readonly weight: number
  readonly wantedWeight: number
  /** false while it is out of the engine's table: `on-failure: remove`, or a fallback that is not needed. */
  readonly inTable: boolean
  readonly health: Health
  readonly detail: string
  /** What each of its checks says. */
  readonly checks: readonly CheckStatus[]
  /** Why its weight is what it is. */
  readonly reason: string
  readonly drained: boolean
  readonly fallback: boolean
  readonly active: number
  readonly inactive: number
  /** Since the director started, all connections that went to it. */
  readonly connections: number
  readonly counters: Counters
}

export type ServiceJson = {
  readonly name: string
  readonly cluster: string | null
  readonly kind: ServiceId['kind']
  readonly protocol: Protocol | null
  /** `127.0.0.1:80` (of a DNS-based service: where it is asked), `fwmark 5 ipv4`, or `pool api`. */
  readonly address: string
  /** What a DNS-based service is asked for. */
  readonly dnsName: string | null
  /** What is read before a server is chosen, and by how many rules. */
  readonly application: { readonly kind: Application['kind']; readonly rules: number; readonly tls: boolean } | null
  readonly scheduler: Service['scheduler']
  readonly persistence: Persistence | null
  /** Who takes its connections; null for a service made by hand. */
  readonly state: ServiceState | null
  readonly counters: Counters
  readonly servers: readonly ServerJson[]
}

export type RouterJson = {
  readonly name: string
  readonly id: number
  readonly version: 2 | 3
  readonly interface: string
  readonly role: RouterStatus['state']
  /** For how long. */
  readonly forMs: number
  readonly priority: number
  readonly addresses: readonly string[]
  /** Who was heard last, unless it is master itself. */
  readonly master: { readonly address: string; readonly priority: number } | null
  /** Handed over by hand. */
  readonly yields: boolean
  readonly faults: readonly string[]
  readonly troubles: readonly string[]
}

export type SyncJson = {
  readonly role: SyncRole
  readonly interface: string
  readonly id: number
  readonly group: string
  readonly port: number
  readonly sealed: boolean
  /** null: the kernel's own daemon, which counts nothing. */
  readonly counts: SyncCounts | null
}

export type DirectorJson = {
  readonly host: string
  readonly engine: EngineName
  /** Why this one, where `auto` has chosen it. */
  readonly engineReason: string | null
  readonly version: string
  readonly processId: number
  readonly startedAt: string
  readonly restarts: number
  readonly problems: readonly string[]
}

export type StatusJson = {
  readonly guests: readonly GuestJson[]
  readonly services: readonly ServiceJson[]
  /** Virtual routers. */
  readonly routers: readonly RouterJson[]
  /** The daemons that synchronise connections with other directors, master first. */
  readonly sync: readonly SyncJson[]
  /** null while none runs, or while it does not answer. */
  readonly director: DirectorJson | null
  /** Why the director could not be asked: what it serves is not known then. null when it could be, or none runs. */
  readonly problem: string | null
}

export function guestJson(host: string, hypervisor: HypervisorName, guest: GuestState): GuestJson {
  const { definition, state, reach } = guest
  const first = reach[0]
  return {
    name: definition.name,
    host,
    hypervisor,
    state,
    address: guest.address ?? (first === undefined ? null : formatEndpoint(first)),
    cluster: definition.mark?.cluster ?? null,
    pool: definition.mark?.pool ?? null,
    memoryBytes: definition.memoryBytes,
    vcpus: definition.vcpus,
    image: definition.image,
    acceleration: guest.acceleration ?? null,
    processId: guest.id ?? null,
    reach,
  }
}

export function statusJson(
  host: string,
  guests: readonly GuestJson[],
  director: DirectorStatus | undefined,
  problem: string | null = null,
): StatusJson {
  if (director === undefined) return { guests, services: [], routers: [], sync: [], director: null, problem }
  const { engine, engineReason = null, version, pid, startedAt, restarts, problems } = director
  return {
    guests,
    services: director.services.map(serviceJson),
    routers: director.routers.map(routerJson),
    sync: director.sync.map(syncJson),
    director: { host, engine, engineReason, version, processId: pid, startedAt, restarts, problems },
    problem,
  }
}

/** What belongs to one cluster only. */
export function ofCluster(status: StatusJson, cluster: string): StatusJson {
  return {
    ...status,
    guests: status.guests.filter((guest) => guest.cluster === cluster),
    services: status.services.filter((service) => service.cluster === cluster),
    routers: status.routers.filter(({ name }) => name.startsWith(`${cluster}/`)),
  }
}

function routerJson({ state, master, ...rest }: RouterStatus): RouterJson {
  return { ...rest, role: state, master: master ?? null }
}

function syncJson({ daemon, counts }: SyncStatus): SyncJson {
  const { role, interface: name, syncId, group, port, keyFile } = daemon
  return { role, interface: name, id: syncId, group, port, sealed: keyFile !== undefined, counts: counts ?? null }
}

function serviceJson({ name, cluster, service, state, counters, servers }: ServiceStatus): ServiceJson {
  const { id, application } = service
  return {
    name,
    cluster: cluster ?? null,
    kind: id.kind,
    protocol: id.kind === 'address' ? id.protocol : null,
    address: 'address' in id ? formatEndpoint(id) : serviceKey(id),
    dnsName: id.kind === 'dns' ? id.name : null,
    application: application === undefined ? null : applicationJson(application),
    scheduler: service.scheduler,
    persistence: service.persistence ?? null,
    state: state ?? null,
    counters,
    servers: servers.map(serverJson),
  }
}

/** `tls`: it ends at the director. */
function applicationJson(application: Application): ServiceJson['application'] {
  const { kind, rules } = application
  return { kind, rules: rules.length, tls: 'certificates' in application && application.certificates !== undefined }
}

function serverJson(server: ServerStatus): ServerJson {
  return {
    address: formatEndpoint(server),
    guest: server.guest ?? null,
    forwarding: server.forwarding,
    weight: server.weight ?? 0,
    wantedWeight: server.wantedWeight,
    inTable: server.weight !== undefined,
    health: server.health,
    detail: server.detail,
    checks: server.checks,
    reason: server.reason,
    drained: server.drained,
    fallback: server.fallback,
    active: server.active,
    inactive: server.inactive,
    connections: server.connections,
    counters: server.counters,
  }
}
