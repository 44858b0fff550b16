/**
 * The health of one server, from the results of its checks. Pure: results arrive as events with their time, changes and
 * doubts leave as effects.
 */
import type { CheckSpec, FlapDamping } from './check.ts'

export type HealthConfig = Pick<CheckSpec, 'rise' | 'fall' | 'connects' | 'damping'>

export type HealthKind = 'unknown' | 'healthy' | 'unhealthy' | 'maintenance'

export type HealthState = {
  readonly kind: HealthKind
  readonly sinceMs: number
  /** Results since it became that, the one that made it so among them. */
  readonly results: number
  /** Results in a row that contradict the kind; no more are counted than are needed. */
  readonly against: number
  /** So many checks only connect; with none left the next one is a full probe. */
  readonly connectsLeft: number
  /** It was sick, in maintenance, or started anew before: healthy, it has come back. */
  readonly isReturning: boolean
  /** When the first of its successes in a row came; undefined after a failure. */
  readonly wellSinceMs?: number
  /** When it fell and rose, as far as damping looks back. */
  readonly changedMs: readonly number[]
  /** It was taken for healthy without having been asked: the first failure decides. */
  readonly isAssumed?: true
  /** Unhealthy, and kept so for this number of changes until it was well for long enough; 0: not kept. */
  readonly heldFor: number
}

/** `check`: a connect when it only connected, as `nextCheck` has asked for. */
export type HealthEvent =
  | {
      readonly kind: 'succeeded' | 'failed'
      readonly check: 'probe' | 'connect'
      readonly atMs: number
      readonly detail: string
    }
  | { readonly kind: 'maintenance-began' | 'maintenance-ended'; readonly atMs: number }

export type HealthEffect =
  | {
      readonly kind: 'changed'
      readonly from: HealthKind
      readonly to: HealthKind
      readonly detail: string
      /** For how many results it had been what it was. */
      readonly after: number
    }
  /** A result that contradicts the kind, not the last one that is needed: the `count`th of `needed`. */
  | {
      readonly kind: 'wavered'
      readonly health: HealthKind
      readonly count: number
      readonly needed: number
      readonly detail: string
    }
  /** Then came one that does not: it begins to count anew. */
  | { readonly kind: 'steadied'; readonly health: HealthKind }

export type HealthStep = { readonly state: HealthState; readonly effects: readonly HealthEffect[] }

/**
 * `presumed`: it serves already when its check begins, so that only `fall` failures take it out. `anew`: it was started
 * again, and nothing is known of it any more. `assumed`: it is new, and healthy until it is asked.
 */
export function beginHealth(start: 'presumed' | 'anew' | 'assumed' | undefined, atMs: number): HealthState {
  return {
    kind: start === 'presumed' || start === 'assumed' ? 'healthy' : 'unknown',
    ...(start === 'assumed' ? { isAssumed: true } : {}),
    sinceMs: atMs,
    results: 0,
    against: 0,
    connectsLeft: 0,
    isReturning: start === 'anew',
    changedMs: [],
    heldFor: 0,
  }
}

export function step(config: HealthConfig, state: HealthState, event: HealthEvent): HealthStep {
  switch (event.kind) {
    case 'maintenance-began':
      return state.kind === 'maintenance' ? nothing(state) : moveTo('maintenance', state, event.atMs, 'in maintenance')
    case 'maintenance-ended':
      return state.kind === 'maintenance' ? moveTo('unknown', state, event.atMs, 'maintenance is over') : nothing(state)
    case 'succeeded':
    case 'failed':
      return state.kind === 'maintenance' ? nothing(state) : stepResult(config, state, event)
  }
}

type Result = HealthEvent & { readonly kind: 'succeeded' | 'failed' }

/** The first result ever decides at once, so that a service is up as soon as its servers are; later ones need `rise` or `fall`. */
function stepResult(config: HealthConfig, was: HealthState, event: Result): HealthStep {
  const isGood = event.kind === 'succeeded'
  const state = counted(config, was, event)
  const seen = isGood ? 'healthy' : 'unhealthy'
  if (was.kind === 'unknown' || (was.isAssumed === true && !isGood))
    return change(was, state, seen, event, event.detail)
  if (was.kind === seen) return steady(config, was, state, seen)
  const needed = isGood ? config.rise : config.fall
  const against = Math.min(was.against + 1, needed)
  if (against < needed) {
    const { detail } = event
    const wavered: HealthEffect = { kind: 'wavered', health: was.kind, count: against, needed, detail }
    return { state: { ...state, against }, effects: [wavered] }
  }
  return isGood ? rise(config, was, { ...state, against }, event) : fall(config, was, state, event)
}

function steady({ rise, fall }: HealthConfig, was: HealthState, state: HealthState, health: HealthKind): HealthStep {
  if (was.against === 0) return nothing(state)
  // Where one result is enough, it was held out, and never said to waver.
  const hasWavered = (health === 'healthy' ? fall : rise) > 1
  return { state: { ...state, against: 0 }, effects: hasWavered ? [{ kind: 'steadied', health }] : [] }
}

/** What every result counts towards, whatever it changes. */
function counted({ connects = 0 }: HealthConfig, was: HealthState, { kind, check, atMs }: Result): HealthState {
  const { wellSinceMs = atMs, isAssumed: _, ...rest } = was
  const results = was.results + 1
  // ldirectord, checktype N: whatever fails is followed by a probe, and a good probe by N connects.
  if (kind === 'failed') return { ...rest, results, connectsLeft: 0 }
  const connectsLeft = check === 'probe' ? connects : Math.max(0, was.connectsLeft - 1)
  return { ...rest, results, connectsLeft, wellSinceMs }
}

function fall({ damping }: HealthConfig, was: HealthState, state: HealthState, event: Result): HealthStep {
  const changed = changesUntil(damping, was, event.atMs)
  const isHeld = damping !== undefined && changed.length >= damping.changes
  const next = { ...state, ...remembered(damping, changed), heldFor: isHeld ? changed.length : 0 }
  return change(was, next, 'unhealthy', event, withHold(damping, next, event.detail))
}

function rise({ damping }: HealthConfig, was: HealthState, state: HealthState, event: Result): HealthStep {
  const { wellSinceMs = event.atMs } = state
  if (damping !== undefined && was.heldFor > 0 && event.atMs - wellSinceMs < damping.holdMs) return nothing(state)
  const changed = changesUntil(damping, was, event.atMs)
  return change(was, { ...state, ...remembered(damping, changed), heldFor: 0 }, 'healthy', event, event.detail)
}

/** With one at `atMs`. */
function changesUntil(damping: FlapDamping | undefined, { changedMs }: HealthState, atMs: number): readonly number[] {
  if (damping === undefined) return []
  return [...changedMs.filter((at) => at > atMs - damping.withinMs), atMs]
}

/** More than damping counts to need not be kept. */
function remembered(damping: FlapDamping | undefined, changed: readonly number[]): Pick<HealthState, 'changedMs'> {
  return { changedMs: damping === undefined ? [] : changed.slice(-damping.changes) }
}

function change(
  was: HealthState,
  state: HealthState,
  to: 'healthy' | 'unhealthy',
  { atMs }: Result,
  detail: string,
): HealthStep {
  const isReturning = state.isReturning || to === 'unhealthy'
  const effect: HealthEffect = { kind: 'changed', from: was.kind, to, detail, after: was.results }
  return { state: { ...state, kind: to, sinceMs: atMs, results: 1, against: 0, isReturning }, effects: [effect] }
}

/** Into maintenance and out of it: what was counted is void. */
function moveTo(to: 'maintenance' | 'unknown', was: HealthState, atMs: number, detail: string): HealthStep {
  const state = { ...beginHealth('anew', atMs), kind: to }
  return { state, effects: [{ kind: 'changed', from: was.kind, to, detail, after: was.results }] }
}

/** Whether this result leaves a healthy server so, but not beyond doubt. */
export function isDoubted({ fall }: HealthConfig, { kind, against, isAssumed }: HealthState, isGood: boolean): boolean {
  return !isGood && kind === 'healthy' && isAssumed !== true && against + 1 < fall
}

const nothing = (state: HealthState): HealthStep => ({ state, effects: [] })

/** Which kind of check its next result is to come from. */
export function nextCheck({ connectsLeft }: HealthState): 'probe' | 'connect' {
  return connectsLeft > 0 ? 'connect' : 'probe'
}

/** What a check said, and why its server stays out all the same. */
export function withHold(damping: FlapDamping | undefined, { heldFor }: HealthState, detail: string): string {
  if (damping === undefined || heldFor === 0) return detail
  const { withinMs, holdMs } = damping
  return `${detail}; held out: ${heldFor} changes within ${withinMs / 1000} s, until it was well for ${holdMs / 1000} s`
}

/**
 * When to check again: the interval, or up to a tenth sooner, so that checks of many servers do not march in step, and a
 * server that fails is out after fall × every + timeout at the latest. `chance` is in [0, 1); that in the middle gives the
 * interval itself.
 */
export function nextProbeMs(everyMs: number, chance: number): number {
  return everyMs * (1 - 0.1 * ((chance + 0.5) % 1))
}

/**
 * And for the second time: within the whole interval, as servers that became known together would go on being checked
 * together for long.
 */
export function secondProbeMs(everyMs: number, chance: number): number {
  return everyMs * (1 - ((chance + 0.5) % 1))
}

/** When to check a new server first. */
export function firstProbeMs({ warmUpMs = 0 }: Pick<CheckSpec, 'warmUpMs'>, chance: number): number {
  return warmUpMs * chance
}
