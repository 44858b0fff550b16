/** rr, round robin: each usable server in turn; weights matter only as zero or not. */
import type { Candidate, Scheduler } from './scheduler.ts'

export function roundRobin<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  // Index of the last pick; -1 is the list's head, before the first server.
  let last = -1

  const usable = (from: number, end: number): S | undefined => {
    for (let at = from; at < end; at++) {
      const server = servers[at]
      if (server !== undefined && server.weight > 0 && !server.overloaded) {
        last = at
        return server
      }
    }
    return undefined
  }

  return {
    // Once around, ending with the last pick itself.
    pick: () => usable(last + 1, servers.length) ?? usable(0, last + 1),
    added() {
      if (last >= 0) last += 1
    },
    // When the last pick goes away its predecessor takes its place.
    removed(index) {
      if (index <= last) last -= 1
    },
    edited() {},
    counted() {},
  }
}
