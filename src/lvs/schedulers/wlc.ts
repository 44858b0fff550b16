/** wlc, weighted least connection: the usable server with the fewest connections for its weight. */
import { leastScheduler, type Rule } from './least.ts'
import { type Candidate, overhead, type Scheduler } from './scheduler.ts'

export const weightedLeast: Rule = { cost: overhead, share: ({ weight }) => weight }

export function weightedLeastConnection<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return leastScheduler(servers, weightedLeast)
}
