/** The metrics of a daemon: what counts, what tells them, and where over TCP. */
import type { Director, DirectorOptions } from '../../director/director.ts'
import type { DirectorEvent } from '../../director/events.ts'
import type { Engine, EngineReport } from '../../engines/engine.ts'
import { InfraError } from '../../errors.ts'
import type { Timing } from '../../health/timing.ts'
import { openMetricsListeners } from './listener.ts'
import { openMeter } from './meter.ts'
import { type Scrape, scrape } from './scrape.ts'

/** Of a large table each takes much memory. */
const mostAtOnce = 4

/** What a director is to tell them. */
type Hooks = Required<Pick<DirectorOptions, 'onIntent' | 'onResult' | 'onRound' | 'onTried' | 'troubles'>>

export type Metrics = AsyncDisposable & {
  readonly hooks: Hooks
  /** @throws InfraError `busy` when others are served, or there is no director yet. */
  readonly scrape: Scrape
  readonly event: (event: DirectorEvent) => void
  readonly report: (kind: EngineReport['kind']) => void
  /** The engine, whose counts are not to go back. */
  readonly heed: (engine: Engine) => Engine
  /** Until then there is nothing to tell. */
  attach(director: Pick<Director, 'measure'>): void
}

export type MetricsOptions = {
  readonly timing: Timing
  readonly now: () => Date
  readonly restarts: number
  /** An address cannot be taken, and why; or it was at last. */
  readonly onTrouble: (at: string, reason: string | undefined) => void
}

export function openMetrics(options: MetricsOptions): Metrics {
  const meter = openMeter(options)
  let director: Pick<Director, 'measure'> | undefined
  let underWay = 0
  const scrapeNow: Scrape = async function* (call) {
    if (director === undefined || underWay >= mostAtOnce) {
      const why = director === undefined ? 'the director is not up yet' : `${mostAtOnce} scrapes are under way`
      throw new InfraError('busy', why, { subject: 'metrics', retryable: true })
    }
    underWay += 1
    try {
      yield* scrape(director, meter, call)
    } finally {
      underWay -= 1
    }
  }
  const listeners = openMetricsListeners({ ...options, scrape: scrapeNow })
  return {
    scrape: scrapeNow,
    hooks: {
      onIntent: ({ clusters }) => listeners.follow(clusters.flatMap(({ metrics }) => metrics ?? [])),
      onResult: meter.checks.take,
      onRound: meter.round,
      onTried: meter.tried,
      troubles: listeners.troubles,
    },
    event: meter.event,
    report: meter.report,
    heed: meter.totals.heed,
    attach: (standing) => void (director = standing),
    [Symbol.asyncDispose]: () => listeners[Symbol.asyncDispose](),
  }
}
