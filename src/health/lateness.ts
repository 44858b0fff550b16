/** Whether checks begin when they should and can run at all, and what is said of it when they do not. */

import type { Places } from './places.ts'

export type LatenessOptions = {
  readonly now: () => number
  /** Where checks wait, for the reason. */
  readonly places: readonly Pick<Places, 'limit' | 'waiting' | 'isFull'>[]
  /** Told once when it begins, and once when it is over. */
  readonly onTrouble: (trouble: string | undefined) => void
}

/** It is over when so long nothing was late and everything could run. */
const calmMs = 30_000

/** A check is late that begins a quarter of its interval after its time, and a second at least. */
const lateMs = (everyMs: number): number => Math.max(1000, everyMs / 4)

export class Lateness {
  readonly #options: LatenessOptions
  #lastMs = Number.NEGATIVE_INFINITY
  #trouble: string | undefined
  #late = 0

  constructor(options: LatenessOptions) {
    this.#options = options
  }

  /** How many checks have begun late, ever. */
  late(): number {
    return this.#late
  }

  /** undefined while checks keep their times; it is looked at whenever a check begins, and whenever somebody asks. */
  trouble(): string | undefined {
    if (this.#trouble !== undefined && this.#options.now() - this.#lastMs > calmMs) this.#say(undefined)
    return this.#trouble
  }

  begun(behindMs: number, everyMs: number): void {
    if (behindMs < lateMs(everyMs)) return void this.trouble()
    this.#late += 1
    const full = this.#options.places.find(({ isFull, waiting }) => isFull && waiting > 0)
    const why =
      full === undefined
        ? 'the director is too busy'
        : `no more than ${full.limit} at once are run, by the open-file limit, and ${full.waiting} wait`
    this.#note(`checks begin late, up to now by ${(behindMs / 1000).toFixed(1)} s: ${why}`)
  }

  /** `failure`: why a check could not run. */
  ran(failure: string | undefined): void {
    if (failure !== undefined) this.#note(`checks cannot run, and health stays as it is: ${failure}`)
  }

  /** The first is told; what follows soon says nothing new. */
  #note(trouble: string): void {
    this.#lastMs = this.#options.now()
    if (this.#trouble === undefined) this.#say(trouble)
  }

  #say(trouble: string | undefined): void {
    this.#trouble = trouble
    this.#options.onTrouble(trouble)
  }
}
