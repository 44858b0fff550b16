/** What a director says of itself: the wanted services joined with what the engine and the checks see. Pure. */
import type { ServerSnapshot, ServiceSnapshot } from '../engines/engine.ts'
import type { Checker } from '../health/checker.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import { checksOf, joined, targetOf } from './checks.ts'
import type { CheckStatus, ServerStatus, ServiceStatus, WantedServer, WantedService } from './control.ts'
import type { Intent } from './schemas.ts'
import type { Health } from './states.ts'
import { isDrained, type LookAt, type Table } from './table.ts'

const nothing = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }

/** How things are seen now, and what was last wanted because of that. */
export type Sight = {
  readonly checker: Pick<Checker, 'view'>
  readonly look: LookAt
  readonly table: () => Table
}

/**
 * Clusters' services in the order in which they were put, then those made by hand; one by one, as all at once of ten
 * thousand would hold up everybody else.
 */
export function* serviceStatuses(
  intent: Intent,
  standing: readonly ServiceSnapshot[],
  sight: Sight,
): Generator<ServiceStatus> {
  const snapshots = new Map(standing.map((snapshot) => [serviceKey(snapshot.service.id), snapshot]))
  for (const { cluster, services } of intent.clusters)
    for (const service of services) {
      const key = serviceKey(service.service.id)
      const snapshot = snapshots.get(key)
      snapshots.delete(key)
      yield wantedStatus(cluster, service, snapshot, intent, sight)
    }
  for (const [name, { service, servers, counters }] of snapshots)
    yield { name, service, counters, servers: servers.map((server) => engineOnly(server, false)) }
}

function wantedStatus(
  cluster: string,
  wanted: WantedService,
  snapshot: ServiceSnapshot | undefined,
  intent: Intent,
  sight: Sight,
): ServiceStatus {
  const entry = sight.table().get(serviceKey(wanted.service.id))
  const standing = new Map((snapshot?.servers ?? []).map((server) => [realServerKey(server.server), server]))
  const servers = wanted.servers.map((server) => {
    const key = realServerKey(server)
    const seen = sight.look(cluster, wanted, server)
    const reason = entry?.reasons.get(key) ?? ''
    const status = {
      ...serverStatus(server, standing.get(key), intent),
      ...checked(wanted, server, seen.health, sight.checker),
      reason,
    }
    standing.delete(key)
    return status
  })
  // What is left is the fallback, or a server that is on its way out.
  const extra = [...standing.values()].map((server) =>
    engineOnly(
      server,
      wanted.fallback !== undefined && realServerKey(wanted.fallback) === realServerKey(server.server),
    ),
  )
  return {
    cluster,
    name: wanted.name,
    service: wanted.service,
    ...(entry === undefined ? {} : { state: entry.state }),
    counters: snapshot?.counters ?? nothing,
    servers: [...servers, ...extra],
  }
}

type CheckedStatus = Pick<ServerStatus, 'health' | 'detail' | 'checks' | 'certificateDays'>

function serverStatus(
  server: WantedServer,
  standing: ServerSnapshot | undefined,
  intent: Intent,
): Omit<ServerStatus, keyof CheckedStatus | 'reason'> {
  return {
    address: server.address,
    port: server.port,
    ...(server.guest === undefined ? {} : { guest: server.guest }),
    forwarding: server.forwarding,
    wantedWeight: server.weight,
    weight: standing?.server.weight,
    drained: isDrained(intent.drains, server),
    ...measured(standing),
    fallback: false,
  }
}

/** Of several checks it is the one that speaks against the server that has the word. */
function checked(
  wanted: WantedService,
  server: WantedServer,
  health: Health,
  { view }: Sight['checker'],
): CheckedStatus {
  let [gravest, detail]: [Health, string] = ['unchecked', 'no check']
  let days: number | undefined
  const checks = checksOf(wanted, server).map((check): CheckStatus => {
    const target = targetOf(check, server)
    const seen = view(target)
    if (joined(gravest, seen.health) !== gravest) [gravest, detail] = [seen.health, seen.detail]
    const { certificateDays = days } = seen.report ?? {}
    days = days === undefined || certificateDays === undefined ? certificateDays : Math.min(days, certificateDays)
    return { kind: check.probe.kind, ...target.endpoint, health: seen.health, detail: seen.detail }
  })
  const said = health === 'maintenance' && gravest === 'unchecked' ? 'in maintenance' : detail
  return { health, detail: said, checks, ...(days === undefined ? {} : { certificateDays: days }) }
}

function engineOnly(snapshot: ServerSnapshot, fallback: boolean): ServerStatus {
  const { address, port, forwarding, weight } = snapshot.server
  return {
    address,
    port,
    forwarding,
    wantedWeight: weight,
    weight,
    health: 'unchecked',
    detail: fallback ? 'fallback' : 'made by hand',
    checks: [],
    reason: fallback ? 'no server is usable' : 'made by hand',
    drained: false,
    ...measured(snapshot),
    fallback,
  }
}

function measured(
  snapshot: ServerSnapshot | undefined,
): Pick<ServerStatus, 'active' | 'inactive' | 'connections' | 'counters' | 'connectFailures'> {
  const counters = snapshot?.counters ?? nothing
  const failures = snapshot?.connectFailures
  return {
    active: snapshot?.active ?? 0,
    inactive: snapshot?.inactive ?? 0,
    connections: counters.connections,
    counters,
    ...(failures === undefined ? {} : { connectFailures: failures }),
  }
}
