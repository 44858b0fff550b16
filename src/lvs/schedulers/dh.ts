/** dh, destination hashing: the packet's destination address names the server, or nobody. Weights do not matter. */
import { fold, hash32 } from './fold.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

export function destinationHashing<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return {
    pick({ destination }) {
      // The kernel fills a table of 256 slots with the list again and again.
      const server = servers[hash32(fold(destination), 8) % servers.length]
      return server !== undefined && server.weight > 0 && !server.overloaded ? server : undefined
    },
    added() {},
    removed() {},
    edited() {},
    counted() {},
  }
}
