/** lc, least connection: the usable server with the fewest, whatever its weight. */
import { type Candidate, overhead, type Scheduler } from './scheduler.ts'

export function leastConnection<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return {
    pick() {
      let best: S | undefined
      let least = 0
      for (const server of servers) {
        if (server.weight === 0 || server.overloaded) continue
        const cost = overhead(server)
        if (best === undefined || cost < least) {
          best = server
          least = cost
        }
      }
      return best
    },
    added() {},
    removed() {},
    edited() {},
    counted() {},
  }
}
