/** What is checked, and what is said of it. */
import type { Endpoint } from '../lvs/service.ts'
import type { CheckSpec, ProbeReport, ProbeResult } from './check.ts'
import type { HealthKind } from './machine.ts'
import type { TraceRecord } from './trace.ts'

export type CheckTarget = {
  readonly check: CheckSpec
  /** Where it is probed, whatever the check says of a port. */
  readonly endpoint: Endpoint
  /**
   * What a target that is new here begins with; left out, nothing is known of it. `presumed`: it serves already, so it
   * must fail before it is taken out. `anew`: what is known is void, also when it is not new.
   */
  readonly start?: 'presumed' | 'anew'
  /**
   * Not probed while this is true; afterwards nothing is known of it, so that the first result decides. A server that is
   * in maintenance for one of those who share its probe is so for all of them.
   */
  readonly maintenance?: boolean
}

export type CheckView = {
  readonly health: HealthKind
  readonly detail: string
  /** What the server said of itself, where its check is of a kind that hears it. */
  readonly report?: ProbeReport
  /** `timing.now()` when its health became what it is. */
  readonly sinceMs: number
  /** It came back: from unhealthy, from maintenance, or from having been started anew. */
  readonly recovered: boolean
}

export type HealthChange = {
  /** The `targetKey` of all targets that this probe stands for. */
  readonly key: string
  readonly from: HealthKind
  readonly to: HealthKind
  readonly detail: string
  /** For how many results it had been what it was before. */
  readonly after: number
}

export type CheckResult = Pick<ProbeResult, 'healthy' | 'detail' | 'tookMs' | 'report'> & { readonly key: string }

/**
 * A result that contradicts the health, not the last one that is needed: the `count`th of `needed`. `steadied`: then came
 * one that does not, and it begins to count anew.
 */
export type HealthDoubt = { readonly key: string; readonly health: HealthKind } & (
  | { readonly kind: 'wavered'; readonly count: number; readonly needed: number; readonly detail: string }
  | { readonly kind: 'steadied' }
)

export type CheckerEvents = {
  /** Called after a target's health changed; also from within `watch`, when maintenance begins or ends. */
  readonly onChange: (change: HealthChange) => void
  /** Called with every result, after what follows from it. */
  readonly onResult?: (result: CheckResult) => void
  readonly onDoubt?: (doubt: HealthDoubt) => void
  /** Called with all that the machines are told, before they take it. */
  readonly onTrace?: (record: TraceRecord) => void
}
