/** When lblc and lblcr forget destinations, and which: as the kernel's tables do, bucket by bucket. */
import { fold, hash32 } from './fold.ts'
import type { AddressWords } from './scheduler.ts'

const bits = 10
export const buckets = 1 << bits
/** Above this many, entries that were idle for a while are dropped; at half as many again, none is taken in. */
const comfortable = buckets * 16
export const mostDestinations = (comfortable * 3) / 2
const idleMs = 6 * 60_000
/** At each so many ticks all that has expired is dropped. */
const ticksPerFullCheck = 30

/** The kernel's buckets: it drops entries of whole ones. */
export function bucketOf(address: AddressWords): number {
  return hash32(fold(address), bits)
}

/** One service's destinations, wherever they are kept. */
export type Sweepable = {
  size(): number
  /** Drops all of that bucket that were last used at that time, or earlier. */
  sweep(bucket: number, untilMs: number): void
}

export class Forgetting {
  /** The bucket where the last check ended. */
  #rover = 0
  #ticks = 1

  /** Once a minute. Expired is what was last used so long ago, or longer. */
  tick(table: Sweepable, atMs: number, expirationSeconds: number): void {
    if (this.#ticks % ticksPerFullCheck === 0) {
      this.#ticks = 1
      this.#drop(table, atMs - expirationSeconds * 1000, Number.POSITIVE_INFINITY)
    } else if (table.size() <= comfortable) this.#ticks += 1
    else {
      const surplus = Math.floor(((table.size() - comfortable) * 4) / 3)
      this.#drop(table, atMs - idleMs, Math.min(surplus, comfortable / 2))
    }
  }

  /** Whole buckets, one after the other, until the goal is reached or all have had their turn. */
  #drop(table: Sweepable, untilMs: number, goal: number): void {
    const wanted = table.size() - goal
    for (let turn = 0; turn < buckets; turn++) {
      this.#rover = (this.#rover + 1) % buckets
      table.sweep(this.#rover, untilMs)
      if (table.size() <= wanted) return
    }
  }
}
