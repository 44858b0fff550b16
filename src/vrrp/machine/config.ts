/** A virtual router as this machine takes part in it: plain data, every default filled in. */
import type { Family } from '../../lvs/service.ts'
import type { ChecksumReading } from '../../wire/vrrp.ts'

/** How often all on the link are told where the addresses are now (gratuitous ARP, unsolicited neighbour advertisements). */
export type Announcing = {
  /** When it becomes master, and once more after `delayMs`. */
  readonly times: number
  readonly delayMs: number
  /** After another master was heard that had to be told to stop: some will have believed it. */
  readonly conflictTimes: number
  readonly conflictDelayMs: number
  /** Again and again while it is master; left out: not. */
  readonly refreshMs?: number
  readonly refreshTimes: number
}

export const defaultAnnouncing: Announcing = {
  times: 5,
  delayMs: 5000,
  conflictTimes: 5,
  conflictDelayMs: 5000,
  refreshTimes: 1,
}

/** A way on which the routers hear each other; one id may have several. */
export type HeartbeatPath = {
  readonly interface: string
  /** Where advertisements go: a group, or each of the peers. */
  readonly to:
    | { readonly kind: 'multicast'; readonly group: string }
    | { readonly kind: 'unicast'; readonly peers: readonly string[]; readonly source?: string }
}

export type RouterConfig = {
  readonly name: string
  /** 1..255 */
  readonly id: number
  readonly version: 2 | 3
  readonly family: Family
  /** 1..254; 255: the addresses are this machine's own. */
  readonly priority: number
  readonly intervalMs: number
  /** As advertised, in order. Over IPv6 the first is link-local. */
  readonly addresses: readonly string[]
  /** Whether it takes over from a living master of lower priority. */
  readonly preempts: boolean
  readonly preemptDelayMs: number
  /** Advertisements that may be missed: 3 in the RFCs. */
  readonly downAdverts: number
  /** RFC 9568 §6.4.3: a master that is heard although it should be none is told at once, as keepalived does. */
  readonly answersLower: boolean
  readonly announcing: Announcing
  /** Of version 2, at most eight characters. */
  readonly password?: string
  /** What checksums of version 3 over IPv4 take in, when sending; both are heard. */
  readonly checksum: ChecksumReading
  /** Whether others must advertise the same addresses. */
  readonly checksAddresses: boolean
  /** The first decides between equals. */
  readonly paths: readonly [HeartbeatPath, ...HeartbeatPath[]]
  /** In a group it becomes master only when all of the group do. */
  readonly isGrouped: boolean
}
