/** The plan: the ordered steps from what is to what should be, each with its reason. Plain data. */
import type { ClusterServices } from '../../director/control.ts'
import type { EngineName } from '../../engines/engine.ts'
import type { GuestDefinition } from '../../guests/hypervisor.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { ServiceSpec } from '../spec/model.ts'

/** Guests are defined with the image's name; apply puts the built image's files in. */
export type PlannedGuest = Omit<GuestDefinition, 'boot' | 'disks' | 'image'> & {
  readonly image: string
  readonly diskBytes?: number
}

export type Action =
  | { readonly kind: 'image.build'; readonly host: string; readonly image: string; readonly spec: ImageSpec }
  | { readonly kind: 'guest.create'; readonly host: string; readonly guest: PlannedGuest }
  | { readonly kind: 'guest.start'; readonly host: string; readonly guest: string }
  /** Takes effect without a restart. */
  | { readonly kind: 'guest.update'; readonly host: string; readonly guest: PlannedGuest }
  /** The same disk, shut down and started again with another definition. */
  | { readonly kind: 'guest.restart'; readonly host: string; readonly guest: PlannedGuest }
  /** Another guest of the same name: its disk is lost. */
  | { readonly kind: 'guest.replace'; readonly host: string; readonly guest: PlannedGuest }
  | { readonly kind: 'guest.remove'; readonly host: string; readonly guest: string }
  | { readonly kind: 'director.start'; readonly host: string; readonly engine: EngineName }
  | { readonly kind: 'director.stop'; readonly host: string }
  /** Hands the cluster's services to the director; the guests' addresses are read when the step runs. */
  | { readonly kind: 'services.apply'; readonly host: string; readonly services: readonly ServiceSpec[] }
  | { readonly kind: 'services.remove'; readonly host: string; readonly cluster: string }
  /** Until every server of these services that can be is healthy. */
  | { readonly kind: 'services.wait'; readonly host: string; readonly services: readonly string[] }
  | { readonly kind: 'guest.drain'; readonly host: string; readonly guest: string }

export type Step = {
  /** Stable and unique in its plan: `guest.create local/web-1`. */
  readonly id: string
  readonly action: Action
  /** Why, for people: `memory changed from 128M to 256M`. */
  readonly reason: string
  readonly after: readonly string[]
}

export type Plan = {
  readonly cluster: string
  readonly steps: readonly Step[]
  /** How many guests and servers that stand now go away, of how many: the blast-radius limit looks at it. */
  readonly goingAway: {
    readonly guests: number
    readonly ofGuests: number
    readonly servers: number
    readonly ofServers: number
  }
}

/** What a director runs for this cluster, as it says itself. */
export type ObservedDirector = {
  readonly engine: EngineName
  readonly services: ClusterServices | undefined
  readonly otherClusters: number
}
