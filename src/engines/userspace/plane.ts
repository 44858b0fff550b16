/** What a data plane is, inside its threads, and the words in which the engine speaks to them. */

import type { PortableConnection } from '../../lvs/portable-connection.ts'
import type { Connection, TakenConnections } from '../engine.ts'
import type { LedgerMemory } from '../ledger.ts'
import type { TablePage, TablePlace } from '../scheduling.ts'
import type { TableCall } from '../threaded-table.ts'

export type PlaneName = 'epoll' | 'net'

export type PlaneSettings = {
  /** A real server that does not answer for so long counts as unreachable. */
  readonly connectTimeoutMs: number
  /** UDP clients remembered per service; datagrams of more are dropped. */
  readonly udpSessions: number
  /** Persistence templates remembered; beyond, the one used longest ago gives way. */
  readonly templates: number
}

/** TCP connections come first, then UDP sessions, then persistence templates. */
export type ConnectionCursor = { readonly part: 'tcp' | 'udp' | 'templates'; readonly at: number }

export type ConnectionPage = {
  readonly connections: readonly Connection[]
  /** Where the next page begins; undefined after the last. */
  readonly next: ConnectionCursor | undefined
}

export type TemplatePage = { readonly connections: readonly Connection[]; readonly next: number | undefined }

/** Shared by the epoll plane's threads: see epoll/memory.ts. */
export type EpollMemory = {
  readonly places: SharedArrayBuffer
  readonly handoffs: SharedArrayBuffer
  readonly threads: SharedArrayBuffer
}

export type WorkerData = {
  readonly plane: PlaneName
  /** Thread 0 accepts and schedules. */
  readonly thread: number
  readonly threads: number
  readonly memory: LedgerMemory
  readonly epoll: EpollMemory | undefined
  /** See ../template-use.ts. */
  readonly templates: SharedArrayBuffer
  readonly settings: PlaneSettings
}

export type Call =
  | TableCall
  | ({ readonly kind: 'read' } & TablePlace)
  | { readonly kind: 'connections'; readonly from: ConnectionCursor }
  /** Persistence templates that other directors are to be told of, of so many slots from `from` on. */
  | { readonly kind: 'changed-templates'; readonly from: number }
  | { readonly kind: 'take-templates'; readonly connections: readonly PortableConnection[] }
  /** Takes no new connections: before the threads are closed one by one. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'close' }
export type Answer = undefined | TablePage | ConnectionPage | TemplatePage | TakenConnections
/** An exception that cost a connection, and nothing else. */
export type Fault = { readonly reason: string }

/** Per page of a listing: a thread that answers one moves no bytes meanwhile. */
export const connectionsPerPage = 1000
/** Slots of templates that are looked at in one page. */
export const templatesPerPage = 8192
