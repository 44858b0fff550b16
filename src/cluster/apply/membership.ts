/** A cluster's services at its directors while guests leave and come back: one change at a time for each director. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterServices, DirectorStatus, ServerStatus } from '../../director/control.ts'
import { busyConnections } from '../../director/guest-servers.ts'
import { InfraError, isInfraError } from '../../errors.ts'
import type { GuestState } from '../../guests/hypervisor.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import { unreachedServers, wantedServices } from '../plan/wanted.ts'
import type { DirectorAccess, Site } from '../site.ts'
import { type ClusterSpec, guestNames } from '../spec/model.ts'

export type MembershipOptions = { readonly signal: AbortSignal; readonly progress: (text: string) => void }

export interface Membership {
  /**
   * Makes the director's services what the spec wants, with every guest where it is reached now; those that are leaving
   * stay away. Waits until it is known where the running guests (or this one) are reached; one that is not reached where
   * it is wanted keeps its old place until then. @throws InfraError `timeout` naming them.
   */
  apply(director: DirectorAccess, options: MembershipOptions, guest?: string): Promise<void>
  /** Weight 0 everywhere, until its connections have finished or the time for that is over; then out of every service. */
  leave(guest: string, options: MembershipOptions): Promise<void>
  /**
   * Out of the services in which the director still counts it healthy, though it does not run: when it is back, its
   * check begins anew.
   */
  forget(guest: string, options: MembershipOptions): Promise<void>
  /** It was started: what drained it until then is over. */
  started(guest: string, options: MembershipOptions): Promise<void>
  /** It may be a server again; the next `apply` puts it back. */
  mayReturn(guest: string): void
  /** @throws InfraError `timeout` naming the servers (of this guest, or all) that are not healthy. */
  untilHealthy(director: DirectorAccess, options: MembershipOptions, guest?: string): Promise<void>
  /** The directors that serve this cluster, each once. */
  readonly directors: readonly DirectorAccess[]
}

/** How long a guest's connections may take to finish before it goes, where its pool does not say. */
const usualDrainMs = 15_000
const pollMs = { first: 10, most: 250 }

type Leaving = ReadonlyMap<string, 'drained' | 'out'>

export function openMembership(spec: ClusterSpec, sites: ReadonlyMap<string, Site>): Membership {
  // Hosts of one machine share its director: the first of them names it.
  const names = new Map(
    spec.directors.hosts.toReversed().flatMap((name) => {
      const director = sites.get(name)?.director
      return director === undefined ? [] : [[director, name] as const]
    }),
  )
  const directors = [...names.keys()].toReversed()
  const leaving = new Map<string, 'drained' | 'out'>()
  const queues = new Map<DirectorAccess, Promise<unknown>>()
  /** Reading and putting the services back is one thing: two at once would undo each other. */
  const alone = <T>(director: DirectorAccess, body: () => Promise<T>): Promise<T> => {
    const mine = (queues.get(director) ?? Promise.resolve()).then(body)
    queues.set(
      director,
      mine.catch(() => undefined),
    )
    return mine
  }
  const standing = async ({ control }: DirectorAccess, signal: AbortSignal): Promise<ClusterServices | undefined> =>
    (await control.status({ signal })).clusters.find(({ cluster }) => cluster === spec.name)

  /** Resolves to the guests that run but are not reached anywhere yet. */
  const put = (director: DirectorAccess, signal: AbortSignal): Promise<string[]> =>
    alone(director, async () => {
      const guests = await guestsNow(spec.name, sites, signal)
      const before = await standing(director, signal)
      const resolved = wantedServices(spec, guests, before, names.get(director))
      const unreached = unreachedServers(spec, resolved)
      await director.control.putCluster(without(withOldPlaces(resolved, before, unreached), leaving), { signal })
      return [...new Set(unreached.map(({ guest }) => guest))].filter((name) => guests.get(name)?.state === 'running')
    })
  const mark = (guest: string, how: 'drained' | 'out', signal: AbortSignal): Promise<boolean[]> =>
    Promise.all(
      directors.map((director) =>
        alone(director, async () => {
          leaving.set(guest, how)
          const services = await ifDirected(() => standing(director, signal))
          if (services === undefined || !serves(services, guest)) return false
          await director.control.putCluster(without(services, leaving), { signal })
          return true
        }),
      ),
    )
  return {
    directors,
    async apply(director, { signal, progress }, guest) {
      await poll(signal, async () => {
        const unreached = (await put(director, signal)).filter((name) => guest === undefined || name === guest)
        if (unreached.length === 0) return undefined
        const names = unreached.join(', ')
        progress(`waiting for the address of ${names}`)
        return new InfraError('timeout', `no address is known of ${names}`, {
          subject: names,
          retryable: true,
          hint: 'baton console GUEST shows what a guest says; is there a DHCP server on its bridge?',
        })
      })
    },
    async leave(guest, { signal, progress }) {
      if (!(await mark(guest, 'drained', signal)).includes(true)) return
      progress('draining')
      const end = performance.now() + (drainMsOf(spec, guest) ?? usualDrainMs)
      while ((await stillBusy(directors, guest, signal)) > 0 && performance.now() < end)
        await sleep(50, undefined, { signal })
      await mark(guest, 'out', signal)
    },
    async forget(guest, { signal }) {
      const servers = (await statuses(directors, signal)).flatMap((status) => serversOf(status, spec.name))
      if (servers.some((server) => server.guest === guest && server.health === 'healthy'))
        await mark(guest, 'out', signal)
    },
    async started(guest, { signal }) {
      for (const { control } of directors)
        await ifDirected(() => control.undrain({ guest, until: 'start' }, { signal }))
    },
    mayReturn: (guest) => void leaving.delete(guest),
    untilHealthy: ({ control }, { signal, progress }, guest) =>
      poll(signal, async () => {
        const sick = serversOf(await control.status({ signal }), spec.name).filter(
          (server) =>
            (guest === undefined || server.guest === guest) &&
            (server.health === 'unknown' || server.health === 'unhealthy'),
        )
        if (sick.length === 0) return undefined
        progress(`waiting for ${named(sick, nameOf)}`)
        return new InfraError(
          'timeout',
          `not healthy: ${named(sick, (server) => `${nameOf(server)} (${server.detail})`)}`,
          {
            subject: named(sick, nameOf),
            retryable: true,
            hint: 'baton status shows them; baton console GUEST shows what a guest says',
          },
        )
      }),
  }
}

/** Asks again, ever slower, until there is nothing left to wait for; what is left when the signal aborts is thrown. */
async function poll(signal: AbortSignal, ask: () => Promise<InfraError | undefined>): Promise<void> {
  let last: InfraError | undefined
  for (let waitMs = pollMs.first; ; waitMs = Math.min(waitMs * 2, pollMs.most)) {
    try {
      last = await ask()
      if (last === undefined) return
      await sleep(waitMs, undefined, { signal })
    } catch (error) {
      throw signal.aborted && last !== undefined ? last : error
    }
  }
}

function drainMsOf({ guests }: ClusterSpec, guest: string): number | undefined {
  return Object.values(guests).find((pool) => guestNames(pool).includes(guest))?.drainMs
}

const nameOf = (server: ServerStatus): string => server.guest ?? formatEndpoint(server)
const named = (servers: readonly ServerStatus[], name: (server: ServerStatus) => string): string =>
  [...new Set(servers.map(name))].join(', ')

/** The cluster's guests by name; of one that stands on two hosts while it moves, the one that runs. */
async function guestsNow(
  cluster: string,
  sites: ReadonlyMap<string, Site>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, GuestState>> {
  const lists = await Promise.all([...sites.values()].map(({ hypervisor }) => hypervisor.list({ signal })))
  const guests = new Map<string, GuestState>()
  for (const state of lists.flat()) {
    const { name, mark } = state.definition
    if (mark?.cluster !== cluster) continue
    if (guests.get(name)?.state !== 'running') guests.set(name, state)
  }
  return guests
}

const serves = ({ services }: ClusterServices, guest: string): boolean =>
  services.some(({ servers }) => servers.some((server) => server.guest === guest))

function without(services: ClusterServices, leaving: Leaving): ClusterServices {
  const how = (guest: string | undefined) => (guest === undefined ? undefined : leaving.get(guest))
  return {
    ...services,
    services: services.services.map((service) => ({
      ...service,
      servers: service.servers
        .filter(({ guest }) => how(guest) !== 'out')
        .map((server) => (how(server.guest) === 'drained' ? { ...server, weight: 0 } : server)),
    })),
  }
}

function withOldPlaces(
  services: ClusterServices,
  before: ClusterServices | undefined,
  unreached: readonly { readonly service: string; readonly guest: string }[],
): ClusterServices {
  if (unreached.length === 0 || before === undefined) return services
  const keeping = new Set(unreached.map(({ service, guest }) => `${service} ${guest}`))
  const old = new Map(before.services.map(({ name, servers }) => [name, servers]))
  return {
    ...services,
    services: services.services.map((service) => ({
      ...service,
      servers: [
        ...service.servers,
        ...(old.get(service.name) ?? []).filter(
          ({ guest }) => guest !== undefined && keeping.has(`${service.name} ${guest}`),
        ),
      ],
    })),
  }
}

async function statuses(directors: readonly DirectorAccess[], signal: AbortSignal): Promise<DirectorStatus[]> {
  const all = await Promise.all(directors.map(({ control }) => ifDirected(() => control.status({ signal }))))
  return all.filter((status) => status !== undefined)
}

function serversOf({ services }: DirectorStatus, cluster: string): ServerStatus[] {
  return services.flatMap((service) => (service.cluster === cluster ? service.servers : []))
}

async function stillBusy(directors: readonly DirectorAccess[], guest: string, signal: AbortSignal): Promise<number> {
  const all = await statuses(directors, signal)
  return all.reduce((sum, status) => sum + busyConnections(status, guest), 0)
}

/** undefined where no director runs. */
async function ifDirected<T>(body: () => Promise<T>): Promise<T | undefined> {
  try {
    return await body()
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
    return undefined
  }
}
