/** What lblc and lblcr remember: something for each destination address, forgotten as the kernel's tables forget. */
import { bucketOf, buckets, Forgetting, mostDestinations } from './forgetting.ts'
import type { AddressWords } from './scheduler.ts'

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
  readonly #forgetting = new Forgetting()

  constructor(forgotten: (value: T) => void) {
    this.#forgotten = forgotten
  }

  get(address: AddressWords): Entry<T> | undefined {
    let entry = this.#buckets[bucketOf(address)]
    while (entry !== undefined && !isSame(entry.address, address)) entry = entry.next
    return entry
  }

  /** Only for an address that is not there. False when the table is full. */
  add(address: AddressWords, value: T, atMs: number): boolean {
    if (this.#size >= mostDestinations) return false
    if (this.#buckets.length === 0) this.#buckets = Array.from({ length: buckets })
    const bucket = bucketOf(address)
    this.#buckets[bucket] = { address: Array.from(address), value, lastUseMs: atMs, next: this.#buckets[bucket] }
    this.#size += 1
    return true
  }

  /** Once a minute. Expired is what was last used so long ago, or longer. */
  tick(atMs: number, expirationSeconds: number): void {
    const table = {
      size: () => this.#size,
      sweep: (bucket: number, untilMs: number) => this.#sweep(bucket, untilMs),
    }
    this.#forgetting.tick(table, atMs, expirationSeconds)
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
