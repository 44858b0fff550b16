/** When the backups of a director are told of a connection (Linux, net/netfilter/ipvs/ip_vs_sync.c). Pure. */
import type { ConnectionState } from './connection-state.ts'
import type { Protocol } from './service.ts'

/** The kernel's sysctls sync_threshold (two numbers), sync_refresh_period, sync_retries and sync_persist_mode. */
export type TellingRules = {
  /** With the packet of its client's that has this number, … */
  readonly threshold: number
  /** … and again with that of each further so many; 0: once. */
  readonly period: number
  /** Not again within this time, unless it ends that much later or earlier; 0: heeds no time. */
  readonly refreshSeconds: number
  /** How often it is told again within that time all the same, spread over it; up to 3. */
  readonly retries: number
  /** Connections under a template are not told, only their template is. */
  readonly persistentOnly: boolean
}

export const defaultTellingRules: TellingRules = {
  threshold: 3,
  period: 50,
  refreshSeconds: 0,
  retries: 0,
  persistentOnly: false,
}

/** What backups know of a connection. */
export type Told = { readonly state: ConnectionState; readonly endsMs: number; readonly retries: number }

export type TellingSubject = {
  readonly kind: 'connection' | 'template'
  readonly protocol: Protocol | 'ip'
  readonly state: ConnectionState
  /** It is under a template. */
  readonly isControlled: boolean
  /** From its client. */
  readonly packets: number
  readonly timeoutMs: number
}

const tcpTold: readonly ConnectionState[] = ['ESTABLISHED', 'FIN_WAIT', 'CLOSE', 'CLOSE_WAIT', 'TIME_WAIT']
const sctpTold: readonly ConnectionState[] = ['ESTABLISHED', 'S-SENT', 'S-RECEIVED', 'S-ACK-SENT', 'CLOSED']
/** However short its time, backups are not told of it sooner. */
const leastRefreshMs = 10_000

/** Whether backups are told of connections in this state at all: of those that have only begun they are not. */
export function isToldState(protocol: Protocol | 'ip', state: ConnectionState): boolean {
  if (protocol === 'tcp') return tcpTold.includes(state)
  return protocol !== 'sctp' || sctpTold.includes(state)
}

/** How much later than backups know a connection has to end before they are told again. */
export function refreshMs(timeoutMs: number, refreshSeconds: number): number {
  const byTimeout = Math.max(timeoutMs / 2, leastRefreshMs)
  return refreshSeconds > 0 ? Math.min(refreshSeconds * 1000, byTimeout) : byTimeout
}

/** After a packet of its client's: what backups know once they are told, or undefined when they are not to be told. */
export function telling(subject: TellingSubject, told: Told, rules: TellingRules, nowMs: number): Told | undefined {
  const { kind, protocol, state, timeoutMs, packets } = subject
  const endsMs = nowMs + timeoutMs
  if (kind === 'connection') {
    if (rules.persistentOnly && subject.isControlled) return undefined
    if (!isToldState(protocol, state)) return undefined
    const isTurn = protocol !== 'udp' && state !== told.state && state !== 'ESTABLISHED'
    if (isTurn) return { state, endsMs, retries: 0 }
  }
  const retries = retriesNow(subject, told, rules, nowMs)
  if (retries === undefined) return undefined
  if (rules.period > 0) {
    if (kind === 'connection' && packets % rules.period !== rules.threshold) return undefined
  } else if (rules.refreshSeconds === 0 && packets !== rules.threshold) return undefined
  return { state, endsMs, retries }
}

/** 0 where it is time anyway; undefined where it is not. */
function retriesNow({ timeoutMs }: TellingSubject, told: Told, rules: TellingRules, nowMs: number): number | undefined {
  const { refreshSeconds, retries } = rules
  if (refreshSeconds === 0) return 0
  const difference = Math.abs(nowMs + timeoutMs - told.endsMs)
  if (difference >= refreshMs(timeoutMs, refreshSeconds)) return 0
  const isTooSoon = nowMs < told.endsMs - timeoutMs + (refreshSeconds * 1000) / 8
  return told.retries >= retries || isTooSoon ? undefined : told.retries + 1
}
