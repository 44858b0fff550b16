/** What a keepalived.conf says of its virtual servers: as keepalived itself would serve them. Plain data. */
import type { Family } from '../../lvs/service.ts'
import type { Finding, Place } from './finding.ts'
import type { Routers, ScriptUser } from './instance-model.ts'
import type { Entry } from './tree.ts'

export type Written<T> = { readonly value: T; readonly place: Place }

export type Method = {
  readonly forward: 'NAT' | 'DR' | 'TUN'
  readonly tunnel?: {
    readonly type: 'ipip' | 'gre' | 'gue'
    readonly port?: number
    readonly checksum: 'nocsum' | 'csum' | 'remcsum'
  }
}

export type VirtualAddress =
  | { readonly kind: 'address'; readonly address: string; readonly port: number }
  /** `last`: the end of a range of a group. */
  | { readonly kind: 'mark'; readonly mark: number; readonly family?: Family }

/** One check of a real server; its own keywords are in `entries`. */
export type Checker = {
  readonly kind: string
  readonly place: Place
  readonly entries: readonly Entry[]
  /** Who runs its command; undefined: root. */
  readonly user?: ScriptUser
}

export type Real = {
  readonly place: Place
  readonly address: string
  readonly port: number
  readonly weight: number
  readonly inhibit: boolean
  readonly method?: Method
  readonly entries: readonly Entry[]
  readonly checkers: readonly Checker[]
}

/** `inhibit`: while it is not needed it stands with weight 0. */
export type Sorry = {
  readonly place: Place
  readonly address: string
  readonly port: number
  readonly method?: Method
  readonly inhibit: boolean
}

export type Virtual = {
  readonly place: Place
  /** As keepalived writes it in its log: `[10.0.0.1]:tcp:80`, `FWM 5`. */
  readonly name: string
  /** The group's name; its places are many. */
  readonly group?: string
  readonly places: readonly VirtualAddress[]
  readonly protocol: 'TCP' | 'UDP' | 'SCTP'
  readonly scheduler: Written<string>
  readonly flags: readonly string[]
  readonly onePacket: boolean
  readonly method: Method
  /** Seconds, and the mask or prefix as it was written. */
  readonly persistence?: { readonly timeoutSeconds: number; readonly mask?: string }
  readonly quorum: number
  readonly hysteresis: number
  readonly sorry?: Sorry
  readonly reals: readonly Real[]
  readonly entries: readonly Entry[]
}

export type KeepalivedFile = {
  /** Everything that was taken, in the file's order. */
  readonly entries: readonly Entry[]
  readonly virtuals: readonly Virtual[]
  readonly routers: Routers
  readonly findings: readonly Finding[]
}
