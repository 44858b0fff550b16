/**
 * sh, source hashing: the client's address (sh-port: and port) names the server, heavy servers more often. When that
 * one is not usable there is none, or with sh-fallback the next that is.
 */
import { fold, hash32 } from './fold.ts'
import type { Candidate, Flow, Scheduler, SchedulerOptions } from './scheduler.ts'

const bits = 8
const slots = 1 << bits

/** For each of 256 slots the place of its server in the list. */
export function sourceTable(servers: readonly Pick<Candidate, 'weight'>[]): Int32Array {
  const table = new Int32Array(slots)
  let at = 0
  let filled = 0
  for (let slot = 0; slot < slots && servers.length > 0; slot++) {
    table[slot] = at
    filled += 1
    // A drained server keeps a slot, as in the kernel: its clients are refused, not moved.
    if (filled < (servers[at]?.weight ?? 0)) continue
    at = (at + 1) % servers.length
    filled = 0
  }
  return table
}

export function sourceHashing<S extends Candidate>(
  servers: readonly S[],
  { flags }: Pick<SchedulerOptions, 'flags'>,
): Scheduler<S> {
  const usesPort = flags.includes('sh-port')
  const fallsBack = flags.includes('sh-fallback')
  let table: Int32Array = new Int32Array(slots)
  let isCurrent = false

  const usable = (slot: number): S | undefined => {
    const server = servers[table[slot] ?? 0]
    return server !== undefined && server.weight > 0 && !server.overloaded ? server : undefined
  }
  const pick = ({ source, sourcePort }: Flow): S | undefined => {
    if (!isCurrent) table = sourceTable(servers)
    isCurrent = true
    const key = (fold(source) + (usesPort ? sourcePort : 0)) | 0
    const home = hash32(key, bits)
    const server = usable(home)
    if (server !== undefined || !fallsBack) return server
    for (let step = 0; step < slots; step++) {
      // The kernel hashes anew with the offset, which in its table comes to adding the hash once more.
      const other = usable((((home + step) % slots) + home) % slots)
      if (other !== undefined) return other
    }
    return undefined
  }
  const changed = (): void => {
    isCurrent = false
  }
  return { pick, added: changed, removed: changed, edited: changed, counted() {} }
}
