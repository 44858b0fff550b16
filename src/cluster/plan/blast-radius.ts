/** The limit that guards every apply: too much going away at once needs a person's yes. Pure. */
import type { Blast } from './plan.ts'

/** A share of what stands; one alone never exceeds it, so that a small cluster can be worked on. */
export const defaultLimit = 1 / 3

/** What exceeds the limit, in words; empty when nothing does. */
export function exceeds({ guests, ofGuests, servers, ofServers }: Blast, limit: number = defaultLimit): string[] {
  const isTooMany = (gone: number, of: number): boolean => gone > 1 && gone > of * limit
  return [
    ...(isTooMany(guests, ofGuests) ? [`${guests} of ${ofGuests} guests would be removed or replaced`] : []),
    ...(isTooMany(servers, ofServers) ? [`${servers} of ${ofServers} servers would go away`] : []),
  ]
}
