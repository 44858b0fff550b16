/**
 * mh, Maglev hashing: as sh, by the client's address (mh-port: and port), but nearly all clients stay where they are when
 * servers come and go. A drained server keeps its slots: without mh-fallback its clients are refused.
 */
import { fold } from './fold.ts'
import { maglevSlot, maglevTable } from './maglev.ts'
import type { Candidate, Flow, Scheduler, SchedulerOptions } from './scheduler.ts'

export function maglevHashing<S extends Candidate>(
  servers: readonly S[],
  { flags }: Pick<SchedulerOptions, 'flags'>,
): Scheduler<S> {
  const usesPort = flags.includes('mh-port')
  const fallsBack = flags.includes('mh-fallback')
  let table: Int32Array = new Int32Array(0)
  let isCurrent = false

  const usable = (slot: number): S | undefined => {
    const server = servers[table[slot] ?? -1]
    return server !== undefined && server.weight > 0 && !server.overloaded ? server : undefined
  }
  const pick = ({ source, sourcePort }: Flow): S | undefined => {
    if (!isCurrent) {
      // Not at each of many changes in a row.
      table = maglevTable(servers, source.length)
      isCurrent = true
    }
    const size = table.length
    if (size === 0) return undefined
    const key = (fold(source) + (usesPort ? sourcePort : 0)) | 0
    const home = maglevSlot(key, size)
    const server = usable(home)
    if (server !== undefined || !fallsBack) return server
    for (let step = 0; step < size; step++) {
      const other = usable(maglevSlot(key + ((home + step) % size), size))
      if (other !== undefined) return other
    }
    return undefined
  }
  const changed = (): void => {
    isCurrent = false
  }
  return { pick, added: changed, removed: changed, edited: changed, counted() {} }
}
