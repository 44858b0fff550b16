/** The spec: what the user wrote, parsed and checked, every default filled in. Plain, deterministic data. */
import type { Fallback, NotifySink, OnFailure, Quorum, RestartPolicy } from '../../director/control.ts'
import type { EbpfTuning } from '../../engines/ebpf/tuning.ts'
import type { EngineName } from '../../engines/engine.ts'
import type { Xendomains } from '../../formats/xl/xendomains.ts'
import type { GuestHardware, HypervisorName, SeedContent } from '../../guests/hypervisor.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { CheckSpec } from '../../health/check.ts'
import type { Synchronisation } from '../../lvs/edit.ts'
import type { Endpoint, Forwarding, Service, Tunnel } from '../../lvs/service.ts'
import type { SettingsChange } from '../../lvs/settings.ts'
import type { RouterConfig } from '../../vrrp/machine/config.ts'
import type { TrackSpec } from '../../vrrp/spec.ts'

export type HostSpec = {
  readonly name: string
  /** undefined: this machine. */
  readonly ssh?: string
  /** Over SSH, as a user who is not root. */
  readonly sudo?: boolean
  readonly hypervisor: HypervisorName
  readonly bridge?: string
  /** Baton makes the bridge, with this address (CIDR); undefined: it is there. */
  readonly bridgeAddress?: string
  readonly storage?:
    | { readonly kind: 'lvm'; readonly volumeGroup: string }
    | { readonly kind: 'dir'; readonly path: string }
  /** Of xendomains; what is left out stays as it is on the host. */
  readonly xendomains?: Partial<Xendomains>
  /** What it gives to guests; what is left out is not limited, but for memory: all that the host has. */
  readonly capacity?: { readonly memoryBytes?: number; readonly vcpus?: number; readonly diskBytes?: number }
}

export type NetworkSpec =
  | { readonly kind: 'user' }
  | {
      readonly kind: 'bridge'
      readonly bridge: string
      /** The host's, when the bridge is its own. */
      readonly bridgeAddress?: string
      readonly addresses: readonly string[]
      readonly gateway?: string
    }

/** A pool of like guests. `count` undefined: one guest that bears the pool's own name; otherwise NAME-1 … NAME-count. */
export type GuestPoolSpec = {
  readonly name: string
  readonly count?: number
  readonly image: string
  readonly memoryBytes: number
  readonly vcpus: number
  /** What of its machine is chosen; with graphics, the port of the first guest. */
  readonly hardware?: GuestHardware
  readonly diskBytes?: number
  readonly swapBytes?: number
  /** What cloud-init finds; the files that it names are read. undefined: no seed. */
  readonly cloudInit?: SeedContent
  readonly network: NetworkSpec
  readonly autostart: boolean
  /** undefined: the only host, or one that is chosen. */
  readonly host?: string
  /** How long connections may take to finish before a guest goes; undefined: the usual time. */
  readonly drainMs?: number
  /** undefined: a guest whose checks fail is left to people. */
  readonly restart?: RestartPolicy
}

type ServerOptions = {
  readonly weight: number
  /** Left out: none. */
  readonly upperThreshold?: number
  readonly lowerThreshold?: number
  /** Left out: the service's. */
  readonly forwarding?: Forwarding
  readonly tunnel?: Tunnel
  /** Left out: the service's; empty: none. */
  readonly checks?: readonly CheckSpec[]
  /** Left out: the service's. */
  readonly onFailure?: OnFailure
}

export type ServerSpec =
  | ({ readonly kind: 'guests'; readonly guests: string; readonly port: number } & ServerOptions)
  | ({ readonly kind: 'address'; readonly endpoint: Endpoint } & ServerOptions)

export type ServiceSpec = {
  readonly name: string
  readonly service: Service
  readonly forwarding: Forwarding
  readonly servers: readonly ServerSpec[]
  /** All must pass; empty: the servers are not checked. */
  readonly checks: readonly CheckSpec[]
  readonly onFailure: OnFailure
  readonly fallback?: Fallback
  readonly quorum?: Quorum
  readonly fallbackCommand?: string
  readonly panicPercent?: number
  readonly slowStartMs?: number
}

/** A way on which virtual routers hear each other. Without peers it is multicast. */
type PathSpec = {
  readonly interface: string
  readonly peers?: readonly string[]
  readonly source?: string
  readonly multicast?: string
}

export type VirtualRouterSpec = PathSpec &
  Pick<
    RouterConfig,
    | 'name'
    | 'id'
    | 'version'
    | 'priority'
    | 'intervalMs'
    | 'preempts'
    | 'preemptDelayMs'
    | 'announcing'
    | 'password'
    | 'checksum'
    | 'checksAddresses'
    | 'downAdverts'
    | 'answersLower'
  > & {
    /** By the hosts that direct, in place of `priority`. */
    readonly priorities?: Readonly<Record<string, number>>
    /** As `parseHeldAddress` reads them; left out, those of the services. */
    readonly addresses?: readonly string[]
    /** Not advertised. */
    readonly beside: readonly string[]
    /** As `readRoute` and `readRule` read them. */
    readonly routes?: readonly string[]
    readonly rules?: readonly string[]
    readonly also: readonly PathSpec[]
    readonly hasVirtualMac: boolean
    readonly accepts: boolean
    readonly tracksOwn: boolean
    readonly tracked: readonly TrackSpec[]
    /** Those of one group are master together or not at all. */
    readonly group?: string
  }

/** What stands on a director whoever is master: addresses with `dev`, routes and rules. */
export type StandingSpec = {
  readonly addresses?: readonly string[]
  readonly routes?: readonly string[]
  readonly rules?: readonly string[]
}

export type DirectorsSpec = {
  readonly hosts: readonly string[]
  readonly engine: EngineName | 'auto'
  readonly ebpf?: EbpfTuning
  readonly settings?: SettingsChange
  readonly notify?: readonly NotifySink[]
  /** Where /metrics is served over TCP. */
  readonly metrics?: Endpoint
  /** A directory whose files name the servers that are in maintenance. */
  readonly maintenance?: string
  readonly vrrp?: readonly VirtualRouterSpec[]
  readonly standing?: StandingSpec
  readonly sync?: Synchronisation
}

export type ClusterSpec = {
  readonly name: string
  /** By name, in the file's order; never empty: left out, it is this machine as `local` with qemu. */
  readonly hosts: Readonly<Record<string, HostSpec>>
  readonly images: Readonly<Record<string, ImageSpec>>
  readonly guests: Readonly<Record<string, GuestPoolSpec>>
  readonly services: Readonly<Record<string, ServiceSpec>>
  readonly directors: DirectorsSpec
}

/** The names of a pool's guests, in order. */
export function guestNames(pool: Pick<GuestPoolSpec, 'name' | 'count'>): string[] {
  if (pool.count === undefined) return [pool.name]
  return Array.from({ length: pool.count }, (_, index) => `${pool.name}-${index + 1}`)
}

/** The host that a pool is bound to; undefined: each of its guests is placed. */
export function boundHost({ hosts }: Pick<ClusterSpec, 'hosts'>, pool: GuestPoolSpec): string | undefined {
  const names = Object.keys(hosts)
  return pool.host ?? (names.length === 1 ? names[0] : undefined)
}
