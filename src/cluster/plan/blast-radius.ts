/** The limit that guards every apply: too much going away at once needs a person's yes. Pure. */
import { type ClusterSpec, guestNames } from '../spec/model.ts'
import type { Blast, Observed, Step } from './plan.ts'

/** A share of what stands; one alone never exceeds it, so that a small cluster can be worked on. */
export const defaultLimit = 1 / 3

/** What exceeds the limit, in words; empty when nothing does. `down` asks for everything to go: it is not limited. */
export function exceeds({ guests, ofGuests, servers, ofServers }: Blast, limit: number = defaultLimit): string[] {
  const isTooMany = (gone: number, of: number): boolean => gone > 1 && gone > of * limit
  return [
    ...(isTooMany(guests, ofGuests) ? [`${guests} of ${ofGuests} guests would be removed or replaced`] : []),
    ...(isTooMany(servers, ofServers) ? [`${servers} of ${ofServers} servers would go away`] : []),
  ]
}

/**
 * How much of what stands goes away: guests that lose their disk, and servers whose guest or place in the file does. A
 * restart keeps the guest, and its pool goes through it one by one: it does not count.
 */
export function blastOf(spec: ClusterSpec, observed: Observed, steps: readonly Step[]): Blast {
  let ofGuests = 0
  for (const { guests } of observed.hosts.values())
    for (const { definition } of guests) if (definition.mark?.cluster === spec.name) ofGuests += 1
  const gone = new Set<string>()
  for (const { action } of steps) {
    if (action.kind === 'guest.remove') gone.add(action.guest)
    if (action.kind === 'guest.replace') gone.add(action.guest.name)
  }
  let servers = 0
  let ofServers = 0
  for (const { director } of observed.hosts.values())
    for (const { name, servers: standing } of director?.services?.services ?? []) {
      const stayingNow = new Set(
        (spec.services[name]?.servers ?? []).flatMap((server) => {
          if (server.kind === 'address') return [`${server.endpoint.address} ${server.endpoint.port}`]
          const pool = spec.guests[server.guests]
          return pool === undefined ? [] : guestNames(pool).filter((guest) => !gone.has(guest))
        }),
      )
      for (const { guest, address, port } of standing) {
        ofServers += 1
        if (!stayingNow.has(guest ?? `${address} ${port}`)) servers += 1
      }
    }
  return { guests: gone.size, ofGuests, servers, ofServers }
}
