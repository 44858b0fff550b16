/** dh, destination hashing: the packet's destination address names the server, or nobody. Weights do not matter. */
import { fold, hash32 } from './fold.ts'
import type { Candidate, Scheduler } from './scheduler.ts'

const bits = 8

/** For each of 256 slots the place of its server in the list: the list again and again, as the kernel fills it. */
export function destinationTable(servers: readonly unknown[]): Int32Array {
  const table = new Int32Array(1 << bits)
  for (let slot = 0; slot < table.length && servers.length > 0; slot++) table[slot] = slot % servers.length
  return table
}

export function destinationHashing<S extends Candidate>(servers: readonly S[]): Scheduler<S> {
  return {
    pick({ destination }) {
      const server = servers[hash32(fold(destination), bits) % servers.length]
      return server !== undefined && server.weight > 0 && !server.overloaded ? server : undefined
    },
    added() {},
    removed() {},
    edited() {},
    counted() {},
  }
}
