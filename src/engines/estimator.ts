/**
 * Rates as the kernel estimates them: every 2 s an average moves a quarter of the way to what has come since. In fixed
 * point, as there: 10 bits for connections and packets, 5 for bytes, each rounded to the nearest when shown.
 */
import type { Counters, Rates } from './engine.ts'

const names = ['connections', 'packetsIn', 'packetsOut', 'bytesIn', 'bytesOut'] as const
const scales = [1024, 1024, 1024, 32, 32] as const

/** How often `step` is to be called. */
export const estimateMs = 2000

export class Estimator {
  readonly #last = new Float64Array(names.length)
  readonly #average = new Float64Array(names.length)

  /** What has come since the last step moves the averages. */
  step(counters: Counters): void {
    for (const [at, scale] of scales.entries()) {
      const now = counters[names[at] ?? 'connections']
      const perSecond = ((now - (this.#last[at] ?? 0)) * scale) / (estimateMs / 1000)
      const average = this.#average[at] ?? 0
      this.#average[at] = average + Math.floor((perSecond - average) / 4)
      this.#last[at] = now
    }
  }

  /** Nothing more will move until something is counted. */
  get isStill(): boolean {
    return this.#average.every((average) => average === 0)
  }

  get rates(): Rates {
    const shown = (at: number): number => {
      const scale = scales[at] ?? 1
      return Math.floor(((this.#average[at] ?? 0) + scale / 2 - 1) / scale)
    }
    return {
      connections: shown(0),
      packetsIn: shown(1),
      packetsOut: shown(2),
      bytesIn: shown(3),
      bytesOut: shown(4),
    }
  }

  /** Begins anew, from these counters on. */
  zero(counters: Counters): void {
    this.#average.fill(0)
    for (const [at, name] of names.entries()) this.#last[at] = counters[name]
  }
}
