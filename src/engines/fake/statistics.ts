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
  /** Made with the first packet: most of a large table never sees one. */
  #counted: Counting | undefined
  readonly #estimation: Estimation
  #copy = noCounters
  #baseline = noCounters
  #estimator: Estimator | undefined

  constructor(estimation: Estimation) {
    this.#estimation = estimation
  }

  connection(): void {
    this.#counting().connections += 1
  }

  in(bytes: number): void {
    const counted = this.#counting()
    counted.packetsIn += 1
    counted.bytesIn += bytes
  }

  out(bytes: number): void {
    const counted = this.#counting()
    counted.packetsOut += 1
    counted.bytesOut += bytes
  }

  /** Takes the copy and moves the rates; false when nothing will move any more until something is counted. */
  step(): boolean {
    const counted = this.#counted ?? noCounters
    const isNew = !isSame(this.#copy, counted)
    if (isNew) this.#copy = { ...counted }
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

  #counting(): Counting {
    this.#estimation.moves(this)
    this.#counted ??= { ...noCounters }
    return this.#counted
  }

  get counters(): Counters {
    const [copy, baseline] = [this.#copy, this.#baseline]
    if (baseline === noCounters) return copy
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
