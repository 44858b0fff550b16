/** What a director asks of its checker, and what it makes of the answers. */
import type { ServiceSnapshot } from '../engines/engine.ts'
import { InfraError } from '../errors.ts'
import { type Checker, type CheckTarget, type HealthChange, targetKey } from '../health/checker.ts'
import { realServerKey, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { Health, WantedServer, WantedService } from './control.ts'
import type { DirectorEvent } from './events.ts'

export function healthIn(checker: Checker): (service: WantedService, server: WantedServer) => Health {
  return ({ check }, endpoint) => (check === undefined ? 'unchecked' : checker.view({ check, endpoint }).health)
}

/** `SERVICE SERVER` of everything that gets connections now. */
export function servingIn(standing: readonly ServiceSnapshot[]): Set<string> {
  return new Set(
    standing.flatMap(({ service, servers }) =>
      servers.flatMap(({ server }) =>
        server.weight > 0 ? [`${serviceKey(service.id)} ${realServerKey(server)}`] : [],
      ),
    ),
  )
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
      : servers.map((endpoint): CheckTarget => {
          const server = realServerKey(endpoint)
          if (anew.has(server)) return { check, endpoint, start: 'anew' }
          return serving.has(`${serviceKey(service.id)} ${server}`)
            ? { check, endpoint, start: 'presumed' }
            : { check, endpoint }
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

export function* healthEvents(
  services: readonly WantedService[],
  { key, from, to, detail, after }: HealthChange,
): Iterable<DirectorEvent> {
  for (const { name, check, servers } of services)
    for (const server of check === undefined ? [] : servers)
      if (check !== undefined && targetKey({ check, endpoint: server }) === key)
        yield {
          kind: 'server.health',
          service: name,
          server: realServerKey(server),
          guest: server.guest,
          from,
          to,
          reason: detail,
          after,
        }
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
