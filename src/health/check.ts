/** The Check port: one probe of one real server. One file per kind in checks/. */
import type { Endpoint } from '../lvs/service.ts'

export type HttpCheckSpec = {
  readonly kind: 'http'
  readonly path: string
  /** Accepted status codes, each a single code or an inclusive range. */
  readonly status: readonly (number | readonly [number, number])[]
  /** A regular expression that the body (its first 64 KiB) must match. */
  readonly body?: string
  /** The Host header, and the SNI name with TLS; otherwise the endpoint's own. */
  readonly host?: string
  /** `verify: false` accepts any certificate: a health check asks whether the server works, not who it is. */
  readonly tls?: { readonly verify: boolean; readonly sni?: string }
}

export type TcpCheckSpec = { readonly kind: 'tcp' }

export type ProbeSpec = TcpCheckSpec | HttpCheckSpec

export type CheckSpec = {
  readonly probe: ProbeSpec
  /** Where to probe when not at the real server's own port. */
  readonly port?: number
  readonly everyMs: number
  readonly timeoutMs: number
  /** Successes in a row until healthy, failures in a row until not. At least 1. */
  readonly rise: number
  readonly fall: number
}

export type ProbeResult = { readonly healthy: boolean; readonly detail: string; readonly tookMs: number }

/** Never throws and always ends by the deadline in `signal`; every socket it opened is closed when it resolves. */
export type Probe = (target: Endpoint, options: { readonly signal: AbortSignal }) => Promise<ProbeResult>
