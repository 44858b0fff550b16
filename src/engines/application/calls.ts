/** What the application engine and its thread say to each other. */
import type { ServiceId } from '../../lvs/service.ts'
import type { Connection, ServiceSnapshot } from '../engine.ts'
import type { TableCall } from '../threaded-table.ts'

/** All in milliseconds unless said otherwise. */
export type ApplicationSettings = {
  /** A real server that does not take a connection for so long counts as unreachable. */
  readonly connectTimeoutMs: number
  /** For a request's head or a TLS client's first message to come as a whole: against clients that drip it. */
  readonly headTimeoutMs: number
  /** Between two requests of a connection. */
  readonly keepAliveMs: number
  /** For the next piece of a request's body. */
  readonly bodyTimeoutMs: number
  /** For a server to begin its answer. A service's idleTimeoutSeconds takes its place. */
  readonly answerTimeoutMs: number
  /** For a kept connection to a server: below the 5 s after which many servers close one. */
  readonly serverIdleMs: number
  /** Kept connections per server. */
  readonly serverIdleConnections: number
  /** Of a request's or an answer's head. */
  readonly headBytes: number
  /** How often certificate files are looked at. */
  readonly certificatePollMs: number
}

export const defaultSettings: ApplicationSettings = {
  connectTimeoutMs: 5000,
  headTimeoutMs: 10_000,
  keepAliveMs: 60_000,
  bodyTimeoutMs: 30_000,
  answerTimeoutMs: 60_000,
  serverIdleMs: 4000,
  serverIdleConnections: 64,
  headBytes: 32 * 1024,
  certificatePollMs: 2000,
}

/** What the engine tells without being asked. */
export type ApplicationReport =
  /** An exception that no code expected: it has cost a connection at most. */
  | { readonly kind: 'fault'; readonly reason: string }
  | { readonly kind: 'certificate.reloaded'; readonly service: string; readonly file: string }
  /** The new files are no good: the old certificate serves on. */
  | { readonly kind: 'certificate.kept'; readonly service: string; readonly file: string; readonly reason: string }

export type ConnectionPage = { readonly connections: readonly Connection[]; readonly next: number | undefined }

export type Call =
  | TableCall
  | { readonly kind: 'read'; readonly only: readonly ServiceId[] | undefined }
  | { readonly kind: 'connections'; readonly from: number }
  | { readonly kind: 'close' }
export type Answer = undefined | readonly ServiceSnapshot[] | ConnectionPage
