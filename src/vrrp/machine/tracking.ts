/** What else decides whether a router is fit to be master: interfaces, commands and checks, each with its weight. Pure. */

/** `ill` as soon as it is not well; `unknown` until it has first been looked at. */
export type TrackedState = 'well' | 'ill' | 'unknown'

/**
 * Without a weight a router whose tracked thing is ill is at fault. A positive weight counts while it is well, a negative
 * one while it is ill.
 */
export type Tracked = { readonly name: string; readonly weight?: number }

export type Fitness = { readonly priority: number; readonly faults: readonly string[] }

const owner = 255

/** The owner's priority never changes; another's stays within 1..254 (keepalived does the same). */
export function fitness(
  priority: number,
  tracked: readonly Tracked[],
  states: ReadonlyMap<string, TrackedState>,
): Fitness {
  const stateOf = ({ name }: Tracked): TrackedState => states.get(name) ?? 'unknown'
  const faults = tracked.flatMap((one) => {
    if (one.weight !== undefined && one.weight !== 0) return []
    if (stateOf(one) === 'ill') return [`${one.name} fails`]
    return stateOf(one) === 'unknown' ? [`${one.name} is not known yet`] : []
  })
  if (priority === owner) return { priority, faults }
  const weights = tracked.map((one) => {
    const { weight = 0 } = one
    if (weight > 0) return stateOf(one) === 'well' ? weight : 0
    return stateOf(one) === 'ill' ? weight : 0
  })
  const total = weights.reduce((sum, weight) => sum + weight, priority)
  return { priority: Math.min(Math.max(total, 1), owner - 1), faults }
}
