/** What a director asks of its checker, and what it makes of the answers. */
import type { ServiceSnapshot } from '../engines/engine.ts'
import { InfraError } from '../errors.ts'
import type { CheckSpec } from '../health/check.ts'
import { type Checker, type CheckTarget, type HealthChange, targetKey } from '../health/checker.ts'
import { realServerKey, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, WantedServer, WantedService } from './control.ts'
import type { DirectorEvent } from './events.ts'
import type { Health } from './states.ts'

export function healthIn(checker: Pick<Checker, 'view'>): (service: WantedService, server: WantedServer) => Health {
  return (service, server) => {
    let joint: Health = 'unchecked'
    for (const check of checksOf(service, server)) joint = joined(joint, checker.view(targetOf(check, server)).health)
    return joint
  }
}

/** All checks of a server must pass: sick when one fails, and not known to be well while one has said nothing. */
export function joined(a: Health, b: Health): Health {
  return gravity[a] >= gravity[b] ? a : b
}

const gravity: Readonly<Record<Health, number>> = { unchecked: 0, healthy: 1, unknown: 2, unhealthy: 3, maintenance: 4 }

export function checksOf(service: Pick<WantedService, 'checks'>, server: WantedServer): readonly CheckSpec[] {
  return server.checks ?? service.checks
}

/** What is probed for a server: as the check says, unless the server says where its port is reached by checks. */
export function targetOf(check: CheckSpec, { address, port, guestPort, checkPorts }: WantedServer): CheckTarget {
  const own = check.port ?? port
  if (check.address !== undefined) return { check, endpoint: { address: check.address, port: own } }
  const reached = checkPorts?.[check.port ?? guestPort ?? port]
  return { check, endpoint: { address, port: reached ?? own } }
}

function isChecked({ checks, servers }: WantedService): boolean {
  return checks.length > 0 || servers.some((server) => server.checks !== undefined && server.checks.length > 0)
}

/** `SERVICE SERVER` of everything that gets connections now, of services that are checked. */
export function servingIn(standing: readonly ServiceSnapshot[], services: readonly WantedService[]): Set<string> {
  const serving = new Set<string>()
  const checked = new Set(services.filter(isChecked).map(({ service }) => serviceKey(service.id)))
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
  const targets: CheckTarget[] = []
  for (const service of services) {
    const id = serviceKey(service.service.id)
    for (const server of service.servers) {
      const checks = checksOf(service, server)
      if (checks.length === 0) continue
      const key = realServerKey(server)
      const start = anew.has(key) ? 'anew' : serving.has(`${id} ${key}`) ? 'presumed' : undefined
      for (const check of checks) {
        const target = targetOf(check, server)
        targets.push(start === undefined ? target : { ...target, start })
      }
    }
  }
  return targets
}

export async function checkNow(checker: Checker, services: readonly WantedService[], id: ServiceId): Promise<void> {
  const key = serviceKey(id)
  const service = services.find((wanted) => serviceKey(wanted.service.id) === key)
  if (service === undefined) throw new InfraError('not-found', `no service ${key}`, { subject: key })
  const targets = checkTargets([service], new Set(), new Set())
  await Promise.all(targets.map((target) => checker.probeNow(target)))
}

type Watcher = { readonly cluster: string; readonly service: WantedService; readonly server: WantedServer }

/** Which servers each probe speaks for, by its key. */
export type Watchers = ReadonlyMap<string, readonly Watcher[]>

export function watchersOf(clusters: readonly ClusterServices[]): Watchers {
  const found = new Map<string, Watcher[]>()
  for (const { cluster, services } of clusters)
    for (const service of services)
      for (const server of service.servers)
        for (const check of checksOf(service, server)) {
          const key = targetKey(targetOf(check, server))
          const known = found.get(key)
          if (known === undefined) found.set(key, [{ cluster, service, server }])
          else known.push({ cluster, service, server })
        }
  return found
}

/** What a check that has changed its mind makes of its servers, beside what their other checks say. */
export function healthEvents(
  watchers: Watchers,
  change: HealthChange,
  checker: Pick<Checker, 'view'>,
): DirectorEvent[] {
  return (watchers.get(change.key) ?? []).flatMap(({ cluster, service, server }): DirectorEvent[] => {
    let others: Health = 'unchecked'
    for (const check of checksOf(service, server)) {
      const target = targetOf(check, server)
      if (targetKey(target) !== change.key) others = joined(others, checker.view(target).health)
    }
    const [from, to] = [joined(others, change.from), joined(others, change.to)]
    if (from === to) return []
    const { detail: reason, after } = change
    const { guest } = server
    return [
      {
        kind: 'server.health',
        cluster,
        service: service.name,
        server: realServerKey(server),
        guest,
        from,
        to,
        reason,
        after,
      },
    ]
  })
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
