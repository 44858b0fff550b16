/** nq, never queue: the first usable server without an active connection, or else as sed. */
import { leastScheduler, type Rule } from './least.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

// All idle servers cost nothing, so that the first of them in the list comes before all busy ones.
const rule: Rule = { cost: ({ active }) => (active === 0 ? 0 : active + 1), share: ({ weight }) => weight }

export function neverQueue<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return leastScheduler(servers, rule)
}
