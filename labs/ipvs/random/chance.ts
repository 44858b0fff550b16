/** Chance from a seed: the same seed gives the same scripts everywhere. */

export type Random = {
  /** 0 to below 1. */
  next(): number
  below(count: number): number
  pick<T>(from: readonly T[]): T
  /** True so often, in parts of one. */
  chance(share: number): boolean
}

/** mulberry32: 32 bits of state, good enough to draw test cases. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count: number): number => Math.floor(next() * count)
  return {
    next,
    below,
    pick: (from) => {
      const found = from[below(from.length)]
      if (found === undefined) throw new RangeError('nothing to pick from')
      return found
    },
    chance: (share) => next() < share,
  }
}
