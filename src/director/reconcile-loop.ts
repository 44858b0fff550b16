/** The loop that keeps a thing as wanted: level-triggered, one round at a time, what failed tried again. */
import type { Timing } from '../health/timing.ts'

/** Doubled with each failure in a row. */
const retryMs = { first: 100, most: 5_000 }

/** Something else may change the thing behind our back: it is looked at this often, asked or not. */
const lookMs = 30_000

export type Loop = AsyncDisposable & {
  /** Asks for another round; several asked for at once are one. */
  trigger(): void
  /** Resolves when a round that began after this call has ended, well or not. */
  settle(): Promise<void>
}

/** `round` says whether all is as wanted now; it never throws, and ends when the signal aborts. */
export function reconcileLoop(round: () => Promise<boolean>, timing: Timing, signal: AbortSignal): Loop {
  let asked = 0
  let done = 0
  let failures = 0
  let isRetryDue = false
  let running: Promise<void> | undefined

  const retry = async (): Promise<void> => {
    if (isRetryDue) return
    isRetryDue = true
    await timing.sleep(Math.min(retryMs.first * 2 ** (failures - 1), retryMs.most), signal)
    isRetryDue = false
    trigger()
  }
  const run = async (): Promise<void> => {
    while (done < asked && !signal.aborted) {
      const mine = asked
      failures = (await round()) ? 0 : failures + 1
      done = mine
      if (failures > 0) void retry()
    }
    running = undefined
  }
  const trigger = (): void => {
    asked += 1
    if (!signal.aborted) running ??= run()
  }
  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      await timing.sleep(lookMs, signal)
      trigger()
    }
  }
  const looking = look()
  return {
    trigger,
    async settle() {
      trigger()
      const mine = asked
      const isOver = (): boolean => done >= mine || signal.aborted
      while (!isOver()) await running
    },
    async [Symbol.asyncDispose]() {
      await looking
      await running
    },
  }
}
