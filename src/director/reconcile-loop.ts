/** The loop that keeps a thing as wanted: level-triggered, one round at a time, failures retried. */
import type { Timing } from '../health/checker.ts'

const retryMs = { first: 100, most: 5_000 }

export type Loop = {
  /** Asks for another round; several asked for at once are one. */
  trigger(): void
  /** A round that begins after this call has ended, well or not. */
  settle(): Promise<void>
  ended(): Promise<void>
}

/** Level-triggered: read, compute, act, and again when anything changed meanwhile; failures are retried, ever slower. */
export function reconcileLoop(
  round: () => Promise<void>,
  timing: Timing,
  signal: AbortSignal,
  onOutcome: (error: unknown, failures: number) => void,
): Loop {
  let wanted = 0
  let done = 0
  let failures = 0
  let running: Promise<void> | undefined
  const run = async (): Promise<void> => {
    while (done < wanted && !signal.aborted) {
      const target = wanted
      try {
        await round()
        if (failures > 0) onOutcome(undefined, 0)
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        onOutcome(error, failures)
        void timing
          .sleep(Math.min(retryMs.first * 2 ** (failures - 1), retryMs.most), signal)
          .then(() => loop.trigger())
      }
      done = target
    }
  }
  const isDone = (mine: number): boolean => done >= mine || signal.aborted
  const loop: Loop = {
    trigger() {
      wanted += 1
      running ??= run().finally(() => {
        running = undefined
        if (done < wanted && !signal.aborted) loop.trigger()
      })
    },
    async settle() {
      loop.trigger()
      const mine = wanted
      while (!isDone(mine)) await running
    },
    async ended() {
      await running
    },
  }
  return loop
}
