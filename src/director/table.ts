/** From what is wanted, healthy and drained to what the engine should hold. Pure. */

import { difference, sameData } from '../difference.ts'
import type { EngineChange, ServiceSnapshot } from '../engines/engine.ts'
import { type RealServer, realServerKey, type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { DrainTarget, Health, WantedServer, WantedService } from './control.ts'

export type TableEntry = { readonly service: Service; readonly servers: ReadonlyMap<string, RealServer> }

/** By service key. */
export type Table = ReadonlyMap<string, TableEntry>

export type HealthOf = (service: WantedService, server: WantedServer) => Health

export function isDrained(drains: readonly DrainTarget[], server: WantedServer): boolean {
  return drains.some((drain) =>
    'guest' in drain
      ? drain.guest === server.guest
      : drain.endpoint.address === server.address && (drain.endpoint.port === 0 || drain.endpoint.port === server.port),
  )
}

/** A server takes new connections only when it is healthy, or not checked at all, and not drained by hand. */
export function wantedTable(
  services: readonly WantedService[],
  healthOf: HealthOf,
  drains: readonly DrainTarget[],
): Table {
  return new Map(services.map((wanted) => [serviceKey(wanted.service.id), wantedEntry(wanted, healthOf, drains)]))
}

function wantedEntry(wanted: WantedService, healthOf: HealthOf, drains: readonly DrainTarget[]): TableEntry {
  const servers = new Map<string, RealServer>()
  let isServed = false
  for (const server of wanted.servers) {
    const health = healthOf(wanted, server)
    const works = health === 'healthy' || health === 'unchecked'
    // A drain is the operator's word: it keeps its server in the table whatever the check says.
    const drained = isDrained(drains, server)
    if (!works && !drained && wanted.onFailure === 'remove') continue
    const weight = works && !drained ? server.weight : 0
    if (weight > 0) isServed = true
    servers.set(realServerKey(server), { ...realServerOf(server), weight })
  }
  if (!isServed && wanted.fallback !== undefined) {
    const fallback: RealServer = {
      ...wanted.fallback,
      forwarding: 'masq',
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
    }
    servers.set(realServerKey(fallback), fallback)
  }
  return { service: wanted.service, servers }
}

function realServerOf({ address, port, forwarding, weight, upperThreshold, lowerThreshold }: WantedServer): RealServer {
  return { address, port, forwarding, weight, upperThreshold, lowerThreshold }
}

/**
 * The changes that lead from what the engine holds to the wanted table. Only services in `owned` (by key) are ever
 * removed: others were made by hand. New servers come before old ones go, so that a service is never left empty between.
 */
export function tableChanges(
  standing: readonly ServiceSnapshot[],
  wanted: Table,
  owned: ReadonlySet<string>,
): EngineChange[] {
  const ours = standing.filter(({ service }) => {
    const key = serviceKey(service.id)
    return wanted.has(key) || owned.has(key)
  })
  const actual = new Map(ours.map((snapshot) => [serviceKey(snapshot.service.id), snapshot]))
  const services = difference(actual, wanted, (a, b) => sameData(a.service, b.service))
  const changes: EngineChange[] = services.removed.map(({ actual }) => ({
    kind: 'service.remove',
    id: actual.service.id,
  }))
  for (const { wanted: entry } of services.added) changes.push({ kind: 'service.add', service: entry.service })
  for (const { wanted: entry } of services.changed) changes.push({ kind: 'service.update', service: entry.service })
  for (const [key, entry] of wanted) changes.push(...serverChanges(entry.service.id, actual.get(key), entry))
  return changes
}

function serverChanges(id: ServiceId, standing: ServiceSnapshot | undefined, wanted: TableEntry): EngineChange[] {
  const actual = new Map((standing?.servers ?? []).map(({ server }) => [realServerKey(server), server]))
  const found = difference(actual, wanted.servers, sameData)
  return [
    ...found.added.map(({ wanted: server }): EngineChange => ({ kind: 'server.add', id, server })),
    ...found.changed.map(({ wanted: server }): EngineChange => ({ kind: 'server.update', id, server })),
    ...found.removed.map(({ actual: server }): EngineChange => ({ kind: 'server.remove', id, server })),
  ]
}
