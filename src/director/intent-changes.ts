/** What each request makes of the intent. Pure. */
import { sameData } from '../difference.ts'
import { type Endpoint, realServerKey, type Service, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, DrainTarget, ServerReach, WantedServer, WantedService } from './control.ts'
import type { Intent } from './schemas.ts'
import { isDrained } from './table.ts'

export function servicesOf({ clusters }: Pick<Intent, 'clusters'>): WantedService[] {
  return clusters.flatMap(({ services }) => services)
}

export function withCluster(intent: Intent, wanted: ClusterServices): Intent {
  const known = intent.clusters.some(({ cluster }) => cluster === wanted.cluster)
  const clusters = known
    ? intent.clusters.map((standing) => (standing.cluster === wanted.cluster ? wanted : standing))
    : [...intent.clusters, wanted]
  return withClusters(intent, clusters)
}

/** The drains of what only this cluster had go with it: a cluster of the same name later on is another one. */
export function withoutCluster(intent: Intent, cluster: string): Intent {
  const clusters = intent.clusters.filter((standing) => standing.cluster !== cluster)
  const had = serversOf(intent.clusters.filter((standing) => standing.cluster === cluster))
  const left = serversOf(clusters)
  const drains = intent.drains.filter((drain) => {
    const meant = (server: WantedServer): boolean => isDrained([drain], server)
    return clusters.length > 0 && (left.some(meant) || !had.some(meant))
  })
  return withClusters({ ...intent, drains }, clusters)
}

export function withDrain(intent: Intent, target: DrainTarget): Intent {
  return { ...intent, drains: [...withoutDrain(intent, target).drains, target] }
}

export function withoutDrain(intent: Intent, target: DrainTarget): Intent {
  return { ...intent, drains: intent.drains.filter((drain) => !sameData(drain, target)) }
}

export function withGuestMoved(intent: Intent, guest: string, reach: readonly ServerReach[]): Intent {
  const clusters = intent.clusters.map((cluster) => ({
    ...cluster,
    services: cluster.services.map((service) => ({
      ...service,
      servers: service.servers.map((server) => {
        const found = reachOf(server, service.service, guest, reach)
        if (found === undefined) return server
        const moved = { ...server, address: found.address, port: found.port }
        const checked = server.checkPort === undefined ? undefined : checkReach(server, service, reach)
        return checked === undefined ? moved : { ...moved, checkPort: checked.port }
      }),
    })),
  }))
  return withClusters(intent, clusters)
}

function reachOf(
  server: WantedServer,
  { id }: Service,
  guest: string,
  reach: readonly ServerReach[],
): ServerReach | undefined {
  if (server.guest !== guest) return undefined
  const carried = id.kind === 'address' ? id.protocol : undefined
  return reach.find(
    ({ guestPort, protocol }) =>
      guestPort === server.guestPort && (protocol === undefined || carried === undefined || protocol === carried),
  )
}

function checkReach(
  server: WantedServer,
  { check }: WantedService,
  reach: readonly ServerReach[],
): ServerReach | undefined {
  const port = check?.port ?? server.guestPort
  return reach.find(({ guestPort, protocol }) => guestPort === port && (protocol === undefined || protocol === 'tcp'))
}

/**
 * Where a server must prove itself again: a guest's server that is reached elsewhere now, and one that had weight 0 and
 * gets connections again, as it may have been started anew meanwhile.
 */
export function renewedEndpoints(before: Intent, after: Intent): Endpoint[] {
  return pairs(before.clusters, after.clusters).flatMap(([was, is]) =>
    realServerKey(was) !== realServerKey(is) || (was.weight === 0 && is.weight > 0) ? [is] : [],
  )
}

/** With the clusters as they are now: what is not wanted any more is to be removed, and drains follow their servers. */
export function withClusters(intent: Intent, clusters: readonly ClusterServices[]): Intent {
  const keys = new Set(servicesOf({ clusters }).map(({ service }) => serviceKey(service.id)))
  const were = servicesOf(intent).map(({ service }) => serviceKey(service.id))
  const leaving = [...new Set([...intent.leaving, ...were])].filter((key) => !keys.has(key))
  return { ...intent, clusters, leaving, drains: followed(intent, clusters) }
}

/** A drain of one endpoint means the server that stands there, and goes where that server goes. */
function followed(intent: Intent, clusters: readonly ClusterServices[]): DrainTarget[] {
  const moved = pairs(intent.clusters, clusters).filter(([was, is]) => realServerKey(was) !== realServerKey(is))
  const standing = new Set(serversOf(clusters).map(realServerKey))
  return intent.drains.flatMap((drain): DrainTarget[] => {
    if ('guest' in drain || drain.endpoint.port === 0) return [drain]
    const key = realServerKey(drain.endpoint)
    const targets = moved.filter(([was]) => realServerKey(was) === key).map(([, is]) => is)
    if (targets.length === 0) return [drain]
    const ends = new Map(targets.map(({ address, port }) => [realServerKey({ address, port }), { address, port }]))
    return [...(standing.has(key) ? [drain] : []), ...[...ends.values()].map((endpoint) => ({ endpoint }))]
  })
}

/** The same server of the same service before and after: a guest's by guest and port, another by its endpoint. */
function pairs(
  before: readonly ClusterServices[],
  after: readonly ClusterServices[],
): (readonly [WantedServer, WantedServer])[] {
  const were = new Map(identified(before))
  return identified(after).flatMap(([identity, is]) => {
    const was = were.get(identity)
    return was === undefined ? [] : [[was, is] as const]
  })
}

function identified(clusters: readonly ClusterServices[]): (readonly [string, WantedServer])[] {
  return clusters.flatMap(({ cluster, services }) =>
    services.flatMap(({ name, servers }) =>
      servers.map((server) => {
        const { guest, guestPort } = server
        const who = guest === undefined ? realServerKey(server) : `${guest} ${guestPort}`
        return [JSON.stringify([cluster, name, who]), server] as const
      }),
    ),
  )
}

function serversOf(clusters: readonly ClusterServices[]): WantedServer[] {
  return servicesOf({ clusters }).flatMap(({ servers }) => servers)
}
