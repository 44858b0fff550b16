/** The director: joins what is wanted, what is healthy and what is drained, and keeps the engine at it. */
import type { EbpfTuning } from '../engines/ebpf/tuning.ts'
import type { EngineName, ServiceSnapshot } from '../engines/engine.ts'
import { describeError, InfraError } from '../errors.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import type { SyncStatus } from '../lvs/sync-daemon.ts'
import { version } from '../version.ts'
import { throwIfUnacceptable } from './acceptable.ts'
import { inBatches } from './batches.ts'
import { resultEvents } from './check-events.ts'
import { checkNow } from './checks.ts'
import type { CallOptions, DirectorControl, DirectorStatus, ServerReach, ServiceStatus } from './control.ts'
import type { DirectorEvent } from './events.ts'
import { type FindGuests, openFollowing } from './following.ts'
import { busyOf } from './guest-servers.ts'
import {
  servicesOf,
  withCluster,
  withDrain,
  withGuestFollowed,
  withGuestMoved,
  withoutCluster,
  withoutDrain,
  withoutFormer,
} from './intent-changes.ts'
import { type KeeperOptions, openKeeper } from './keeper.ts'
import { openRestarts, type RestartGuest, type Restarts } from './restarts/restarts.ts'
import type { Intent } from './schemas.ts'
import type { DrainTarget } from './states.ts'
import { serviceStatuses } from './status.ts'
import { isDrained } from './table.ts'
import { openTelling, type TellingOptions } from './telling.ts'
import { type VirtualRoutersOptions, virtualRouters } from './virtual-routers.ts'
import { unlessAborted } from './waiting.ts'

export type DirectorOptions = KeeperOptions &
  Omit<TellingOptions, 'life'> &
  Pick<VirtualRoutersOptions, 'openVrrp'> & {
    /** Called once when a client asks the daemon to stop. */
    readonly onStop: (keep: boolean) => void
    /** Why this engine, where it was chosen among others. */
    readonly engineReason?: string
    /** What is wrong beside, in words. */
    readonly troubles?: () => readonly string[]
    /** How a guest of this machine is restarted; left out, none is. */
    readonly restartGuest?: RestartGuest
    /** Where the guests of this machine are; left out, nobody follows them. */
    readonly findGuests?: FindGuests
    /** As the engine began, where it is ebpf. */
    readonly ebpf?: EbpfTuning
    /** What the engine has told of itself, by the key of the service that it is about. */
    readonly engineTroubles?: ReadonlyMap<string, string>
  }

/** What is measured of a director now. */
export type Measures = {
  readonly engine: EngineName
  readonly problems: number
  readonly lateChecks: number
  readonly sync: readonly SyncStatus[]
  /** To be taken soon, but not in one go. */
  readonly services: Iterable<ServiceStatus>
}

export type Director = DirectorControl &
  AsyncDisposable & {
    /** For its own process only. */
    measure(options: CallOptions): Promise<Measures>
  }

/** Resolves once what the intent says stands in the engine, or has failed and is being tried again. */
export async function openDirector(options: DirectorOptions): Promise<Director> {
  const { engine } = options
  const startedAt = options.now().toISOString()
  const telling = openTelling({ ...options, life: startedAt })
  const { conclude } = telling
  let again = (): void => {}
  let restarts: Restarts | undefined
  const routers = virtualRouters({ ...options, onEvent: telling.publish, onSides: () => again() })
  const keeper = await openKeeper({
    ...options,
    syncSides: (cluster) => routers.syncSides(cluster),
    onEvent(event) {
      telling.publish(event)
      routers.heed(event)
    },
    onIntent(intent) {
      routers.prepare(intent.clusters)
      telling.follow(intent.clusters)
      options.onIntent?.(intent)
    },
    onRound(isWell) {
      options.onRound?.(isWell)
      // From the next turn on: what it sees is what the round has made.
      queueMicrotask(() => restarts?.see({ ...keeper.intent(), look: keeper.look }))
    },
    onResult(result, watchers) {
      options.onResult?.(result, watchers)
      if (telling.wantsResults()) for (const event of resultEvents(watchers, result)) telling.publish(event)
    },
  }).catch(async (error: unknown) => {
    await telling[Symbol.asyncDispose]()
    throw error
  })
  again = () => keeper.again()
  const moveGuest = (guest: string, reach: readonly ServerReach[], call: CallOptions): Promise<void> =>
    keeper.change(call, (intent) => withGuestMoved(intent, guest, reach), { started: guest })
  if (options.restartGuest !== undefined)
    restarts = openRestarts({
      timing: options.timing,
      restart: options.restartGuest,
      onRestarted: (guest, reach) => moveGuest(guest, reach, { signal: AbortSignal.timeout(movingMs) }),
      onEvent: telling.publish,
    })
  restarts?.see({ ...keeper.intent(), look: keeper.look })
  const following =
    options.findGuests === undefined
      ? undefined
      : openFollowing({
          timing: options.timing,
          find: options.findGuests,
          clusters: () => keeper.intent().clusters,
          look: keeper.look,
          async connections({ service: { id } }, server, call) {
            const [standing] = await engine.read({ ...call, only: [id] })
            const found = standing?.servers.find((one) => realServerKey(one.server) === realServerKey(server))
            return found === undefined ? 0 : busyOf(engine.name, id, found)
          },
          async onMoved(guest, from, to, call) {
            await keeper.change(call, (intent) => withGuestFollowed(intent, guest, from, to))
            tell({ guest }, (servers) => ({ kind: 'guest.moved', guest, servers }))
          },
          onOver: (isOver, call) => keeper.change(call, (intent) => withoutFormer(intent, isOver)),
        })
  await routers.follow(keeper.intent().clusters)
  const { checker } = keeper
  const statuses = (standing: readonly ServiceSnapshot[]) => serviceStatuses(keeper.intent(), standing, keeper)
  const problems = (): string[] => [
    ...keeper.problems(),
    ...routers.problems(),
    ...(restarts?.problems() ?? []),
    ...(following?.problems() ?? []),
    ...(options.troubles?.() ?? []),
  ]
  const synchronisation = async (call: CallOptions): Promise<readonly SyncStatus[]> =>
    (await engine.synchronisation?.(call)) ?? (await engine.info(call)).daemons.map((daemon) => ({ daemon }))
  /** Says what was done with the servers that are meant, and gives back how many they are. */
  const tell = (target: DrainTarget, said: (servers: number) => DirectorEvent): number => {
    const meant = serversMeant(keeper.intent(), target)
    const servers = meant.length
    telling.publish(said(servers), [...new Set(meant)])
    return servers
  }
  return {
    async status({ signal }): Promise<DirectorStatus> {
      const standing = await engine.read({ signal })
      const intent = keeper.intent()
      return {
        version,
        pid: process.pid,
        startedAt,
        engine: engine.name,
        ...(options.engineReason === undefined ? {} : { engineReason: options.engineReason }),
        ...(options.ebpf === undefined || engine.name !== 'ebpf' ? {} : { ebpf: options.ebpf }),
        capabilities: engine.capabilities,
        restarts: options.restarts ?? 0,
        clusters: intent.clusters,
        services: [...statuses(standing)],
        routers: await routers.status({ signal }),
        sync: await synchronisation({ signal }),
        problems: [...problems(), ...troublesOf(standing, options.engineTroubles)],
      }
    },
    async putCluster(wanted, callOptions) {
      const { cluster } = wanted
      const next = (intent: Intent): Intent => {
        throwIfUnacceptable(engine, wanted, intent.clusters, keeper.byHand)
        return withCluster(intent, wanted)
      }
      const onEnd = (failure: unknown): void =>
        conclude(
          failure === undefined
            ? { kind: 'cluster.put', cluster, services: wanted.services.length }
            : { kind: 'cluster.refused', cluster, reason: describeError(failure) },
        )
      await keeper.change(callOptions, next, { cluster, onEnd })
      await routers.follow(keeper.intent().clusters)
    },
    async removeCluster(cluster, callOptions) {
      const had = servicesOf({ clusters: keeper.intent().clusters.filter((one) => one.cluster === cluster) }).length
      await keeper.change(callOptions, (intent) => withoutCluster(intent, cluster), { cluster })
      await routers.follow(keeper.intent().clusters)
      conclude({ kind: 'cluster.removed', cluster, services: had })
    },
    async drain(target, callOptions) {
      await keeper.change(callOptions, (intent) => withDrain(intent, target))
      return tell(target, (servers) => ({ kind: 'server.drained', target, servers }))
    },
    async undrain(target, callOptions) {
      await keeper.change(callOptions, (intent) => withoutDrain(intent, target))
      return tell(target, (servers) => ({ kind: 'server.undrained', target, servers }))
    },
    async moveGuest(guest, reach, callOptions) {
      await moveGuest(guest, reach, callOptions)
      restarts?.started(guest)
      tell({ guest }, (servers) => ({ kind: 'guest.moved', guest, servers }))
    },
    connections: (callOptions) => inBatches(engine.connections(callOptions)),
    edit: (edits, callOptions) => keeper.edit(callOptions, edits),
    async table({ signal, only }) {
      const [services, info] = await Promise.all([
        engine.read(only === undefined ? { signal } : { signal, only }),
        engine.info({ signal }),
      ])
      return { services, info }
    },
    async trace(question, callOptions) {
      if (engine.trace !== undefined) return await engine.trace(question, callOptions)
      throw new InfraError('unsupported', `the ${engine.name} engine does not tell where a packet would go`, {
        subject: engine.name,
        hint: 'the ebpf engine does; baton ipvsadm -Ln shows the table',
      })
    },
    checkNow: (id, callOptions) => unlessAborted(callOptions, checkNow(checker, keeper.intent().clusters, id)),
    async measure({ signal }) {
      const standing = await engine.read({ signal })
      return {
        engine: engine.name,
        problems: problems().length + troublesOf(standing, options.engineTroubles).length,
        lateChecks: checker.lateChecks(),
        services: statuses(standing),
        sync: await synchronisation({ signal }),
      }
    },
    handOver: (order, callOptions) => routers.handOver(order, callOptions),
    events: (query) => telling.events(query),
    async stop({ keep = false }) {
      if (keep && engine.release === undefined) throw cannotKeep(engine.name)
      options.onStop(keep)
    },
    async [Symbol.asyncDispose]() {
      await following?.[Symbol.asyncDispose]()
      await restarts?.[Symbol.asyncDispose]()
      await routers[Symbol.asyncDispose]()
      await keeper[Symbol.asyncDispose]()
      await telling[Symbol.asyncDispose]()
    },
  }
}

/** How long it may take until a guest that was restarted is served where it is now. */
const movingMs = 30_000

function cannotKeep(engine: EngineName): InfraError {
  return new InfraError(
    'unsupported',
    `with the ${engine} engine traffic passes through the director, and ends with it`,
    {
      subject: engine,
      hint: 'stop it without --keep; the ebpf and ipvs engines go on by themselves',
    },
  )
}

/** A service that is gone has taken its troubles along. */
function troublesOf(standing: readonly ServiceSnapshot[], troubles: ReadonlyMap<string, string> = new Map()): string[] {
  return standing.flatMap(({ service }) => troubles.get(serviceKey(service.id)) ?? [])
}

/** The cluster of each of them. */
function serversMeant({ clusters }: Intent, target: DrainTarget): string[] {
  return clusters.flatMap(({ cluster, services }) =>
    services.flatMap(({ servers }) => servers.filter((server) => isDrained([target], server)).map(() => cluster)),
  )
}
