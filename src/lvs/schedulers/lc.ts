/** lc, least connection: the usable server with the fewest, whatever its weight. */
import { leastScheduler } from './least.ts'
import { type Candidate, overhead, type Scheduler } from './scheduler.ts'

const rule = { cost: overhead, share: () => 1 }

export function leastConnection<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return leastScheduler(servers, rule)
}
