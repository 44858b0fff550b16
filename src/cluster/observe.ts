/** Asks every host what it has: nothing is remembered between two runs. */

import { within } from '../deadline.ts'
import type { ServiceStatus } from '../director/control.ts'
import { isInfraError } from '../errors.ts'
import { guestSeed } from '../guests/seed.ts'
import { askAll } from './ask-all.ts'
import { needsPlacement, placeSpec } from './plan/place.ts'
import type { Observed, ObservedDirector, ObservedHost } from './plan/plan.ts'
import { imageSpecOf, wantedGuests } from './plan/wanted.ts'
import type { DirectorAccess, Site } from './site.ts'
import { given } from './spec/given.ts'
import type { ClusterSpec } from './spec/model.ts'

type CallOptions = { readonly signal: AbortSignal }

/** Hosts asked at once. */
const concurrency = 32
/** How long one host may take to answer. */
const hostMs = 30_000
/** How long an image's files may take to be looked at: a large disk is read whole, once. */
const imageMs = 600_000

/**
 * What the hosts have now, all asked side by side. A director that does not run is an answer, not an error.
 * @throws InfraError naming every host that could not be asked: a plan made without them would be wrong.
 */
export async function observe(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  { signal }: CallOptions,
): Promise<Observed> {
  const owners = directorOwners(spec, sites)
  const ask = async (site: Site): Promise<readonly [string, ObservedHost]> => {
    const soon = within(signal, hostMs)
    const owner = owners.get(site.director) ?? site.name
    return [site.name, { ...(await observeSite(spec, site, owner, soon)), ...(await memoryOf(spec, site, soon)) }]
  }
  const hosts = await askAll([...sites.values()], concurrency, (site) => site.name, ask)
  const seen = new Map(hosts)
  const placement = needsPlacement(spec) ? { placement: placeSpec(spec, seen) } : {}
  return {
    hosts: seen,
    seeds: seedDigests(spec),
    ...placement,
    ...(await observeImages(spec, sites, placement.placement?.hosts, signal)),
  }
}

/** A guest is known to have the seed of its pool by the digest. */
function seedDigests({ guests }: ClusterSpec): ReadonlyMap<string, string> {
  return new Map(
    Object.values(guests).flatMap(({ name, cloudInit }) =>
      cloudInit === undefined ? [] : [[name, guestSeed(cloudInit).digest] as const],
    ),
  )
}

/** All the memory of a real host, where that counts. */
async function memoryOf(
  spec: ClusterSpec,
  { name, host }: Site,
  signal: AbortSignal,
): Promise<{ memoryBytes?: number }> {
  const written = spec.hosts[name]
  if (!needsPlacement(spec) || written?.hypervisor === 'fake' || written?.capacity?.memoryBytes !== undefined) return {}
  return { memoryBytes: (await host.facts({ signal })).memoryBytes }
}

/** A machine has one director, however many hosts of the spec it is: the first that is to direct stands for it. */
function directorOwners(spec: ClusterSpec, sites: ReadonlyMap<string, Site>): ReadonlyMap<DirectorAccess, string> {
  const owners = new Map<DirectorAccess, string>()
  for (const name of [...spec.directors.hosts, ...sites.keys()]) {
    const director = sites.get(name)?.director
    if (director !== undefined && !owners.has(director)) owners.set(director, name)
  }
  return owners
}

async function observeSite(
  spec: ClusterSpec,
  site: Site,
  directorOwner: string,
  signal: AbortSignal,
): Promise<ObservedHost> {
  if (directorOwner !== site.name)
    return { guests: await site.hypervisor.list({ signal }), director: undefined, sharesDirectorOf: directorOwner }
  const [guests, director] = await Promise.all([
    site.hypervisor.list({ signal }),
    observeDirector(spec.name, site, signal),
  ])
  const isAsked = spec.directors.engine === 'auto' && Object.keys(spec.services).length > 0
  if (!isAsked) return { guests, director }
  const { name, reason } = await site.director.choose(spec, director?.engine)
  return { guests, director, engine: { name, ...given('reason', reason) } }
}

async function observeDirector(
  cluster: string,
  site: Site,
  signal: AbortSignal,
): Promise<ObservedDirector | undefined> {
  try {
    const { engine, ebpf, clusters, services } = await site.director.control.status({ signal })
    return {
      engine,
      ...(ebpf === undefined ? {} : { ebpf }),
      services: clusters.find((mine) => mine.cluster === cluster),
      unwell: unwellGuests(cluster, services),
      servesOthers:
        clusters.some((other) => other.cluster !== cluster) ||
        services.some((service) => service.cluster === undefined),
    }
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

/** Servers that are no guests are somebody else's to bring up: an `up` does not wait for them again and again. */
function unwellGuests(cluster: string, services: readonly ServiceStatus[]): string[] {
  const servers = services.filter((service) => service.cluster === cluster).flatMap((service) => service.servers)
  const unwell = servers.flatMap(({ guest, health }) =>
    guest !== undefined && (health === 'unknown' || health === 'unhealthy') ? [guest] : [],
  )
  return [...new Set(unwell)].sort()
}

/** An image's digest is asked for once, where a guest needs it first; whether it is built, on every host that needs it. */
async function observeImages(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  placed: ReadonlyMap<string, string> | undefined,
  signal: AbortSignal,
): Promise<Pick<Observed, 'digests' | 'built'>> {
  const needed = new Map<string, { readonly site: Site; readonly image: string }>()
  for (const { host, guest } of wantedGuests(spec, placed).values()) {
    const site = sites.get(host)
    if (site !== undefined) needed.set(`${host}/${guest.image}`, { site, image: guest.image })
  }
  const soon = (): AbortSignal => within(signal, imageMs)
  const first = new Map([...needed.values()].reverse().map(({ site, image }) => [image, site] as const))
  const digests = new Map(
    await askAll(
      [...first],
      concurrency,
      ([, site]) => site.name,
      async ([image, site]) => [image, await site.images.digest(imageSpecOf(spec, image), { signal: soon() })] as const,
    ),
  )
  const built = await askAll(
    [...needed.values()],
    concurrency,
    ({ site }) => site.name,
    async ({ site, image }) => {
      const digest = digests.get(image) ?? ''
      const found = await site.images.find(digest, { signal: soon() })
      return found === undefined ? [] : [`${site.name}/${digest}`]
    },
  )
  return { digests, built: new Set(built.flat()) }
}
