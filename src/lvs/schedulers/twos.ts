/** twos, power of two choices: of two servers drawn by weight the one with fewer connections for its weight. */
import { compareRatios } from './ratio.ts'
import { type Candidate, overhead, type Scheduler, type SchedulerOptions } from './scheduler.ts'

export function powerOfTwos<S extends Candidate>(
  servers: readonly S[],
  { random }: Pick<SchedulerOptions, 'random'>,
): Scheduler<S> {
  const isUsable = ({ weight, overloaded }: Candidate): boolean => weight > 0 && !overloaded
  return {
    pick() {
      let total = 0
      for (const server of servers) if (isUsable(server)) total += server.weight
      if (total === 0) return undefined
      // From 0 to the total, both included, as the kernel draws.
      let left = Math.floor(random() * (total + 1))
      let right = Math.floor(random() * (total + 1))
      let first: S | undefined
      let second: S | undefined
      for (const server of servers) {
        if (!isUsable(server)) continue
        left -= server.weight
        right -= server.weight
        if (left <= 0) first ??= server
        if (right <= 0) second ??= server
        if (first !== undefined && second !== undefined)
          return compareRatios(overhead(second), second.weight, overhead(first), first.weight) < 0 ? second : first
      }
      return undefined
    },
    added() {},
    removed() {},
    edited() {},
    counted() {},
  }
}
