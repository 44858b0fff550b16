/** What a machine is to do for its virtual routers: plain data, every default filled in. */
import type { AddressWords } from '../formats/iproute/address.ts'
import type { RouterConfig } from './machine/config.ts'

/** An address that the master has: at an interface, with the length of its network's prefix. */
export type HeldAddress = AddressWords & {
  readonly address: string
  readonly prefix: number
  readonly interface: string
}

/** Routes and rules as `readRoute` and `readRule` read them, their words parted by single blanks. */
export type WaySpec = { readonly routes?: readonly string[]; readonly rules?: readonly string[] }

/** What stands whoever is master. */
export type StaticSpec = WaySpec & { readonly holds: readonly HeldAddress[] }

/** What is looked at beside the interface of the router, which always is. See `Tracked` for what a weight means. */
/** `isReversed`: it counts the other way round. */
export type TrackSpec = { readonly weight?: number; readonly isReversed?: true } & (
  | { readonly kind: 'interface'; readonly interface: string }
  | {
      readonly kind: 'command'
      readonly argv: readonly string[]
      readonly everyMs: number
      readonly timeoutMs: number
      readonly rise: number
      readonly fall: number
    }
  /** The number in it, times the weight, is added; without a weight any other than 0 is a fault. */
  | { readonly kind: 'file'; readonly path: string }
  /** Whether at least so many, and no more than so many, processes of a program run. */
  | {
      readonly kind: 'process'
      readonly program: string
      /** `initial`: there may be more words; `partial`: the last may go on, too. */
      readonly parameters?: { readonly words: readonly string[]; readonly match: 'exact' | 'initial' | 'partial' }
      /** The program is a whole path. */
      readonly isFullCommand?: true
      readonly least: number
      readonly most?: number
      /** How long it must have been so until it counts. */
      readonly forkDelayMs: number
      readonly terminateDelayMs: number
    }
  /** Whether a service of the cluster has a server that is usable: the director says so. */
  | { readonly kind: 'service'; readonly service: string }
)

export type RouterSpec = WaySpec & {
  readonly config: RouterConfig
  /** The advertised ones and those beside them. */
  readonly holds: readonly HeldAddress[]
  /** The addresses stand at an Ethernet address of the virtual router's own (RFC 9568 §7.3). */
  readonly hasVirtualMac: boolean
  /** Whether the master takes packets that are sent to the addresses (RFC 5798 §6.1); the owner always does. */
  readonly accepts: boolean
  readonly tracked: readonly TrackSpec[]
  /** It goes on when its own interface is down: nothing of it is at fault. */
  readonly ignoresOwnInterface?: true
}

/** Routers that are master together; one alone is a group, too. */
export type GroupSpec = { readonly name: string; readonly members: readonly RouterSpec[] }
export type VrrpSpec = { readonly groups: readonly GroupSpec[]; readonly standing?: StaticSpec }

/** What a tracked thing is called where it is told that it fails. */
export function trackName(track: TrackSpec): string {
  switch (track.kind) {
    case 'interface':
      return `interface ${track.interface}`
    case 'command':
      return `command ${track.argv.join(' ')}`
    case 'file':
      return `file ${track.path}`
    case 'process':
      return `processes of ${[track.program, ...(track.parameters?.words ?? [])].join(' ')}`
    case 'service':
      return `service ${track.service}`
  }
}
