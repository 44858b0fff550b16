/** What the thread of the synchronisation is asked, and what it says. */
import type { SyncRole } from '../lvs/edit.ts'
import type { Refused } from './refusals.ts'

/** One side of the synchronisation as its sockets need it. */
export type Side = {
  readonly role: SyncRole
  readonly interface: string
  readonly syncId: number
  readonly group: string
  readonly port: number
  readonly ttl: number
  /** Of a master: bytes that a datagram's content may have. */
  readonly maxLength: number
  readonly key: Uint8Array | undefined
}

export type Call =
  | { readonly kind: 'start'; readonly side: Side }
  | { readonly kind: 'stop'; readonly role: SyncRole }
  /** Messages of the kernel's, to be sealed where there is a key. Answered when they are on their way. */
  | { readonly kind: 'send'; readonly messages: readonly Uint8Array[] }
  /** A master: those were all. */
  | { readonly kind: 'complete' }
  /** A backup: all connections, please. */
  | { readonly kind: 'request' }
  /** What was handed over last has been taken: more may come. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'counts' }
  | { readonly kind: 'close' }

export type SideCounts = {
  /** Datagrams: sent by a master, let in by a backup. */
  readonly datagrams: number
  readonly bytes: number
  /** Of a master: datagrams that could not be sent. */
  readonly unsent: number
  /** Of a backup. */
  readonly refused: Refused
  /** Why nothing goes out or comes in, in words. */
  readonly trouble: string | undefined
}

export type Counts = Readonly<Partial<Record<SyncRole, SideCounts>>>
export type Answer = undefined | Counts

export type Note =
  /** Messages to be taken, one after the other in `bytes`, each up to its end. No more come before `taken`. */
  | { readonly kind: 'messages'; readonly bytes: Uint8Array; readonly ends: readonly number[] }
  /** To the master: somebody asks for all. */
  | { readonly kind: 'request' }
  /** To the backup: a master has told all. */
  | { readonly kind: 'complete' }
