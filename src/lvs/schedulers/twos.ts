/** twos, power of two choices: of two servers drawn by weight the one with fewer connections for its weight. */
import { drawIndex } from './draw.ts'
import { compareRatios } from './ratio.ts'
import { type Candidate, overhead, type Scheduler, type SchedulerOptions } from './scheduler.ts'

export function powerOfTwos<S extends Candidate>(
  servers: readonly S[],
  { random }: Pick<SchedulerOptions, 'random'>,
): Scheduler<S> {
  const index = drawIndex(servers)
  return {
    ...index.changes,
    pick() {
      const total = index.total()
      if (total === 0) return undefined
      // From 0 to the total, both included, as the kernel draws.
      const first = index.at(Math.floor(random() * (total + 1)))
      const second = index.at(Math.floor(random() * (total + 1)))
      if (first === undefined || second === undefined) return undefined
      return compareRatios(overhead(second), second.weight, overhead(first), first.weight) < 0 ? second : first
    },
  }
}
