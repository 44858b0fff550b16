/** What a director asks of its checker, and what it makes of the answers. */
import type { ServiceSnapshot } from '../engines/engine.ts'
import { InfraError } from '../errors.ts'
import type { CheckSpec, ProbeKind } from '../health/check.ts'
import { type Checker, targetKey } from '../health/checker.ts'
import type { CheckTarget, HealthChange } from '../health/target.ts'
import { realServerKey, type ServiceId, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, WantedServer, WantedService } from './control.ts'
import type { DirectorEvent } from './events.ts'
import { joinedReport, type Seen } from './standing.ts'
import type { Health } from './states.ts'
import type { LookAt } from './table.ts'

type Views = Pick<Checker, 'view'>

/** Whether a file of the cluster's maintenance directory names the server. */
export type IsMaintained = (cluster: string, server: WantedServer) => boolean

/** What is known of servers: all checks of one must pass, and its agent, or a file, may have taken it out. */
export function lookIn(checker: Views, isMaintained: IsMaintained): LookAt {
  return (cluster, service, server) => {
    if (isMaintained(cluster, server)) return maintained
    const checks = checksOf(service, server)
    const first = checks[0]
    if (first === undefined) return unchecked
    const view = checker.view(targetOf(first, server))
    if (checks.length === 1) return view.report?.wish === 'maint' ? { ...view, health: 'maintenance' } : view
    let joint: Seen = view
    for (const check of checks.slice(1)) joint = jointly(joint, checker.view(targetOf(check, server)), server.weight)
    return joint.report?.wish === 'maint' ? { ...joint, health: 'maintenance' } : joint
  }
}

const unchecked: Seen = { health: 'unchecked' }
const maintained: Seen = { health: 'maintenance' }

function jointly(one: Seen, other: Seen, weight: number): Seen {
  const report = joinedReport(one.report, other.report, weight)
  // It is back since the last of its checks is.
  const back = [one, other].filter(({ recovered }) => recovered === true).map(({ sinceMs = 0 }) => sinceMs)
  const health = joined(one.health, other.health)
  return {
    health,
    ...(report === undefined ? {} : { report }),
    ...(back.length === 0 ? {} : { sinceMs: Math.max(...back), recovered: true }),
  }
}

/** All checks of a server must pass: sick when one fails, and not known to be well while one has said nothing. */
export function joined(a: Health, b: Health): Health {
  return gravity[a] >= gravity[b] ? a : b
}

const gravity: Readonly<Record<Health, number>> = { unchecked: 0, healthy: 1, unknown: 2, unhealthy: 3, maintenance: 4 }

/** What the checks alone say, whatever a file says. */
export function healthOf(checker: Views, service: WantedService, server: WantedServer): Health {
  let joint: Health = 'unchecked'
  for (const check of checksOf(service, server)) joint = joined(joint, checker.view(targetOf(check, server)).health)
  return joint
}

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
export function servingIn(standing: readonly ServiceSnapshot[], clusters: readonly ClusterServices[]): Set<string> {
  const serving = new Set<string>()
  const checked = new Set<string>()
  for (const { services } of clusters)
    for (const service of services) if (isChecked(service)) checked.add(serviceKey(service.service.id))
  if (checked.size === 0) return serving
  for (const { service, servers } of standing) {
    const key = serviceKey(service.id)
    if (!checked.has(key)) continue
    for (const { server } of servers) if (server.weight > 0) serving.add(`${key} ${realServerKey(server)}`)
  }
  return serving
}

/**
 * A server that serves already when its check begins or changes goes on serving until it fails. One in maintenance is not
 * probed, unless somebody else whose server it is too wants to know.
 */
export function checkTargets(
  clusters: readonly ClusterServices[],
  serving: ReadonlySet<string>,
  anew: ReadonlySet<string>,
  isMaintained: IsMaintained = () => false,
): CheckTarget[] {
  const targets: CheckTarget[] = []
  const resting: CheckTarget[] = []
  for (const { cluster, services } of clusters)
    for (const service of services) {
      const id = serviceKey(service.service.id)
      for (const server of service.servers) {
        const checks = checksOf(service, server)
        if (checks.length === 0) continue
        const key = realServerKey(server)
        const start = anew.has(key) ? 'anew' : serving.has(`${id} ${key}`) ? 'presumed' : undefined
        const to = isMaintained(cluster, server) ? resting : targets
        for (const check of checks) {
          const target = targetOf(check, server)
          to.push(start === undefined ? target : { ...target, start })
        }
      }
    }
  if (resting.length === 0) return targets
  const probed = new Set(targets.map(targetKey))
  for (const target of resting) if (!probed.has(targetKey(target))) targets.push({ ...target, maintenance: true })
  return targets
}

export async function checkNow(checker: Checker, clusters: readonly ClusterServices[], id: ServiceId): Promise<void> {
  const key = serviceKey(id)
  const found = clusters.flatMap(({ services }) => services).find(({ service }) => serviceKey(service.id) === key)
  if (found === undefined) throw new InfraError('not-found', `no service ${key}`, { subject: key })
  const targets = checkTargets([{ cluster: '', services: [found] }], new Set(), new Set())
  await Promise.all(targets.map((target) => checker.probeNow(target)))
}

/** A server that somebody looks after. */
export type Watcher = { readonly cluster: string; readonly service: WantedService; readonly server: WantedServer }

/** One that a probe speaks for. */
export type ProbeWatcher = Watcher & { readonly kind: ProbeKind }

/** Which servers each probe speaks for, by its key. */
export type Watchers = ReadonlyMap<string, readonly ProbeWatcher[]>

export function watchersOf(clusters: readonly ClusterServices[]): Watchers {
  const found = new Map<string, ProbeWatcher[]>()
  for (const { cluster, services } of clusters)
    for (const service of services)
      for (const server of service.servers)
        for (const check of checksOf(service, server)) {
          const key = targetKey(targetOf(check, server))
          const known = found.get(key)
          const watcher = { cluster, service, server, kind: check.probe.kind }
          if (known === undefined) found.set(key, [watcher])
          else known.push(watcher)
        }
  return found
}

/** What a check that has changed its mind makes of its servers, beside what else is known of them. */
export function healthEvents(
  watchers: readonly Watcher[],
  change: HealthChange,
  checker: Views,
  isMaintained: IsMaintained,
): DirectorEvent[] {
  return watchers.flatMap(({ cluster, service, server }): DirectorEvent[] => {
    let others: Health = 'unchecked'
    for (const check of checksOf(service, server)) {
      const target = targetOf(check, server)
      const view = checker.view(target)
      if (view.report?.wish === 'maint') others = 'maintenance'
      else if (targetKey(target) !== change.key) others = joined(others, view.health)
    }
    // While a file keeps it in maintenance nothing else matters; that it begins is what the checker says.
    if (change.to !== 'maintenance' && isMaintained(cluster, server)) return []
    const [from, to] = [joined(others, change.from), joined(others, change.to)]
    if (from === to) return []
    const { detail: reason, after } = change
    return [{ kind: 'server.health', ...aboutServer({ cluster, service, server }), from, to, reason, after }]
  })
}

export function aboutServer({ cluster, service, server }: Watcher): {
  readonly cluster: string
  readonly service: string
  readonly server: string
  readonly guest: string | undefined
} {
  return { cluster, service: service.name, server: realServerKey(server), guest: server.guest }
}

/** The keys of the started guest's servers that are known to be sick: of those that are well a start is no news. */
export function sickServers(services: readonly WantedService[], guest: string | undefined, checker: Views): string[] {
  if (guest === undefined) return []
  return services.flatMap((service) =>
    service.servers
      .filter((server) => server.guest === guest && healthOf(checker, service, server) === 'unhealthy')
      .map(realServerKey),
  )
}
