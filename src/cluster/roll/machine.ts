/** What a roll does next: which guests of a pool may go now, so that enough of them always serve. Pure. */

export type RollGuest = {
  readonly name: string
  /** `new`: it has been renewed, or is not meant. `begun`: a roll that was killed has begun with it: it has to be ended. */
  readonly state: 'old' | 'begun' | 'renewing' | 'new'
  /** Whether it takes connections now. */
  readonly usable: boolean
}

/** A guest beside the pool's own, for the time of the roll. */
export type ExtraGuest = {
  readonly name: string
  readonly state: 'absent' | 'making' | 'there' | 'dropping'
  readonly usable: boolean
}

export type RollLimits = {
  /** So many of the pool may be without service at a time. */
  readonly maxUnavailable: number
  /** So many guests are made beside it. */
  readonly surge: number
}

export type RollWish = 'go' | 'pause' | 'abort'

export type RollView = {
  /** All of the pool, in order. */
  readonly guests: readonly RollGuest[]
  /** As many as `surge`, in order. */
  readonly extras: readonly ExtraGuest[]
  readonly limits: RollLimits
  readonly wish: RollWish
  /** Whether a guest could not be renewed, or an extra one not be made. */
  readonly hasFailed: boolean
}

export type RollStep = { readonly kind: 'renew' | 'add' | 'drop'; readonly guest: string }

export type RollEnd = 'done' | 'paused' | 'aborted' | 'failed'

/** What to begin now; an `end` when nothing is under way and nothing is left to begin; neither: wait. */
export type Decision = { readonly steps: readonly RollStep[]; readonly end?: RollEnd }

export function decide(view: RollView): Decision {
  const { guests, extras, wish, hasFailed } = view
  const isBusy =
    guests.some(({ state }) => state === 'renewing') ||
    extras.some(({ state }) => state === 'making' || state === 'dropping')
  const isBegun = guests.some(({ state }) => state === 'begun')
  const isLeft = isBegun || guests.some(({ state }) => state === 'old')
  if (wish === 'go' && !hasFailed && isLeft) return { steps: [...additions(view), ...renewals(view, ['begun', 'old'])] }
  if (!hasFailed && isBegun) return { steps: renewals(view, ['begun']) }
  if (isBusy) return { steps: [] }
  if (hasFailed && wish !== 'abort') return { steps: [], end: 'failed' }
  // Who pauses goes on later: the extra guests stay.
  if (wish === 'pause' && isLeft) return { steps: [], end: 'paused' }
  const there = extras.filter(({ state }) => state === 'there')
  if (there.length > 0) return { steps: there.map(({ name }) => ({ kind: 'drop', guest: name })) }
  return { steps: [], end: isLeft || hasFailed ? 'aborted' : 'done' }
}

/** One that is there and does not serve was perhaps only half made. */
function additions({ extras }: RollView): RollStep[] {
  return extras.flatMap(({ name, state, usable }): RollStep[] =>
    state === 'absent' || (state === 'there' && !usable) ? [{ kind: 'add', guest: name }] : [],
  )
}

/** Those without service go first: they cost nothing. */
function renewals({ guests, extras, limits }: RollView, states: readonly RollGuest['state'][]): RollStep[] {
  const least = guests.length - limits.maxUnavailable
  let ready =
    guests.filter(({ state, usable }) => usable && state !== 'renewing').length +
    extras.filter(({ state, usable }) => usable && state === 'there').length
  let places = limits.maxUnavailable + limits.surge - guests.filter(({ state }) => state === 'renewing').length
  const old = guests.filter(({ state }) => states.includes(state))
  const steps: RollStep[] = []
  for (const { name, usable } of [...old.filter((one) => !one.usable), ...old.filter((one) => one.usable)]) {
    if (places <= 0 || (usable && ready - 1 < least)) break
    if (usable) ready -= 1
    places -= 1
    steps.push({ kind: 'renew', guest: name })
  }
  return steps
}
