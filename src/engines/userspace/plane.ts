/** What a data plane is, inside its threads, and the words in which the engine speaks to them. */
import type { InfraCode } from '../../errors.ts'
import type { Connection, ServiceSnapshot, TableChange } from '../engine.ts'
import type { LedgerMemory } from '../ledger.ts'

export type PlaneName = 'epoll' | 'net'

export type PlaneSettings = {
  /** A real server that does not answer for so long counts as unreachable. */
  readonly connectTimeoutMs: number
  /** For services that set none. */
  readonly tcpIdleSeconds: number
  readonly udpIdleSeconds: number
  /** UDP clients remembered per service; datagrams of more are dropped. */
  readonly udpSessions: number
}

export type ConnectionPage = {
  readonly connections: readonly Connection[]
  /** Where the next page begins; undefined after the last. */
  readonly next: number | undefined
}

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
  readonly settings: PlaneSettings
}

export type Call =
  | { readonly kind: 'apply'; readonly changes: readonly TableChange[] }
  | { readonly kind: 'read' }
  | { readonly kind: 'connections'; readonly from: number }
  /** Takes no new connections: before the threads are closed one by one. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'close' }
export type CallMessage = { readonly id: number; readonly call: Call }

export type ErrorMessage = {
  readonly code: InfraCode
  readonly message: string
  readonly subject: string
  readonly hint: string | undefined
  readonly retryable: boolean
}
export type Answer = undefined | readonly ServiceSnapshot[] | ConnectionPage
export type WorkerMessage =
  /** `wakeFd`: an eventfd to be written after each message, for a thread that does not sleep in Node's own loop. */
  | { readonly kind: 'ready'; readonly wakeFd: number | undefined }
  | { readonly kind: 'cannot'; readonly reason: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value: Answer }
  | { readonly kind: 'error'; readonly id: number; readonly error: ErrorMessage }

/** Connections per page of a listing. */
export const pageSize = 1000
