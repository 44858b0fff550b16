/** Asks every host what it has: nothing is remembered between two runs. */
import { describeError, InfraError, isInfraError } from '../errors.ts'
import type { Observed, ObservedDirector, ObservedHost } from './plan/plan.ts'
import { imageSpecOf, wantedGuests } from './plan/wanted.ts'
import type { Site } from './site.ts'
import type { ClusterSpec } from './spec/model.ts'

type CallOptions = { readonly signal: AbortSignal }

/** Hosts asked at once. */
const concurrency = 32
/** How long one host may take to answer. */
const hostMs = 30_000

/**
 * @throws InfraError naming every host that could not be asked: a plan made without them would be wrong. A director
 * that does not run is an answer, not an error.
 */
export async function observe(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  { signal }: CallOptions,
): Promise<Observed> {
  const all = [...sites.values()]
  const hosts = new Map<string, ObservedHost>()
  const failures: { readonly site: string; readonly error: unknown }[] = []
  for (let at = 0; at < all.length; at += concurrency)
    await Promise.all(
      all.slice(at, at + concurrency).map(async (site) => {
        try {
          hosts.set(
            site.name,
            await observeSite(spec.name, site, AbortSignal.any([signal, AbortSignal.timeout(hostMs)])),
          )
        } catch (error) {
          failures.push({ site: site.name, error })
        }
      }),
    )
  if (failures.length > 0) throw couldNotAsk(failures)
  const inOrder = new Map(
    all.flatMap(({ name }) => [[name, hosts.get(name) ?? { guests: [], director: undefined }] as const]),
  )
  return { hosts: inOrder, ...(await observeImages(spec, sites, signal)) }
}

async function observeSite(cluster: string, site: Site, signal: AbortSignal): Promise<ObservedHost> {
  const [guests, director] = await Promise.all([
    site.hypervisor.list({ signal }),
    observeDirector(cluster, site, signal),
  ])
  return { guests, director }
}

async function observeDirector(
  cluster: string,
  site: Site,
  signal: AbortSignal,
): Promise<ObservedDirector | undefined> {
  try {
    const status = await site.director.control.status({ signal })
    return {
      engine: status.engine,
      services: status.clusters.find((mine) => mine.cluster === cluster),
      otherClusters: status.clusters.filter((other) => other.cluster !== cluster).length,
    }
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

/** Images are looked at where guests need them. */
async function observeImages(
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  signal: AbortSignal,
): Promise<Pick<Observed, 'digests' | 'built'>> {
  const digests = new Map<string, string>()
  const built = new Set<string>()
  const asked = new Set<string>()
  for (const { host, guest } of wantedGuests(spec).values()) {
    const site = sites.get(host)
    if (site === undefined || asked.has(`${host}/${guest.image}`)) continue
    asked.add(`${host}/${guest.image}`)
    const digest = digests.get(guest.image) ?? (await site.images.digest(imageSpecOf(spec, guest.image), { signal }))
    digests.set(guest.image, digest)
    if ((await site.images.find(digest, { signal })) !== undefined) built.add(`${host}/${digest}`)
  }
  return { digests, built }
}

function couldNotAsk(failures: readonly { readonly site: string; readonly error: unknown }[]): InfraError {
  const [first] = failures
  const words = failures.map(({ site, error }) => `${site}: ${describeError(error)}`).join('; ')
  const known = isInfraError(first?.error) ? first.error : undefined
  return new InfraError(known?.code ?? 'failed', `could not ask ${words}`, {
    subject: first?.site ?? '',
    cause: first?.error,
    retryable: true,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  })
}
