/** What else decides whether a router is fit to be master: interfaces, commands and checks, each with its weight. Pure. */

/** `ill` as soon as it is not well; `unknown` until it has first been looked at; a number: what a file says, 0 is well. */
export type TrackedState = 'well' | 'ill' | 'unknown' | number

/**
 * Without a weight a router whose tracked thing is ill is at fault. A positive weight counts while it is well, a negative
 * one while it is ill; a number is multiplied by it. `isReversed`: taken away in place of added, and well is the fault.
 */
export type Tracked = { readonly name: string; readonly weight?: number; readonly isReversed?: true }

export type Fitness = { readonly priority: number; readonly faults: readonly string[] }

const owner = 255

/** The owner's priority never changes; another's stays within 1..254 (keepalived does the same). */
export function fitness(
  priority: number,
  tracked: readonly Tracked[],
  states: ReadonlyMap<string, TrackedState>,
): Fitness {
  const stateOf = ({ name }: Tracked): TrackedState => states.get(name) ?? 'unknown'
  const faults = tracked.flatMap((one) => faultOf(one, stateOf(one)) ?? [])
  if (priority === owner) return { priority, faults }
  const weights = tracked.map((one) => partOf(one, stateOf(one)))
  const total = weights.reduce((sum, weight) => sum + weight, priority)
  return { priority: Math.min(Math.max(total, 1), owner - 1), faults }
}

/** keepalived.conf(5): a file that takes more than any priority is a fault, too. */
const least = -253

function faultOf(one: Tracked, state: TrackedState): string | undefined {
  const { name, weight = 0 } = one
  const isReversed = one.isReversed === true
  if (weight !== 0) return typeof state === 'number' && partOf(one, state) < least ? `${name} says ${state}` : undefined
  if (state === 'unknown') return `${name} is not known yet`
  if (isWell(state) !== isReversed) return undefined
  if (typeof state === 'number') return `${name} says ${state}`
  return isReversed ? `${name} does not fail` : `${name} fails`
}

function partOf({ weight = 0, isReversed }: Tracked, state: TrackedState): number {
  const sign = isReversed === true ? -1 : 1
  if (typeof state === 'number') return state * weight * sign
  const counts = weight > 0 ? state === 'well' : state === 'ill'
  return counts ? weight * sign : 0
}

export function isWell(state: TrackedState): boolean {
  return state === 'well' || state === 0
}
