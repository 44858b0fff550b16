/**
 * Counters as IPVS shows them: not what has been counted, but the copy that the estimator took last, less the copy that
 * stood when they were zeroed. Until the first copy all is zero.
 */
import { type Counters, noCounters, type Rates } from '../engine.ts'
import { Estimator } from '../estimator.ts'

type Counting = { -readonly [Name in keyof Counters]: number }

/** Those whose rates move: the rest need no work. */
export class Estimation {
  readonly #moving = new Set<Statistics>()

  get isIdle(): boolean {
    return this.#moving.size === 0
  }

  moves(statistics: Statistics): void {
    this.#moving.add(statistics)
  }

  /** Of a deleted server: what was not copied yet is copied when it comes back. */
  pauses(statistics: Statistics): void {
    this.#moving.delete(statistics)
  }

  /** To be called every `estimateMs`. */
  step(): void {
    for (const statistics of this.#moving) if (!statistics.step()) this.#moving.delete(statistics)
  }
}

export class Statistics {
  readonly #counted: Counting = { ...noCounters }
  readonly #estimation: Estimation
  #copy = noCounters
  #baseline = noCounters
  #estimator: Estimator | undefined

  constructor(estimation: Estimation) {
    this.#estimation = estimation
  }

  connection(): void {
    this.#counted.connections += 1
    this.#estimation.moves(this)
  }

  in(bytes: number): void {
    this.#counted.packetsIn += 1
    this.#counted.bytesIn += bytes
    this.#estimation.moves(this)
  }

  out(bytes: number): void {
    this.#counted.packetsOut += 1
    this.#counted.bytesOut += bytes
    this.#estimation.moves(this)
  }

  /** Takes the copy and moves the rates; false when nothing will move any more until something is counted. */
  step(): boolean {
    const isNew = !isSame(this.#copy, this.#counted)
    if (isNew) this.#copy = { ...this.#counted }
    this.#estimator ??= new Estimator()
    this.#estimator.step(this.#copy)
    return isNew || !this.#estimator.isStill
  }

  pause(): void {
    this.#estimation.pauses(this)
  }

  resume(): void {
    this.#estimation.moves(this)
  }

  zero(): void {
    this.#baseline = this.#copy
    this.#estimator?.zero(this.#copy)
  }

  get counters(): Counters {
    const [copy, baseline] = [this.#copy, this.#baseline]
    return {
      connections: copy.connections - baseline.connections,
      packetsIn: copy.packetsIn - baseline.packetsIn,
      packetsOut: copy.packetsOut - baseline.packetsOut,
      bytesIn: copy.bytesIn - baseline.bytesIn,
      bytesOut: copy.bytesOut - baseline.bytesOut,
    }
  }

  get rates(): Rates {
    return this.#estimator?.rates ?? noCounters
  }
}

function isSame(a: Counters, b: Counters): boolean {
  return (
    a.connections === b.connections &&
    a.packetsIn === b.packetsIn &&
    a.packetsOut === b.packetsOut &&
    a.bytesIn === b.bytesIn &&
    a.bytesOut === b.bytesOut
  )
}
