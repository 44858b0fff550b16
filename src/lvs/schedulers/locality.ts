/** What lblc and lblcr remember: something for each destination address, forgotten as the kernel's tables forget. */
import { fold, hash32 } from './fold.ts'
import type { AddressWords } from './scheduler.ts'

const bits = 10
const buckets = 1 << bits
/** Above this many, entries that were idle for a while are dropped; at half as many again, none is taken in. */
const comfortable = buckets * 16
const limit = (comfortable * 3) / 2
const idleMs = 6 * 60_000
/** At each so many ticks all that has expired is dropped. */
const ticksPerFullCheck = 30

export type Entry<T> = {
  readonly address: AddressWords
  value: T
  lastUseMs: number
  next: Entry<T> | undefined
}

/** A hash table with the kernel's buckets, because it drops entries bucket by bucket. `forgotten` gets each dropped value. */
export class Locality<T> {
  /** Made with the first entry: a director may have thousands of services that nobody uses. */
  #buckets: (Entry<T> | undefined)[] = []
  readonly #forgotten: (value: T) => void
  #size = 0
  /** The bucket where the last check ended. */
  #rover = 0
  #ticks = 1

  constructor(forgotten: (value: T) => void) {
    this.#forgotten = forgotten
  }

  get(address: AddressWords): Entry<T> | undefined {
    let entry = this.#buckets[hash32(fold(address), bits)]
    while (entry !== undefined && !isSame(entry.address, address)) entry = entry.next
    return entry
  }

  /** Only for an address that is not there. False when the table is full. */
  add(address: AddressWords, value: T, atMs: number): boolean {
    if (this.#size >= limit) return false
    if (this.#buckets.length === 0) this.#buckets = Array.from({ length: buckets })
    const bucket = hash32(fold(address), bits)
    this.#buckets[bucket] = { address: Array.from(address), value, lastUseMs: atMs, next: this.#buckets[bucket] }
    this.#size += 1
    return true
  }

  /** Once a minute. Expired is what was last used so long ago, or longer. */
  tick(atMs: number, expirationSeconds: number): void {
    if (this.#ticks % ticksPerFullCheck === 0) {
      this.#ticks = 1
      this.#drop(atMs - expirationSeconds * 1000, Number.POSITIVE_INFINITY)
    } else if (this.#size <= comfortable) this.#ticks += 1
    else {
      const surplus = Math.floor(((this.#size - comfortable) * 4) / 3)
      this.#drop(atMs - idleMs, Math.min(surplus, comfortable / 2))
    }
  }

  /** Whole buckets, one after the other, until the goal is reached or all have had their turn. */
  #drop(untilMs: number, goal: number): void {
    const wanted = this.#size - goal
    for (let turn = 0; turn < buckets; turn++) {
      this.#rover = (this.#rover + 1) % buckets
      this.#sweep(this.#rover, untilMs)
      if (this.#size <= wanted) return
    }
  }

  #sweep(bucket: number, untilMs: number): void {
    let kept: Entry<T> | undefined
    for (let entry = this.#buckets[bucket]; entry !== undefined; entry = entry.next) {
      if (entry.lastUseMs > untilMs) {
        kept = entry
        continue
      }
      if (kept === undefined) this.#buckets[bucket] = entry.next
      else kept.next = entry.next
      this.#size -= 1
      this.#forgotten(entry.value)
    }
  }
}

function isSame(a: AddressWords, b: AddressWords): boolean {
  if (a.length !== b.length) return false
  // Signed or not, words are the same when their bits are.
  for (let at = 0; at < a.length; at++) if (((a[at] ?? 0) ^ (b[at] ?? 0)) !== 0) return false
  return true
}
