/** ovf, weighted overflow: the usable server of the highest weight that has not more active connections than weight. */
import { heaviest } from './fo.ts'
import { leastScheduler, type Rule } from './least.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

const rule: Rule = { ...heaviest, isOpen: ({ active, weight }) => active <= weight }

export function weightedOverflow<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return leastScheduler(servers, rule)
}
