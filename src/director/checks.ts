/** What a director asks of its checker, and what it makes of the answers. */
import type { ServiceSnapshot } from '../engines/engine.ts'
import { InfraError } from '../errors.ts'
import type { CheckSpec } from '../health/check.ts'
import { type Checker, type CheckTarget, type HealthChange, targetKey } from '../health/checker.ts'
import { realServerKey, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, Health, WantedServer, WantedService } from './control.ts'
import type { DirectorEvent } from './events.ts'

export function healthIn(checker: Checker): (service: WantedService, server: WantedServer) => Health {
  return ({ check }, server) => (check === undefined ? 'unchecked' : checker.view(targetOf(check, server)).health)
}

/** What is probed for a server: as the check says, unless the server says where its check reaches it. */
export function targetOf(check: CheckSpec, { address, port, checkPort }: WantedServer): CheckTarget {
  return { check, endpoint: { address, port: checkPort ?? check.port ?? port } }
}

/** `SERVICE SERVER` of everything that gets connections now, of services that are checked. */
export function servingIn(standing: readonly ServiceSnapshot[], services: readonly WantedService[]): Set<string> {
  const serving = new Set<string>()
  const checked = new Set(
    services.flatMap(({ check, service }) => (check === undefined ? [] : [serviceKey(service.id)])),
  )
  if (checked.size === 0) return serving
  for (const { service, servers } of standing) {
    const key = serviceKey(service.id)
    if (!checked.has(key)) continue
    for (const { server } of servers) if (server.weight > 0) serving.add(`${key} ${realServerKey(server)}`)
  }
  return serving
}

/** A server that serves already when its check begins or changes goes on serving until it fails. */
export function checkTargets(
  services: readonly WantedService[],
  serving: ReadonlySet<string>,
  anew: ReadonlySet<string>,
): CheckTarget[] {
  return services.flatMap(({ check, service, servers }) =>
    check === undefined
      ? []
      : servers.map((server): CheckTarget => {
          const key = realServerKey(server)
          const target = targetOf(check, server)
          if (anew.has(key)) return { ...target, start: 'anew' }
          return serving.has(`${serviceKey(service.id)} ${key}`) ? { ...target, start: 'presumed' } : target
        }),
  )
}

export async function checkNow(checker: Checker, services: readonly WantedService[], id: ServiceId): Promise<void> {
  const key = serviceKey(id)
  const service = services.find((wanted) => serviceKey(wanted.service.id) === key)
  if (service === undefined) throw new InfraError('not-found', `no service ${key}`, { subject: key })
  const targets = checkTargets([service], new Set(), new Set())
  await Promise.all(targets.map((target) => checker.probeNow(target)))
}

type Watcher = { readonly cluster: string; readonly service: string; readonly server: WantedServer }

/** Which servers each probe speaks for, by its key. */
export type Watchers = ReadonlyMap<string, readonly Watcher[]>

export function watchersOf(clusters: readonly ClusterServices[]): Watchers {
  const found = new Map<string, Watcher[]>()
  const services = clusters.flatMap(({ cluster, services }) => services.map((service) => ({ cluster, ...service })))
  for (const { cluster, name, check, servers } of services)
    for (const server of servers) {
      if (check === undefined) continue
      const key = targetKey(targetOf(check, server))
      const known = found.get(key)
      if (known === undefined) found.set(key, [{ cluster, service: name, server }])
      else known.push({ cluster, service: name, server })
    }
  return found
}

export function healthEvents(watchers: Watchers, { key, from, to, detail, after }: HealthChange): DirectorEvent[] {
  return (watchers.get(key) ?? []).map(({ cluster, service, server }) => ({
    kind: 'server.health',
    cluster,
    service,
    server: realServerKey(server),
    guest: server.guest,
    from,
    to,
    reason: detail,
    after,
  }))
}

/** The keys of the started guest's servers that are known to be sick: of those that are well a start is no news. */
export function sickServers(services: readonly WantedService[], guest: string | undefined, checker: Checker): string[] {
  if (guest === undefined) return []
  const healthOf = healthIn(checker)
  return services.flatMap((service) =>
    service.servers
      .filter((server) => server.guest === guest && healthOf(service, server) === 'unhealthy')
      .map(realServerKey),
  )
}
