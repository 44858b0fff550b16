/** Turns: whoever waits for one gets it in the order of asking, and has it to himself. */

export type Turns = {
  take<T>(body: () => Promise<T>): Promise<T>
  /** Resolves when all turns asked for so far are over. Never throws. */
  idle(): Promise<void>
}

export function turns(): Turns {
  let last: Promise<unknown> = Promise.resolve()
  return {
    take(body) {
      const mine = last.then(body)
      last = mine.catch(() => undefined)
      return mine
    },
    idle: async () => void (await last),
  }
}
