/** Which persistence templates still control connections: counted by all threads, in memory that they share. */

/** Templates that one engine remembers; beyond, the one used longest ago gives way. */
export const templateLimit = 262_144

/** ```
 *  by slot:  0 connections under it   4 whether one of them has been seen to work
 *  ``` */
const useWords = 2

/** Slot 0 is nobody's: the template of connections that have none. */
export type TemplateUse = {
  readonly slots: number
  hold(slot: number): void
  release(slot: number): void
  /** A connection under it works. */
  assure(slot: number): void
  connections(slot: number): number
  isAssured(slot: number): boolean
  /** For a new template. */
  clear(slot: number): void
}

/** Twice the limit: a template that gave way keeps its slot until its last connection ends. */
export function sharedTemplateMemory(limit = templateLimit): SharedArrayBuffer {
  return new SharedArrayBuffer((2 * limit + 1) * useWords * 4)
}

export function openTemplateUse(memory: SharedArrayBuffer): TemplateUse {
  const words = new Int32Array(memory)
  return {
    slots: words.length / useWords,
    hold(slot) {
      if (slot > 0) Atomics.add(words, slot * useWords, 1)
    },
    release(slot) {
      if (slot > 0) Atomics.sub(words, slot * useWords, 1)
    },
    assure(slot) {
      if (slot > 0) Atomics.store(words, slot * useWords + 1, 1)
    },
    connections: (slot) => Atomics.load(words, slot * useWords),
    isAssured: (slot) => Atomics.load(words, slot * useWords + 1) === 1,
    clear(slot) {
      Atomics.store(words, slot * useWords, 0)
      Atomics.store(words, slot * useWords + 1, 0)
    },
  }
}
