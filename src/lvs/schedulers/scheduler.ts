/** What a scheduler is: it picks the real server of a new connection, decision for decision as Linux's ip_vs does. */
import type { SchedulerName } from '../service.ts'
import type { Sysctls } from '../settings.ts'

/** A real server as a scheduler sees it. The engine keeps the counts; they may change between picks. */
export interface Candidate {
  readonly weight: number
  /** The weight it was added with, or the last other than 0 that it was given since: a drained server keeps its share of mh. */
  readonly lastWeight: number
  /** Connections that carry traffic, and all others (LVS: ActiveConn, InActConn). */
  readonly active: number
  readonly inactive: number
  /** Gets no new connection whatever its weight: over its threshold, or already tried for the connection at hand. */
  readonly overloaded: boolean
  /** Already tried for the connection at hand; `overloaded` is true then, too. Always false where engines do not connect. */
  readonly isTried: boolean
  readonly address: AddressWords
  readonly port: number
}

/** An address as 32-bit words in host order, most significant first: one for IPv4, four for IPv6. */
export type AddressWords = ArrayLike<number>

/** The connection to be placed. Engines may pass one object again and again, with getters; a scheduler never keeps it. */
export interface Flow {
  readonly source: AddressWords
  readonly sourcePort: number
  readonly destination: AddressWords
  readonly destinationPort: number
  /** Monotonic. */
  readonly atMs: number
}

/**
 * One service's scheduler. It holds the service's live list of servers, newest first as the kernel keeps them, and is
 * told of every change to it right after the change. What else changes about a server it learns from `counted`, and
 * may go by what it read last until then. It may still read servers that were removed, whose counts must stay true.
 *
 * `pick` allocates nothing, but where it remembers a new destination (lblc, lblcr).
 */
export interface Scheduler<S extends Candidate> {
  /** The server for a new connection, or undefined when none is usable. */
  pick(flow: Flow): S | undefined
  /** A server now stands at the head of the list. */
  added(): void
  /** The server that stood at `index` is gone. */
  removed(index: number): void
  /** The server at `index` has another weight or threshold. */
  edited(index: number): void
  /**
   * The counts of a server in the list, its `overloaded` or its `isTried` may not be what they were when the scheduler
   * was last told of it. To be called before the next pick, as often as one likes; takes O(log servers) at most.
   */
  counted(server: S): void
  /** Every 60 s from its making on, for schedulers that forget. */
  tick?(atMs: number): void
}

export type SchedulerOptions = {
  /** ipvsadm -b: sh-port, sh-fallback, mh-port, mh-fallback, flag-1 … */
  readonly flags: readonly string[]
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Seconds, the kernel's sysctls; asked anew each time, so that getters may follow changes. Left out: a day. */
  readonly sysctls?: Pick<Sysctls, 'lblc_expiration' | 'lblcr_expiration'>
}

export type SchedulerFactory = <S extends Candidate>(servers: readonly S[], options: SchedulerOptions) => Scheduler<S>
export type SchedulerFactories = { readonly [Name in SchedulerName | 'none']: SchedulerFactory }

/** LVS's cost of a server's connections: one active weighs as 256 inactive ones, plus itself. */
export function overhead({ active, inactive }: Candidate): number {
  return active * 257 + inactive
}
