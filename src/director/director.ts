/** The director: joins what is wanted, what is healthy and what is drained, and keeps the engine at it. */
import type { Connection, ServiceSnapshot } from '../engines/engine.ts'
import { serviceKey } from '../lvs/service.ts'
import { version } from '../version.ts'
import { throwIfUnacceptable } from './acceptable.ts'
import { checkNow } from './checks.ts'
import type { DirectorControl, DirectorStatus } from './control.ts'
import { servicesOf, withCluster, withDrain, withGuestMoved, withoutCluster, withoutDrain } from './intent-changes.ts'
import { type KeeperOptions, openKeeper } from './keeper.ts'
import type { Intent } from './schemas.ts'
import type { DrainTarget } from './states.ts'
import { serviceStatuses } from './status.ts'
import { isDrained } from './table.ts'
import { unlessAborted } from './waiting.ts'

export type DirectorOptions = KeeperOptions & {
  readonly now: () => Date
  /** Called once when a client asks the daemon to stop. */
  readonly onStop: () => void
  /** What the engine has told of itself, by the key of the service that it is about. */
  readonly engineTroubles?: ReadonlyMap<string, string>
}

export type Director = DirectorControl & AsyncDisposable

/** Resolves once what the intent says stands in the engine, or has failed and is being tried again. */
export async function openDirector(options: DirectorOptions): Promise<Director> {
  const { engine, onEvent } = options
  const startedAt = options.now().toISOString()
  const keeper = await openKeeper(options)
  const { checker } = keeper
  const count = (target: DrainTarget): number => serversMeant(keeper.intent(), target)
  return {
    async status({ signal }): Promise<DirectorStatus> {
      const standing = await engine.read({ signal })
      const intent = keeper.intent()
      return {
        version,
        pid: process.pid,
        startedAt,
        engine: engine.name,
        capabilities: engine.capabilities,
        restarts: options.restarts ?? 0,
        clusters: intent.clusters,
        services: serviceStatuses(intent, standing, keeper),
        problems: [...keeper.problems(), ...troublesOf(standing, options.engineTroubles)],
      }
    },
    async putCluster(wanted, callOptions) {
      await keeper.change(
        callOptions,
        (intent) => {
          throwIfUnacceptable(engine, wanted, intent.clusters, keeper.byHand.services)
          return withCluster(intent, wanted)
        },
        { cluster: wanted.cluster },
      )
      onEvent({ kind: 'cluster.put', cluster: wanted.cluster, services: wanted.services.length })
    },
    async removeCluster(cluster, callOptions) {
      const had = servicesOf({ clusters: keeper.intent().clusters.filter((one) => one.cluster === cluster) }).length
      await keeper.change(callOptions, (intent) => withoutCluster(intent, cluster), { cluster })
      onEvent({ kind: 'cluster.removed', cluster, services: had })
    },
    async drain(target, callOptions) {
      await keeper.change(callOptions, (intent) => withDrain(intent, target))
      onEvent({ kind: 'server.drained', target, servers: count(target) })
      return count(target)
    },
    async undrain(target, callOptions) {
      await keeper.change(callOptions, (intent) => withoutDrain(intent, target))
      onEvent({ kind: 'server.undrained', target, servers: count(target) })
      return count(target)
    },
    async moveGuest(guest, reach, callOptions) {
      await keeper.change(callOptions, (intent) => withGuestMoved(intent, guest, reach), { started: guest })
      onEvent({ kind: 'guest.moved', guest, servers: count({ guest }) })
    },
    async connections({ signal }) {
      const all: Connection[] = []
      for await (const connection of engine.connections({ signal })) all.push(connection)
      return all
    },
    edit: (edits, callOptions) => keeper.edit(callOptions, edits),
    async table({ signal, only }) {
      const [services, info] = await Promise.all([
        engine.read(only === undefined ? { signal } : { signal, only }),
        engine.info({ signal }),
      ])
      return { services, info }
    },
    checkNow: (id, callOptions) => unlessAborted(callOptions, checkNow(checker, keeper.intent().clusters, id)),
    stop: async () => options.onStop(),
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  }
}

/** A service that is gone has taken its troubles along. */
function troublesOf(standing: readonly ServiceSnapshot[], troubles: ReadonlyMap<string, string> = new Map()): string[] {
  return standing.flatMap(({ service }) => troubles.get(serviceKey(service.id)) ?? [])
}

function serversMeant(intent: Intent, target: DrainTarget): number {
  return servicesOf(intent).flatMap(({ servers }) => servers.filter((server) => isDrained([target], server))).length
}
