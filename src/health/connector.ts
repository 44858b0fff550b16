/** What check `tcp` and the connects between probes are made of: connections that are opened to see whether they open. */
import type { Endpoint } from '../lvs/service.ts'
import type { Verdict } from './checks/verdict.ts'

export interface ConnectListener {
  /** How it went. Called once, never before `connect` has returned, and not after `cancel`. */
  onConnectEnd(verdict: Verdict): void
}

export interface ConnectAttempt {
  /** Its listener hears of what is decided by now: a process that was held up has not looked for a while. */
  settle(): void
  /** Closes what is open; nothing is heard of it any more. */
  cancel(): void
}

/**
 * Connections are closed with a reset, as HAProxy does: an orderly close would leave each of them in TIME_WAIT for a
 * minute on this machine, a hundred thousand at two thousand checks a second, for nothing, as no byte was exchanged.
 */
export interface Connector extends Disposable {
  readonly kind: 'epoll' | 'net'
  /** The caller owns the deadline. */
  connect(target: Endpoint, listener: ConnectListener): ConnectAttempt
}
