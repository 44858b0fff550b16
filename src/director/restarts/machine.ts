/** Whether a guest whose checks fail is started anew, and when: ever more slowly, and not for ever. Pure. */
import type { RestartPolicy } from '../control.ts'

/** `unsure`: not all of its checks have spoken. `out`: somebody has it out of service on purpose. */
export type GuestHealth = 'well' | 'sick' | 'unsure' | 'out'

export type RestartState = {
  /** `left`: restarts did not help; it is a person's now. */
  readonly phase: 'well' | 'sick' | 'restarting' | 'left'
  /** Since when, on the caller's clock. */
  readonly sinceMs: number
  /** When it was restarted, as far as that still counts, the oldest first. */
  readonly restarts: readonly number[]
}

export type RestartEvent =
  | { readonly kind: 'seen'; readonly health: GuestHealth }
  | { readonly kind: 'tick' }
  /** `passed`: there was nothing to restart, as it does not run, or not here. */
  | { readonly kind: 'ended'; readonly how: 'restarted' | 'failed' | 'passed' }
  /** A person has started it: what was before does not count. */
  | { readonly kind: 'started' }

export type Next = { readonly state: RestartState; readonly effect?: 'restart' | 'leave' }

export const wellGuest: RestartState = { phase: 'well', sinceMs: 0, restarts: [] }

export function step(policy: RestartPolicy, state: RestartState, event: RestartEvent, nowMs: number): Next {
  const become = (phase: RestartState['phase'], restarts = state.restarts): Next => ({
    state: { phase, sinceMs: nowMs, restarts },
  })
  switch (event.kind) {
    case 'started':
      return state.phase === 'restarting' ? { state } : become('well', [])
    case 'seen':
      return seen(state, event.health, become)
    case 'ended': {
      if (state.phase !== 'restarting') return { state }
      if (event.how === 'passed') return become('sick')
      return become(event.how === 'restarted' ? 'well' : 'sick', [...state.restarts, nowMs])
    }
    case 'tick': {
      const dueMs = dueAt(policy, state, nowMs)
      if (dueMs === undefined || dueMs > nowMs) return { state }
      const restarts = counted(policy, state, nowMs)
      if (restarts.length >= policy.limit) return { ...become('left', restarts), effect: 'leave' }
      return { ...become('restarting', restarts), effect: 'restart' }
    }
  }
}

function seen(state: RestartState, health: GuestHealth, become: (phase: 'well' | 'sick', restarts?: []) => Next): Next {
  switch (state.phase) {
    case 'restarting':
      return { state }
    case 'well':
      return health === 'sick' ? become('sick') : { state }
    case 'sick':
      return health === 'well' || health === 'out' ? become('well') : { state }
    case 'left':
      return health === 'well' || health === 'out' ? become('well', []) : { state }
  }
}

/** When a sick guest has been sick for long enough, and its last restart is long enough ago; undefined: it is not sick. */
export function dueAt(policy: RestartPolicy, state: RestartState, nowMs: number): number | undefined {
  if (state.phase !== 'sick') return undefined
  const ripe = state.sinceMs + policy.afterMs
  const restarts = counted(policy, state, nowMs)
  const last = restarts.at(-1)
  return last === undefined ? ripe : Math.max(ripe, last + policy.backOffMs * 2 ** (restarts.length - 1))
}

function counted({ withinMs }: RestartPolicy, { restarts }: RestartState, nowMs: number): readonly number[] {
  return restarts.filter((atMs) => atMs > nowMs - withinMs)
}
