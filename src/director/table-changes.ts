/** From what an engine holds and should hold to the changes between. Pure. */
import { difference, sameData } from '../difference.ts'
import type { ServiceSnapshot, TableChange } from '../engines/engine.ts'
import { type RealServer, realServerKey, type ServiceId, serviceKey, type Tunnel } from '../lvs/service.ts'
import type { TableEntry } from './table.ts'

/**
 * The changes that lead from what the engine holds to the wanted table. Only services in `owned` (by key) are ever
 * removed: others were made by hand. New servers come before old ones go, so that a service is never left empty between.
 */
export function tableChanges(
  standing: readonly ServiceSnapshot[],
  wanted: ReadonlyMap<string, Pick<TableEntry, 'service' | 'servers'>>,
  owned: ReadonlySet<string>,
): TableChange[] {
  const actual = new Map<string, ServiceSnapshot>()
  for (const snapshot of standing) {
    const key = serviceKey(snapshot.service.id)
    if (wanted.has(key) || owned.has(key)) actual.set(key, snapshot)
  }
  const services = difference(actual, wanted, (a, b) => sameData(a.service, b.service))
  const changes: TableChange[] = services.removed.map(({ actual }) => ({
    kind: 'service.remove',
    id: actual.service.id,
  }))
  for (const { wanted: entry } of services.added) changes.push({ kind: 'service.add', service: entry.service })
  for (const { wanted: entry } of services.changed) changes.push({ kind: 'service.update', service: entry.service })
  for (const [key, entry] of wanted) changes.push(...serverChanges(entry.service.id, actual.get(key), entry))
  return changes
}

/** The same servers in the same way, in whichever order: nothing to say, and nothing made to find that out. */
function standsAsWanted(standing: ServiceSnapshot, wanted: ReadonlyMap<string, RealServer>): boolean {
  if (standing.servers.length !== wanted.size) return false
  return standing.servers.every(({ server }) => {
    const other = wanted.get(realServerKey(server))
    return other !== undefined && isSameServer(server, other)
  })
}

/** What is meant when nothing is said; engines need not tell it apart. */
const plainTunnel: Tunnel = { type: 'ipip' }

function isSameServer(a: RealServer, b: RealServer): boolean {
  return (
    a.weight === b.weight &&
    a.forwarding === b.forwarding &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    sameData(a.tunnel ?? plainTunnel, b.tunnel ?? plainTunnel)
  )
}

function serverChanges(
  id: ServiceId,
  standing: ServiceSnapshot | undefined,
  wanted: Pick<TableEntry, 'servers'>,
): TableChange[] {
  if (standing !== undefined && standsAsWanted(standing, wanted.servers)) return []
  const actual = new Map((standing?.servers ?? []).map(({ server }) => [realServerKey(server), server]))
  const found = difference(actual, wanted.servers, isSameServer)
  return [
    ...found.added.map(({ wanted: server }): TableChange => ({ kind: 'server.add', id, server })),
    ...found.changed.map(({ wanted: server }): TableChange => ({ kind: 'server.update', id, server })),
    ...found.removed.map(({ actual: server }): TableChange => ({ kind: 'server.remove', id, server })),
  ]
}
