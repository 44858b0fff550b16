/** fo, weighted failover: all connections to the usable server of the highest weight. */
import { leastScheduler, type Rule } from './least.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

/** The heaviest costs least. */
export const heaviest: Rule = { cost: () => 1, share: ({ weight }) => weight }

export function weightedFailover<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return leastScheduler(servers, heaviest)
}
