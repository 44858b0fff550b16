/** The rise/fall machine of one probed server. Pure: results arrive as events, changes leave as effects. */

export type HealthConfig = {
  /** Successes in a row until healthy, failures in a row until not; at least 1. */
  readonly rise: number
  readonly fall: number
}

export type HealthState =
  | { readonly kind: 'unknown' }
  /** `against`: results in a row that contradict the state. */
  | { readonly kind: 'healthy' | 'unhealthy'; readonly against: number }

export type HealthEvent = { readonly kind: 'succeeded' | 'failed' }

export type HealthEffect = {
  readonly kind: 'changed'
  readonly from: HealthState['kind']
  readonly to: 'healthy' | 'unhealthy'
}

export type HealthStep = { readonly state: HealthState; readonly effects: readonly HealthEffect[] }

export const unknownHealth: HealthState = { kind: 'unknown' }

/** Of a server that serves already when its check begins: only `fall` failures take it out. */
export const presumedHealthy: HealthState = { kind: 'healthy', against: 0 }

/** The first result ever decides at once, so that a service is up as soon as its servers are; later ones need `rise` or `fall`. */
export function step(config: HealthConfig, state: HealthState, event: HealthEvent): HealthStep {
  const seen = event.kind === 'succeeded' ? 'healthy' : 'unhealthy'
  if (state.kind === 'unknown') return change(state, seen)
  if (state.kind === seen) return { state: { kind: state.kind, against: 0 }, effects: [] }
  const against = state.against + 1
  const needed = seen === 'healthy' ? config.rise : config.fall
  return against >= needed ? change(state, seen) : { state: { kind: state.kind, against }, effects: [] }
}

function change(from: HealthState, to: 'healthy' | 'unhealthy'): HealthStep {
  return { state: { kind: to, against: 0 }, effects: [{ kind: 'changed', from: from.kind, to }] }
}

/**
 * When to probe again: the interval, a tenth shorter or longer, so that checks of many servers do not march in step.
 * `chance` is in [0, 1). A server about to change its state is not asked faster: the detection time stays fall × every.
 */
export function nextProbeMs(everyMs: number, chance: number): number {
  return everyMs * (0.9 + 0.2 * chance)
}
