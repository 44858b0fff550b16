/** Things that end at a time which is mostly put off: a binary heap that puts an item back when its time has moved. */

export type Timed = {
  /** Infinity: it has no end. */
  expiresAtMs: number
  /** The heap's own: when it looks at the item next. */
  queuedAtMs: number
}

type Entry<T> = { readonly atMs: number; readonly order: number; readonly item: T }

export class Timers<T extends Timed> {
  readonly #heap: Entry<T>[] = []
  #order = 0

  /** Gives the item another end, earlier or later. Putting off costs nothing. */
  set(item: T, atMs: number): void {
    item.expiresAtMs = atMs
    if (atMs >= item.queuedAtMs) return
    item.queuedAtMs = atMs
    this.#push({ atMs, order: this.#order++, item })
  }

  clear(item: T): void {
    item.expiresAtMs = Number.POSITIVE_INFINITY
  }

  /** When to look again; the item may have been put off since. Infinity when there is none. */
  get nextMs(): number {
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY
  }

  /** An item whose time has come at `nowMs`, the earliest first; it is in no heap any more. */
  take(nowMs: number): T | undefined {
    for (let top = this.#heap[0]; top !== undefined && top.atMs <= nowMs; top = this.#heap[0]) {
      this.#pop()
      const { item, atMs } = top
      // Another entry stands for it.
      if (atMs !== item.queuedAtMs) continue
      item.queuedAtMs = Number.POSITIVE_INFINITY
      if (item.expiresAtMs <= atMs) return item
      if (item.expiresAtMs !== Number.POSITIVE_INFINITY) this.set(item, item.expiresAtMs)
    }
    return undefined
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap
    let at = heap.push(entry) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !isBefore(entry, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      const least = right !== undefined && left !== undefined && isBefore(right, left) ? right : left
      if (least === undefined || !isBefore(least, last)) break
      heap[at] = least
      at = 2 * at + (least === left ? 1 : 2)
    }
    heap[at] = last
  }
}

function isBefore(a: Entry<unknown>, b: Entry<unknown>): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
