/** What an engine does again and again while it stands. A job that fails is told of once, and that all is well again. */
import { describeError } from '../../errors.ts'
import type { EngineReport } from '../engine.ts'

export type Job = {
  readonly everyMs: number
  /** One that takes longer is waited for, beside the others. */
  readonly run: (nowMs: number) => void | Promise<void>
}

type Report = (kind: EngineReport['kind'], message: string) => void

const tickMs = 250

export class Upkeep implements Disposable {
  readonly #jobs: readonly Job[]
  readonly #report: Report
  readonly #running = new Set<Job>()
  readonly #timer: NodeJS.Timeout
  #ticks = 0
  #isTroubled = false
  #isOver = false

  /** In their order; `everyMs` in steps of 250. Keeps no process alive. */
  constructor(jobs: readonly Job[], report: Report) {
    this.#jobs = jobs
    this.#report = report
    this.#timer = setInterval(() => this.#tick(), tickMs).unref()
  }

  /** No job is begun any more, and what comes of those that run is not told of. */
  [Symbol.dispose](): void {
    this.#isOver = true
    clearInterval(this.#timer)
  }

  #tick(): void {
    this.#ticks += 1
    try {
      for (const job of this.#jobs)
        if (this.#ticks % (job.everyMs / tickMs) === 0 && !this.#running.has(job)) this.#run(job)
      if (this.#isTroubled) this.#report('well', 'all is well again')
      this.#isTroubled = false
    } catch (error) {
      if (!this.#isTroubled) this.#report('trouble', describeError(error))
      this.#isTroubled = true
    }
  }

  #run(job: Job): void {
    const done = job.run(performance.now())
    if (done === undefined) return
    this.#running.add(job)
    done
      .catch((error: unknown) => {
        if (!this.#isOver) this.#report('trouble', describeError(error))
      })
      .finally(() => this.#running.delete(job))
  }
}
