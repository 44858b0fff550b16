/** A clock that stands until it is told to go on: for tests, and to teach how the checks run. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Timing } from './timing.ts'

/** `now`: milliseconds since it was made. */
export type FakeTiming = Timing & {
  /** Lets time pass, everything that falls due on the way in its order, and all that follows from it. */
  advance(ms: number): Promise<void>
  /** How many sleeps are under way: what is left after an end is a leak. */
  pending(): number
}

/** `chance` is always a half: intervals are exactly what they say. */
export function fakeTiming(): FakeTiming {
  const timers = new Set<{ readonly atMs: number; readonly fire: () => void }>()
  let nowMs = 0
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 20; round += 1) await turn()
  }
  const earliest = (untilMs: number): { readonly atMs: number; readonly fire: () => void } | undefined =>
    [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
  return {
    chance: () => 0.5,
    now: () => nowMs,
    pending: () => timers.size,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve()
        const end = (): void => {
          timers.delete(timer)
          signal.removeEventListener('abort', end)
          resolve()
        }
        const timer = { atMs: nowMs + ms, fire: end }
        timers.add(timer)
        signal.addEventListener('abort', end, { once: true })
      }),
    async advance(ms) {
      const untilMs = nowMs + ms
      await settle()
      for (let next = earliest(untilMs); next !== undefined; next = earliest(untilMs)) {
        nowMs = next.atMs
        next.fire()
        await settle()
      }
      nowMs = untilMs
    },
  }
}
