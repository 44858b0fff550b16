/** Long work beside other work: some milliseconds at a time, and a turn of the event loop between. */
import { setImmediate } from 'node:timers/promises'

const stretchMs = 10

/** To be asked between pieces that are short: `if (pace.isDue) await pace.rest()`. */
export class Pace {
  readonly #throwIfOver: () => void
  #begunMs = performance.now()

  /** `throwIfOver`: says after each rest, by what it throws, that the work is not to go on. */
  constructor(throwIfOver: () => void) {
    this.#throwIfOver = throwIfOver
  }

  get isDue(): boolean {
    return performance.now() - this.#begunMs >= stretchMs
  }

  async rest(): Promise<void> {
    await setImmediate()
    this.#throwIfOver()
    this.#begunMs = performance.now()
  }
}
