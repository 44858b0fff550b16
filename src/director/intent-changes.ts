/** What each request makes of the intent. Pure. */
import { sameData } from '../difference.ts'
import { type Endpoint, realServerKey, type Service, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, ServerReach, WantedServer, WantedService } from './control.ts'
import type { Intent } from './schemas.ts'
import type { DrainTarget } from './states.ts'
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

/** Who undoes a guest's drain means all of them; who undoes the one until its start, only that. */
export function withoutDrain(intent: Intent, target: DrainTarget): Intent {
  const isMeant = (drain: DrainTarget): boolean =>
    'guest' in target && target.until === undefined
      ? 'guest' in drain && drain.guest === target.guest
      : sameData(drain, target)
  return { ...intent, drains: intent.drains.filter((drain) => !isMeant(drain)) }
}

/** It was started: what drained it until then is over. */
export function withGuestMoved(before: Intent, guest: string, reach: readonly ServerReach[]): Intent {
  const intent = withoutDrain(before, { guest, until: 'start' })
  const clusters = intent.clusters.map((cluster) => ({
    ...cluster,
    services: cluster.services.map((service) => ({
      ...service,
      servers: service.servers.map((server) => {
        const found = reachOf(server, service.service, guest, reach)
        if (found === undefined) return server
        const moved = { ...server, address: found.address, port: found.port }
        return server.checkPorts === undefined ? moved : { ...moved, checkPorts: checkReach(server.checkPorts, reach) }
      }),
    })),
  }))
  return withClusters(intent, clusters)
}

/** Its servers stand at its new address; where they stood they stay without weight, for who is still connected there. */
export function withGuestFollowed(intent: Intent, guest: string, from: string, to: string): Intent {
  return withServers(intent, (servers) => {
    const moved = servers.filter((server) => server.guest === guest && server.address === from)
    if (moved.length === 0) return servers
    const left = moved.map(({ guest: _guest, guestPort: _port, checkPorts: _ports, ...server }) => ({
      ...server,
      weight: 0,
      checks: [],
      formerly: guest,
    }))
    // Where it comes to, it may itself have been before.
    const others = servers.filter(({ formerly, address }) => formerly === undefined || address !== to)
    return [...others.map((server) => (moved.includes(server) ? { ...server, address: to } : server)), ...left]
  })
}

/** Without the places where guests were, as far as those are meant. */
export function withoutFormer(
  intent: Intent,
  isOver: (server: WantedServer, service: WantedService) => boolean,
): Intent {
  return withServers(intent, (servers, service) => {
    const kept = servers.filter((server) => server.formerly === undefined || !isOver(server, service))
    return kept.length === servers.length ? servers : kept
  })
}

function withServers(
  intent: Intent,
  change: (servers: readonly WantedServer[], service: WantedService) => readonly WantedServer[],
): Intent {
  const clusters = intent.clusters.map((cluster) => ({
    ...cluster,
    services: cluster.services.map((service) => ({ ...service, servers: change(service.servers, service) })),
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

/** Where it was before, for a port that is reached no more. */
function checkReach(
  ports: NonNullable<WantedServer['checkPorts']>,
  reach: readonly ServerReach[],
): WantedServer['checkPorts'] & object {
  const now = (port: number): ServerReach | undefined =>
    reach.find(({ guestPort, protocol }) => guestPort === port && (protocol === undefined || protocol === 'tcp'))
  return Object.fromEntries(Object.entries(ports).map(([port, was]) => [port, now(Number(port))?.port ?? was]))
}

/**
 * Where a server must prove itself again: a guest's server that is reached elsewhere now, and one that had weight 0 and
 * gets connections again, as it may have been started anew meanwhile; so may the guests whose drain ended with that.
 */
export function renewedEndpoints(before: Intent, after: Intent): Endpoint[] {
  const renewed: Endpoint[] = []
  for (const [was, is] of pairs(before.clusters, after.clusters))
    if (!isSameEndpoint(was, is) || (was.weight === 0 && is.weight > 0)) renewed.push(is)
  const back = before.drains.filter((drain) => isUntilStart(drain) && !after.drains.some((one) => sameData(one, drain)))
  if (back.length > 0) renewed.push(...serversOf(after.clusters).filter((server) => isDrained(back, server)))
  return renewed
}

const isUntilStart = (drain: DrainTarget): boolean => 'guest' in drain && drain.until === 'start'

/** With the clusters as they are now: what is not wanted any more is to be removed, and drains follow their servers. */
export function withClusters(intent: Intent, clusters: readonly ClusterServices[]): Intent {
  const keys = new Set(servicesOf({ clusters }).map(({ service }) => serviceKey(service.id)))
  const were = servicesOf(intent).map(({ service }) => serviceKey(service.id))
  const leaving = [...new Set([...intent.leaving, ...were])].filter((key) => !keys.has(key))
  return { ...intent, clusters, leaving, drains: followed(intent, clusters) }
}

/** A drain of one endpoint means the server that stands there, and goes where that server goes. */
function followed(intent: Intent, clusters: readonly ClusterServices[]): readonly DrainTarget[] {
  if (intent.drains.every((drain) => 'guest' in drain || drain.endpoint.port === 0)) return intent.drains
  const moved = [...pairs(intent.clusters, clusters)].filter(([was, is]) => !isSameEndpoint(was, is))
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

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port
}

/** The same server of the same service before and after: a guest's by guest and port, another by its endpoint. */
function* pairs(
  before: readonly ClusterServices[],
  after: readonly ClusterServices[],
): Generator<readonly [WantedServer, WantedServer]> {
  const clusters = new Map(before.map((cluster) => [cluster.cluster, cluster.services]))
  for (const { cluster, services } of after) {
    const were = new Map((clusters.get(cluster) ?? []).map((service) => [service.name, service.servers]))
    for (const { name, servers } of services) {
      const standing = were.get(name)
      if (standing !== undefined && standing !== servers) yield* serverPairs(standing, servers)
    }
  }
}

function* serverPairs(
  before: readonly WantedServer[],
  after: readonly WantedServer[],
): Generator<readonly [WantedServer, WantedServer]> {
  // Nearly always they stand where they stood: ten thousand services are looked through at each reload.
  if (before.length === after.length && before.every((was, at) => isSameIdentity(was, after[at]))) {
    for (const [at, was] of before.entries()) yield [was, after[at] ?? was]
    return
  }
  const were = new Map(before.map((server) => [identity(server), server]))
  for (const is of after) {
    const was = were.get(identity(is))
    if (was !== undefined) yield [was, is]
  }
}

function isSameIdentity(was: WantedServer, is: WantedServer | undefined): boolean {
  if (is === undefined || was.guest !== is.guest) return false
  return was.guest === undefined ? isSameEndpoint(was, is) : was.guestPort === is.guestPort
}

function identity(server: WantedServer): string {
  const { guest, guestPort } = server
  return guest === undefined ? realServerKey(server) : JSON.stringify([guest, guestPort])
}

function serversOf(clusters: readonly ClusterServices[]): WantedServer[] {
  return servicesOf({ clusters }).flatMap(({ servers }) => servers)
}
