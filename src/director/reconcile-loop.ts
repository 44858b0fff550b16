/** The loop that keeps a thing as wanted: level-triggered, one round at a time, what failed tried again. */
import type { Timing } from '../health/timing.ts'

/** Doubled with each failure in a row. */
const retryMs = { first: 100, most: 5_000 }

/** Something else may change the thing behind our back: it is looked at this often, asked or not. */
const lookMs = 30_000

/**
 * After a round that took long (thousands of servers) the next one comes only when this many times as long has passed, or
 * the most: what changes meanwhile is done in one go, and checks, clients and the log get their turns. Whoever waits for a
 * round does not wait for that.
 */
const rest = { longMs: 10, times: 3, mostMs: 1000 }

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
  let hurry = new AbortController()
  let settling = 0

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
      const begunMs = timing.now()
      failures = (await round()) ? 0 : failures + 1
      done = mine
      if (failures > 0) void retry()
      const tookMs = timing.now() - begunMs
      if (tookMs >= rest.longMs && settling === 0) await pause(Math.min(tookMs * rest.times, rest.mostMs))
    }
    running = undefined
  }
  const pause = async (ms: number): Promise<void> => {
    if (signal.aborted) return
    hurry = new AbortController()
    const stop = (): void => hurry.abort()
    signal.addEventListener('abort', stop, { once: true })
    await timing.sleep(ms, hurry.signal)
    signal.removeEventListener('abort', stop)
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
      settling += 1
      hurry.abort()
      while (!isOver()) await running
      settling -= 1
    },
    async [Symbol.asyncDispose]() {
      await looking
      await running
    },
  }
}
