/** What a keepalived.conf says of its virtual routers, every default filled in. Plain data. */
import type { Family } from '../../lvs/service.ts'
import type { Place } from './finding.ts'
import type { Entry } from './tree.ts'
import type { Ways } from './ways.ts'

/** `words`: those of iproute2 after the address, but for `dev`. */
export type VrrpAddress = {
  readonly place: Place
  readonly address: string
  readonly prefix: number
  readonly interface?: string
  readonly words: readonly string[]
}

/** What is tracked, by its name; a weight that is written here goes before its own. */
export type Weighted = {
  readonly name: string
  readonly place: Place
  readonly weight?: number
  readonly isReversed: boolean
}

/** `others`: BFD sessions. */
export type Tracking = {
  readonly interfaces: readonly Weighted[]
  readonly scripts: readonly Weighted[]
  readonly files: readonly Weighted[]
  readonly processes: readonly Weighted[]
  readonly others: readonly Weighted[]
}

export type Instance = {
  readonly place: Place
  readonly name: string
  readonly entries: readonly Entry[]
  readonly interface?: string
  /** undefined: keepalived does not run it. */
  readonly id?: number
  readonly family: Family
  readonly version: 2 | 3
  readonly priority: number
  readonly advertSeconds: number
  readonly addresses: readonly VrrpAddress[]
  readonly excluded: readonly VrrpAddress[]
  readonly ways: Ways
  readonly peers: readonly string[]
  readonly source?: string
  /** A multicast group of its own. */
  readonly group?: string
  readonly password?: string
  /** By the IPsec header. */
  readonly isAuthenticated: boolean
  readonly preempts: boolean
  readonly preemptDelaySeconds: number
  readonly garpDelay: number
  readonly garpRepeat: number
  readonly garpRefresh: number
  readonly garpRefreshRepeat: number
  readonly garpLowerDelay: number
  readonly garpLowerRepeat: number
  readonly missed: number
  readonly answersLower: boolean
  readonly hasVirtualMac: boolean
  readonly accepts: boolean
  readonly tracksOwn: boolean
  readonly tracking: Tracking
}

export type SyncGroup = {
  readonly place: Place
  readonly name: string
  readonly entries: readonly Entry[]
  readonly members: readonly string[]
  /** Otherwise what its members track has no weights: it fails, and they are at fault. */
  readonly keepsWeights: boolean
  readonly tracking: Tracking
}

/** `group`: a name or a number. */
export type ScriptUser = { readonly name: string; readonly group?: string }

export type TrackScript = {
  readonly place: Place
  readonly name: string
  readonly argv: readonly string[]
  readonly intervalSeconds: number
  readonly timeoutSeconds: number
  readonly weight: number
  readonly isReversed: boolean
  readonly rise: number
  readonly fall: number
  readonly user?: ScriptUser
}

/** A file that holds a number. `initial`: what is written into it at the start, where it is not there, or over what is. */
export type TrackFile = {
  readonly place: Place
  readonly name: string
  readonly path: string
  readonly weight: number
  readonly isReversed: boolean
  readonly initial?: { readonly value: number; readonly overwrites: boolean }
}

/** Processes of one program, and how many of them must run. `parameters`: all of them, or as many as are written. */
export type TrackProcess = {
  readonly place: Place
  readonly name: string
  readonly program: string
  readonly parameters?: { readonly words: readonly string[]; readonly match: 'exact' | 'initial' | 'partial' }
  /** The program is told by its whole path and words, not by its name. */
  readonly isFullCommand: boolean
  readonly weight: number
  readonly isReversed: boolean
  readonly least: number
  readonly most?: number
  readonly forkDelaySeconds: number
  readonly terminateDelaySeconds: number
}

/** What stands whoever is master, and the instances that are at fault without it, by the names of their track groups. */
export type Standing = {
  readonly addresses: readonly VrrpAddress[]
  readonly ways: Ways
  readonly trackGroups: ReadonlyMap<string, readonly string[]>
}

export type Routers = {
  readonly instances: readonly Instance[]
  readonly standing: Standing
  readonly groups: readonly SyncGroup[]
  /** By their names; without those that keepalived passes over. */
  readonly scripts: ReadonlyMap<string, TrackScript>
  readonly files: ReadonlyMap<string, TrackFile>
  readonly processes: ReadonlyMap<string, TrackProcess>
}
