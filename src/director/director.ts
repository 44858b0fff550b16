/** The director: joins what is wanted, what is healthy and what is drained, and keeps the engine at it. */

import { type Engine, refusals, type ServiceSnapshot } from '../engines/engine.ts'
import { describeError, InfraError } from '../errors.ts'
import type { Probe, ProbeSpec } from '../health/check.ts'
import { type Checker, type CheckTarget, openChecker, type Timing } from '../health/checker.ts'
import { type ServiceId, serviceKey } from '../lvs/service.ts'
import { version } from '../version.ts'
import type {
  ClusterServices,
  DirectorControl,
  DirectorStatus,
  DrainTarget,
  Health,
  WantedServer,
  WantedService,
} from './control.ts'
import type { IntentStore } from './intent.ts'
import { reconcileLoop } from './reconcile-loop.ts'
import type { Intent } from './schemas.ts'
import { serviceStatuses } from './status.ts'
import { isDrained, tableChanges, wantedTable } from './table.ts'

export type DirectorEvent =
  | {
      readonly kind: 'server.health'
      readonly service: string
      readonly server: string
      readonly guest: string | undefined
      readonly from: string
      readonly to: string
      readonly reason: string
    }
  | { readonly kind: 'engine.applied'; readonly changes: number }
  | { readonly kind: 'engine.failed'; readonly reason: string; readonly again: number }
  | { readonly kind: 'engine.recovered' }
  | { readonly kind: 'cluster.put' | 'cluster.removed'; readonly cluster: string; readonly services: number }
  | { readonly kind: 'server.drained' | 'server.undrained'; readonly target: DrainTarget; readonly servers: number }
  | { readonly kind: 'guest.moved'; readonly guest: string; readonly servers: number }
  | { readonly kind: 'intent.trouble'; readonly reason: string }

export type DirectorOptions = {
  readonly engine: Engine
  readonly intent: IntentStore
  readonly timing: Timing
  readonly now: () => Date
  readonly onEvent: (event: DirectorEvent) => void
  /** Called once when a client asks the daemon to stop. */
  readonly onStop: () => void
  readonly restarts?: number
  readonly openProbe?: (spec: ProbeSpec) => Probe
}

export type Director = DirectorControl & AsyncDisposable

/** How long one conversation with the engine may take. */
const engineMs = 10_000

export async function openDirector(options: DirectorOptions): Promise<Director> {
  const { engine, onEvent, timing } = options
  const startedAt = options.now().toISOString()
  const closing = new AbortController()
  const loaded = await options.intent.load({ signal: AbortSignal.timeout(engineMs) })
  if (loaded.trouble !== undefined) onEvent({ kind: 'intent.trouble', reason: loaded.trouble })
  let intent: Intent = loaded.intent
  let problems: readonly string[] = []
  /** Keys of services that were ever wanted by a cluster here: only these may be removed from the engine. */
  const owned = new Set<string>()

  const services = (): WantedService[] => intent.clusters.flatMap((cluster) => cluster.services)
  const checker = openChecker({
    timing,
    ...(options.openProbe === undefined ? {} : { open: options.openProbe }),
    onChange: ({ target, from, to, detail }) => {
      for (const event of healthEvents(services(), target, from, to, detail)) onEvent(event)
      loop.trigger()
    },
  })
  const healthOf = (service: WantedService, server: WantedServer): Health =>
    service.check === undefined ? 'unchecked' : checker.view({ check: service.check, endpoint: server }).health

  const reconcile = async (): Promise<void> => {
    checker.watch(checkTargets(services()))
    for (const { service } of services()) owned.add(serviceKey(service.id))
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(engineMs)])
    const changes = tableChanges(await engine.read({ signal }), wantedTable(services(), healthOf, intent.drains), owned)
    if (changes.length === 0) return
    await engine.apply(changes, { signal })
    onEvent({ kind: 'engine.applied', changes: changes.length })
  }
  const loop = reconcileLoop(reconcile, timing, closing.signal, (error, failures) => {
    if (error === undefined) onEvent({ kind: 'engine.recovered' })
    else if (failures === 1 || failures % 20 === 0)
      onEvent({ kind: 'engine.failed', reason: describeError(error), again: failures })
    problems = error === undefined ? [] : [describeError(error)]
  })
  /** One change of the intent after the other: on disk first, then in the engine. */
  let last: Promise<unknown> = Promise.resolve()
  const change = <T>(next: (current: Intent) => { readonly intent: Intent; readonly result: T }): Promise<T> => {
    const mine = last.then(async () => {
      const changed = next(intent)
      await options.intent.save(changed.intent, { signal: AbortSignal.timeout(engineMs) })
      intent = changed.intent
      await loop.settle()
      return changed.result
    })
    last = mine.catch(() => undefined)
    return mine
  }
  const count = (target: DrainTarget): number =>
    services()
      .flatMap(({ servers }) => servers)
      .filter((server) => isDrained([target], server)).length

  await loop.settle()
  return {
    async status({ signal }): Promise<DirectorStatus> {
      const standing: readonly ServiceSnapshot[] = await engine.read({ signal })
      return {
        version,
        pid: process.pid,
        startedAt,
        engine: engine.name,
        capabilities: engine.capabilities,
        restarts: options.restarts ?? 0,
        clusters: intent.clusters,
        services: serviceStatuses(intent, standing, checker),
        problems,
      }
    },
    async putCluster(wanted) {
      await change((current) => {
        checkAcceptable(engine, wanted, current.clusters)
        const others = current.clusters.filter(({ cluster }) => cluster !== wanted.cluster)
        return { intent: { ...current, clusters: [...others, wanted] }, result: undefined }
      })
      onEvent({ kind: 'cluster.put', cluster: wanted.cluster, services: wanted.services.length })
      if (problems.length > 0)
        throw new InfraError('busy', problems.join('; '), { subject: wanted.cluster, retryable: true })
    },
    async removeCluster(cluster) {
      await change((current) => {
        const clusters = current.clusters.filter((other) => other.cluster !== cluster)
        return {
          intent: { ...current, clusters, drains: clusters.length === 0 ? [] : current.drains },
          result: undefined,
        }
      })
      onEvent({ kind: 'cluster.removed', cluster, services: 0 })
    },
    async drain(target) {
      await change((current) => ({
        intent: { ...current, drains: [...without(current.drains, target), target] },
        result: undefined,
      }))
      onEvent({ kind: 'server.drained', target, servers: count(target) })
      return count(target)
    },
    async undrain(target) {
      await change((current) => ({
        intent: { ...current, drains: without(current.drains, target) },
        result: undefined,
      }))
      onEvent({ kind: 'server.undrained', target, servers: count(target) })
      return count(target)
    },
    async moveGuest(guest, reach) {
      const moved = await change((current) => moveServers(current, guest, reach))
      if (moved > 0) onEvent({ kind: 'guest.moved', guest, servers: moved })
    },
    async connections({ signal }) {
      const all = []
      for await (const connection of engine.connections({ signal })) all.push(connection)
      return all
    },
    checkNow: (id) => checkNow(checker, services(), id),
    stop: async () => options.onStop(),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await Promise.allSettled([last, loop.ended()])
      await checker[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
    },
  }
}

/** Everything that speaks against these services, at once. @throws InfraError `invalid` or `unsupported` */
function checkAcceptable(engine: Engine, wanted: ClusterServices, clusters: readonly ClusterServices[]): void {
  const taken = new Map<string, string>()
  for (const { cluster, services } of clusters)
    if (cluster !== wanted.cluster)
      for (const { name, service } of services) taken.set(serviceKey(service.id), `${cluster}/${name}`)
  const conflicts: string[] = []
  for (const { name, service } of wanted.services) {
    const key = serviceKey(service.id)
    const other = taken.get(key)
    if (other !== undefined) conflicts.push(`${key} of ${name} is taken by ${other}`)
    taken.set(key, `${wanted.cluster}/${name}`)
  }
  if (conflicts.length > 0)
    throw new InfraError('invalid', conflicts.join('; '), {
      subject: wanted.cluster,
      hint: 'choose other addresses or ports',
    })
  const table = wantedTable(wanted.services, () => 'unchecked', [])
  const refused = refusals(engine.name, engine.capabilities, tableChanges([], table, new Set()))
  if (refused.length > 0)
    throw new InfraError('unsupported', [...new Set(refused.map(({ reason }) => reason))].join('; '), {
      subject: wanted.cluster,
      ...(refused[0]?.hint === undefined ? {} : { hint: refused[0].hint }),
    })
}

function checkTargets(services: readonly WantedService[]): CheckTarget[] {
  return services.flatMap(({ check, servers }) =>
    check === undefined ? [] : servers.map((endpoint) => ({ check, endpoint })),
  )
}

async function checkNow(checker: Checker, services: readonly WantedService[], id: ServiceId): Promise<void> {
  const service = services.find((wanted) => serviceKey(wanted.service.id) === serviceKey(id))
  if (service === undefined)
    throw new InfraError('not-found', `no service ${serviceKey(id)}`, { subject: serviceKey(id) })
  await Promise.all(checkTargets([service]).map((target) => checker.probeNow(target)))
}

function* healthEvents(
  services: readonly WantedService[],
  target: CheckTarget,
  from: string,
  to: string,
  reason: string,
): Iterable<DirectorEvent> {
  for (const { name, check, servers } of services) {
    if (JSON.stringify(check) !== JSON.stringify(target.check)) continue
    for (const { address, port, guest } of servers)
      if (address === target.endpoint.address && port === target.endpoint.port)
        yield { kind: 'server.health', service: name, server: `${address}:${port}`, guest, from, to, reason }
  }
}

function moveServers(
  intent: Intent,
  guest: string,
  reach: readonly { readonly guestPort: number; readonly address: string; readonly port: number }[],
): { intent: Intent; result: number } {
  let moved = 0
  const move = (server: WantedServer): WantedServer => {
    const found = server.guest === guest ? reach.find(({ guestPort }) => guestPort === server.guestPort) : undefined
    if (found === undefined || (found.address === server.address && found.port === server.port)) return server
    moved += 1
    return { ...server, address: found.address, port: found.port }
  }
  const clusters = intent.clusters.map((cluster) => ({
    ...cluster,
    services: cluster.services.map((service) => ({ ...service, servers: service.servers.map(move) })),
  }))
  return { intent: { ...intent, clusters }, result: moved }
}

function without(drains: readonly DrainTarget[], target: DrainTarget): DrainTarget[] {
  return drains.filter((drain) => JSON.stringify(drain) !== JSON.stringify(target))
}
