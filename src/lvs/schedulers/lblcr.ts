/**
 * lblcr, lblc with replication: a destination address has a set of servers, and goes to the one of them that wlc would
 * pick. One more joins when that is too full while another has room; the fullest leaves when long nobody joined.
 */
import { defaultSysctls } from '../settings.ts'
import { Locality } from './locality.ts'
import { compareRatios } from './ratio.ts'
import { type Member, openRoster } from './roster.ts'
import { type Candidate, overhead, type Scheduler, type SchedulerOptions } from './scheduler.ts'

/** The newest member first. */
type Replicas<S> = { readonly members: Member<S>[]; changedMs: number }

export function localityLeastConnectionReplicated<S extends Candidate>(
  servers: readonly S[],
  options: Pick<SchedulerOptions, 'sysctls'>,
): Scheduler<S> {
  const roster = openRoster(servers)
  const table = new Locality<Replicas<S>>(({ members }) => {
    for (const member of members) roster.release(member)
  })
  const expiration = (): number => (options.sysctls ?? defaultSysctls).lblcr_expiration
  return {
    ...roster.changes,
    pick({ destination, atMs }) {
      const entry = table.get(destination)
      if (entry === undefined) {
        const chosen = roster.least()
        if (chosen === undefined) return undefined
        if (table.add(destination, { members: [chosen], changedMs: atMs }, atMs)) roster.hold(chosen)
        return chosen.server
      }
      entry.lastUseMs = atMs
      const { members } = entry.value
      const least = leastOf(members)
      if (members.length > 1 && atMs > entry.value.changedMs + expiration() * 1000) {
        const at = fullestOf(members)
        for (const member of at < 0 ? [] : members.splice(at, 1)) {
          roster.release(member)
          entry.value.changedMs = atMs
        }
      }
      // Though it may just have left the set: the kernel goes by what it saw before.
      if (least !== undefined && !roster.isOverfull(least)) return least.server
      const chosen = roster.least()
      if (chosen !== undefined && !members.includes(chosen)) {
        members.unshift(chosen)
        roster.hold(chosen)
        entry.value.changedMs = atMs
      }
      return chosen?.server
    },
    tick: (atMs) => table.tick(atMs, expiration()),
  }
}

/** As wlc would pick among them. */
function leastOf<S extends Candidate>(members: readonly Member<S>[]): Member<S> | undefined {
  let least: Member<S> | undefined
  for (const member of members) {
    const { server, isHere } = member
    if (!isHere || server.weight <= 0 || server.overloaded) continue
    if (
      least === undefined ||
      compareRatios(overhead(server), server.weight, overhead(least.server), least.server.weight) < 0
    )
      least = member
  }
  return least
}

/** Where it stands, whether it is usable or not; -1 when none has a weight. */
function fullestOf<S extends Candidate>(members: readonly Member<S>[]): number {
  let at = -1
  members.forEach(({ server }, index) => {
    if (server.weight <= 0) return
    const fullest = members[at]?.server
    if (fullest === undefined || compareRatios(overhead(server), server.weight, overhead(fullest), fullest.weight) > 0)
      at = index
  })
  return at
}
