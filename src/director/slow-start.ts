/** A server that came back gets its weight step by step. Pure. */

/** From nothing to all of its weight. */
const steps = 20

/** What an engine takes: ipvsadm(8), -w. */
export const greatestWeight = 65_535

export type Ramp = {
  /** In the order of what was given. */
  readonly weights: readonly number[]
  /** When the next step is due; undefined: all have arrived, and the weights are those that were given. */
  readonly nextMs: number | undefined
}

/**
 * The weights of a service's servers at `nowMs`; `backMs` says when one came back, undefined of one that was there all
 * along. Weights are whole numbers, so while one grows all are multiplied by a common factor: even a weight of 1 has its
 * steps then, and the others keep their shares of what is left.
 */
export function rampedWeights(
  wanted: readonly number[],
  backMs: readonly (number | undefined)[],
  slowStartMs: number,
  nowMs: number,
): Ramp {
  const stepMs = Math.max(1, Math.ceil(slowStartMs / steps))
  let nextMs: number | undefined
  let least = Number.POSITIVE_INFINITY
  let most = 0
  const taken = wanted.map((weight, index) => {
    most = Math.max(most, weight)
    const sinceMs = backMs[index]
    if (sinceMs === undefined || weight === 0) return steps
    const done = Math.min(Math.max(0, Math.floor((nowMs - sinceMs) / stepMs)), steps)
    if (done < steps) {
      least = Math.min(least, weight)
      const dueMs = sinceMs + (done + 1) * stepMs
      nextMs = nextMs === undefined ? dueMs : Math.min(nextMs, dueMs)
    }
    return done
  })
  if (nextMs === undefined) return { weights: wanted, nextMs }
  const factor = Math.max(1, Math.min(Math.ceil(steps / least), Math.floor(greatestWeight / most)))
  return { weights: wanted.map((weight, index) => grown(weight * factor, taken[index] ?? steps)), nextMs }
}

/** It gets its first connections at once: without any it would not warm up. */
function grown(weight: number, taken: number): number {
  return taken === steps || weight === 0 ? weight : Math.max(1, Math.floor((weight * taken) / steps))
}
