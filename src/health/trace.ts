/** A trace of checks: all that the machines were told, so that a run can be told again. One JSON text a line. */
import type { HealthConfig, HealthEvent, HealthState } from './machine.ts'

/** `state`: before the event. */
export type TraceRecord =
  | { readonly kind: 'began'; readonly key: string; readonly config: HealthConfig; readonly state: HealthState }
  | {
      readonly kind: 'event'
      readonly key: string
      readonly config: HealthConfig
      readonly state: HealthState
      readonly event: HealthEvent
    }
  | { readonly kind: 'ended'; readonly key: string }
