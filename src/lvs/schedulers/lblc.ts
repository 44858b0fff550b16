/**
 * lblc, locality-based least connection: a destination address stays with its server until that one is too full while
 * another has room; else as wlc. For caches, with services by firewall mark.
 */
import { defaultSysctls } from '../settings.ts'
import { Locality } from './locality.ts'
import { type Member, openRoster } from './roster.ts'
import type { Candidate, Scheduler, SchedulerOptions } from './scheduler.ts'

export function localityLeastConnection<S extends Candidate>(
  servers: readonly S[],
  options: Pick<SchedulerOptions, 'sysctls'>,
): Scheduler<S> {
  const roster = openRoster(servers)
  const table = new Locality<Member<S>>((member) => roster.release(member))
  return {
    ...roster.changes,
    pick({ destination, atMs }) {
      const entry = table.get(destination)
      if (entry !== undefined) {
        entry.lastUseMs = atMs
        const { isHere, server } = entry.value
        // A server over its threshold keeps its destinations: the kernel does not ask.
        if (isHere && server.weight > 0 && !server.isTried && !roster.isOverfull(entry.value)) return server
      }
      const chosen = roster.least()
      if (chosen === undefined) return undefined
      if (entry === undefined) {
        if (table.add(destination, chosen, atMs)) roster.hold(chosen)
      } else if (entry.value !== chosen) {
        roster.release(entry.value)
        entry.value = chosen
        roster.hold(chosen)
      }
      return chosen.server
    },
    tick: (atMs) => table.tick(atMs, (options.sysctls ?? defaultSysctls).lblc_expiration),
  }
}
