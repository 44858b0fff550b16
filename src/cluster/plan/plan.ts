/** The plan: the ordered steps from what is to what should be, each with its reason. Plain data. */
import type { ClusterServices } from '../../director/control.ts'
import type { EbpfTuning } from '../../engines/ebpf/tuning.ts'
import type { EngineName } from '../../engines/engine.ts'
import type { GuestDefinition, GuestState, SeedContent } from '../../guests/hypervisor.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { Placement } from './placement.ts'

/** A guest as wanted, before its image is built: apply puts the image's files in. */
export type PlannedGuest = Omit<GuestDefinition, 'boot' | 'disks' | 'image' | 'seed'> & {
  /** The image's name in the spec, and what it is. */
  readonly image: string
  readonly imageSpec: ImageSpec
  readonly seed?: SeedContent
  readonly diskBytes?: number
  readonly swapBytes?: number
  /** Where on the host its disk lies; undefined: the hypervisor's own place. */
  readonly diskDirectory?: string
  /** The volume group that gives it, instead of a directory. */
  readonly diskVolumeGroup?: string
}

export type Action =
  | { readonly kind: 'image.build'; readonly host: string; readonly image: string; readonly spec: ImageSpec }
  /** Defined and started. */
  | { readonly kind: 'guest.create'; readonly host: string; readonly guest: PlannedGuest }
  | { readonly kind: 'guest.start'; readonly host: string; readonly guest: string }
  /** Takes effect without a restart. */
  | { readonly kind: 'guest.update'; readonly host: string; readonly guest: PlannedGuest }
  /** The same disk, drained, shut down, started again with another definition, and healthy before the step ends. */
  | { readonly kind: 'guest.restart'; readonly host: string; readonly guest: PlannedGuest }
  /** As a restart, but another guest of the same name: its disk is lost. */
  | { readonly kind: 'guest.replace'; readonly host: string; readonly guest: PlannedGuest }
  /** Drained, shut down, forgotten with its disk. */
  | { readonly kind: 'guest.remove'; readonly host: string; readonly guest: string }
  | {
      readonly kind: 'director.start'
      readonly host: string
      readonly engine: EngineName | 'auto'
      /** Why this engine, where it was chosen among others. */
      readonly because?: string
      readonly ebpf?: EbpfTuning
    }
  | { readonly kind: 'director.stop'; readonly host: string }
  /** Hands the cluster's services to the director; the guests' addresses are read when the step runs. */
  | { readonly kind: 'services.apply'; readonly host: string }
  | { readonly kind: 'services.remove'; readonly host: string }
  /** Until every server that has a check is healthy. */
  | { readonly kind: 'services.wait'; readonly host: string }

/** With a reason where it was chosen among others. */
export type WantedEngine = { readonly name: EngineName | 'auto'; readonly reason?: string }

export type ActionKind = Action['kind']

export type Step = {
  /** Stable and unique in its plan: `guest.create local/web-1`. */
  readonly id: string
  readonly action: Action
  /** Why, for people: `memory changes from 128M to 256M`. */
  readonly reason: string
  /** The ids of the steps that must have succeeded: when one fails, this one is skipped. */
  readonly needs: readonly string[]
  /** The ids of the steps that must have ended, well or not. */
  readonly after: readonly string[]
}

/** What stands now and goes away or is interrupted, of how much: the blast-radius limit looks at it. */
export type Blast = {
  readonly guests: number
  readonly ofGuests: number
  readonly servers: number
  readonly ofServers: number
}

/** Steps in an order in which they could run one by one. */
export type Plan = { readonly cluster: string; readonly steps: readonly Step[]; readonly blast: Blast }

/** What a director runs, as it says itself. */
export type ObservedDirector = {
  readonly engine: EngineName
  readonly ebpf?: EbpfTuning
  /** This cluster's services there. */
  readonly services: ClusterServices | undefined
  /** This cluster's guests whose check has not succeeded there, sorted. */
  readonly unwell: readonly string[]
  /** Whether it also serves other clusters, or services that were made by hand. */
  readonly servesOthers: boolean
}

export type ObservedHost = {
  readonly guests: readonly GuestState[]
  /** All its memory, where guests are to be placed. */
  readonly memoryBytes?: number
  /** undefined: none runs. */
  readonly director: ObservedDirector | undefined
  /** What `auto` is here, for the services that are wanted. */
  readonly engine?: WantedEngine
  /** The host on the same machine that stands for the machine's one director; this one has none of its own then. */
  readonly sharesDirectorOf?: string
}

/** What the hosts say now. */
export type Observed = {
  readonly hosts: ReadonlyMap<string, ObservedHost>
  /** The digest that each image of the spec has, or would have, by its name. */
  readonly digests: ReadonlyMap<string, string>
  /** The digests of the seeds that the spec wants, by pool. */
  readonly seeds?: ReadonlyMap<string, string>
  /** Of guests that are bound to no host; left out: each is bound. */
  readonly placement?: Placement
  /** `HOST/DIGEST` of every such image that is built already. */
  readonly built: ReadonlySet<string>
}

/** The plan, or what stands in its way: things that only a person can decide. */
export type Planned =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'conflicts'; readonly conflicts: readonly string[] }
  /** Guests that no host has room for, each with what lacks where. */
  | { readonly kind: 'no-room'; readonly lacks: readonly string[] }
