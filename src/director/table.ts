/** From what is wanted, healthy and drained to what the engine should hold. Pure. */

import { difference, sameData } from '../difference.ts'
import type { ServiceSnapshot, TableChange } from '../engines/engine.ts'
import { type RealServer, realServerKey, type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, WantedServer, WantedService } from './control.ts'
import type { DrainTarget, Health, ServiceState } from './states.ts'

export type TableEntry = {
  readonly cluster: string
  readonly name: string
  readonly service: Service
  readonly servers: ReadonlyMap<string, RealServer>
  readonly state: ServiceState
  /** Why a server stands as it does, or does not stand, by its key: for the log. */
  readonly reasons: ReadonlyMap<string, string>
}

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

/**
 * A server takes new connections only when it is healthy, or not checked at all, and not drained by hand. One that was
 * never probed is treated as its service treats a failed one: a server that serves already is not unknown, but presumed
 * healthy by the checker.
 */
export function wantedTable(
  clusters: readonly ClusterServices[],
  healthOf: HealthOf,
  drains: readonly DrainTarget[],
): Table {
  return new Map(
    clusters.flatMap(({ cluster, services }) =>
      services.map((wanted) => [serviceKey(wanted.service.id), { cluster, ...wantedEntry(wanted, healthOf, drains) }]),
    ),
  )
}

function wantedEntry(
  wanted: WantedService,
  healthOf: HealthOf,
  drains: readonly DrainTarget[],
): Omit<TableEntry, 'cluster'> {
  const { name, service, onFailure, fallback } = wanted
  const servers = new Map<string, RealServer>()
  const reasons = new Map<string, string>()
  for (const server of wanted.servers) {
    const key = realServerKey(server)
    const health = healthOf(wanted, server)
    const works = health === 'healthy' || health === 'unchecked'
    // A drain is the operator's word: it keeps its server in the table whatever the check says.
    const drained = isDrained(drains, server)
    reasons.set(key, drained ? 'drained by hand' : reasonOf[health])
    if (!works && !drained && onFailure === 'remove') continue
    servers.set(key, { ...realServerOf(server), weight: works && !drained ? server.weight : 0 })
  }
  const isServed = [...servers.values()].some(({ weight }) => weight > 0)
  if (isServed || fallback === undefined) {
    if (fallback !== undefined && !servers.has(realServerKey(fallback)))
      reasons.set(realServerKey(fallback), 'a server is usable again')
    return { name, service, servers, reasons, state: isServed ? 'served' : 'unserved' }
  }
  servers.set(realServerKey(fallback), {
    ...fallback,
    forwarding: 'masq',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
  })
  reasons.set(realServerKey(fallback), 'no server is usable')
  return { name, service, servers, reasons, state: 'fallback' }
}

const reasonOf: Readonly<Record<Health, string>> = {
  healthy: 'its check passes',
  unchecked: 'wanted',
  unknown: 'not checked yet',
  unhealthy: 'its check fails',
  maintenance: 'in maintenance',
}

function realServerOf(server: WantedServer): RealServer {
  const { address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel } = server
  const plain = { address, port, forwarding, weight, upperThreshold, lowerThreshold }
  return tunnel === undefined ? plain : { ...plain, tunnel }
}

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

function isSameServer(a: RealServer, b: RealServer): boolean {
  return (
    a.weight === b.weight &&
    a.forwarding === b.forwarding &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold &&
    sameData(a.tunnel, b.tunnel)
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
