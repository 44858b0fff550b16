/**
 * Which slots of the ledger have changed since somebody last looked: a bit each, and a bit for every 32 of them, and so
 * on, in memory that threads share. Any thread marks; one takes. What was marked before a take began is never missed.
 */

const bits = 5
const width = 1 << bits

/** Words of each level, the slots' own first, up to a level of one word. */
function levelWords(slots: number): number[] {
  const words: number[] = []
  for (let left = slots; left > 1 || words.length === 0; ) {
    left = Math.max(Math.ceil(left / width), 1)
    words.push(left)
  }
  return words
}

export function changedSlotsMemory(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer(levelWords(slots).reduce((sum, words) => sum + words, 0) * 4)
}

export class ChangedSlots {
  readonly #levels: readonly Int32Array[]

  constructor(memory: SharedArrayBuffer, slots: number) {
    let offset = 0
    this.#levels = levelWords(slots).map((words) => {
      const level = new Int32Array(memory, offset, words)
      offset += words * 4
      return level
    })
  }

  mark(slot: number): void {
    let at = slot
    for (const level of this.#levels) {
      const word = at >>> bits
      const bit = 1 << (at & (width - 1))
      // Upwards always: a bit that stands here says nothing of the summary, which another thread may be about to write.
      if ((Atomics.load(level, word) & bit) === 0) Atomics.or(level, word, bit)
      at = word
    }
  }

  /** Calls `visit` for each slot that was marked, and unmarks it before. */
  take(visit: (slot: number) => void): void {
    this.#take(this.#levels.length - 1, 0, visit)
  }

  /** From the summary down: whoever marks meanwhile finds its summary bit gone and sets it anew. */
  #take(depth: number, word: number, visit: (slot: number) => void): void {
    const level = this.#levels[depth]
    if (level === undefined || Atomics.load(level, word) === 0) return
    let marked = Atomics.exchange(level, word, 0)
    while (marked !== 0) {
      const at = word * width + (31 - Math.clz32(marked & -marked))
      marked &= marked - 1
      if (depth === 0) visit(at)
      else this.#take(depth - 1, at, visit)
    }
  }
}
