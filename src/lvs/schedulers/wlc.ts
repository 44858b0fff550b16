/** wlc, weighted least connection: the usable server with the fewest connections for its weight. */
import { type Candidate, overhead, type Scheduler } from './scheduler.ts'

export function weightedLeastConnection<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return {
    pick() {
      let best: S | undefined
      let least = 0
      for (const server of servers) {
        if (server.weight <= 0 || server.overloaded) continue
        const cost = overhead(server)
        // Strictly better only, by products: least / best.weight > cost / server.weight.
        if (best === undefined || least * server.weight > cost * best.weight) {
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
