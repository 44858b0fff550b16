/** sed, shortest expected delay: the usable server whose next connection would wait least for its weight. */
import { leastScheduler, type Rule } from './least.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

const rule: Rule = { cost: ({ active }) => active + 1, share: ({ weight }) => weight }

export function shortestExpectedDelay<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return leastScheduler(servers, rule)
}
