/** A spec expanded: every guest and every server by itself, keyed. Pure. */
import type { ClusterServices, GuestCare, WantedServer, WantedService } from '../../director/control.ts'
import type { GuestHardware, GuestNetwork, GuestState } from '../../guests/hypervisor.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { CheckSpec } from '../../health/check.ts'
import type { Endpoint, Protocol, Service } from '../../lvs/service.ts'
import { given } from '../spec/given.ts'
import {
  boundHost,
  type ClusterSpec,
  type GuestPoolSpec,
  guestNames,
  type NetworkSpec,
  type ServiceSpec,
} from '../spec/model.ts'
import type { PlannedGuest } from './plan.ts'
import { wantedRouters } from './wanted-routers.ts'

export type WantedGuest = { readonly host: string; readonly guest: PlannedGuest }

/** The first host carries what names none. */
export function defaultHost(spec: ClusterSpec): string {
  return Object.keys(spec.hosts)[0] ?? 'local'
}

export function imageSpecOf(spec: ClusterSpec, image: string): ImageSpec {
  return spec.images[image] ?? { kind: 'tiny' }
}

/** By name, pool after pool. `placed`: the hosts of those that are bound to none. */
export function wantedGuests(
  spec: ClusterSpec,
  placed: ReadonlyMap<string, string> = new Map(),
): Map<string, WantedGuest> {
  const found = new Map<string, WantedGuest>()
  for (const pool of Object.values(spec.guests)) {
    const forwards = forwardsOf(spec, pool.name)
    const bound = boundHost(spec, pool)
    for (const [index, name] of guestNames(pool).entries()) {
      const host = bound ?? placed.get(name) ?? defaultHost(spec)
      const storage = spec.hosts[host]?.storage
      found.set(name, {
        host,
        guest: {
          name,
          mark: { cluster: spec.name, pool: pool.name },
          memoryBytes: pool.memoryBytes,
          vcpus: pool.vcpus,
          ...given('hardware', hardwareOf(pool.hardware, index)),
          image: pool.image,
          imageSpec: imageSpecOf(spec, pool.image),
          ...(pool.diskBytes === undefined ? {} : { diskBytes: pool.diskBytes }),
          ...(pool.swapBytes === undefined ? {} : { swapBytes: pool.swapBytes }),
          ...(storage?.kind === 'dir' ? { diskDirectory: storage.path } : {}),
          ...(storage?.kind === 'lvm' ? { diskVolumeGroup: storage.volumeGroup } : {}),
          ...(pool.cloudInit === undefined ? {} : { seed: pool.cloudInit }),
          network: networkOf(spec, pool, host, index, forwards),
          autostart: pool.autostart,
        },
      })
    }
  }
  return found
}

/** The screens of a pool have ports one after the other. */
function hardwareOf(hardware: GuestHardware | undefined, index: number): GuestHardware | undefined {
  const graphics = hardware?.graphics
  if (graphics?.port === undefined) return hardware
  return { ...hardware, graphics: { ...graphics, port: graphics.port + index } }
}

type Forwards = Extract<GuestNetwork, { kind: 'user' }>['forwards']

/** Every port on which a service or its check reaches the pool, sorted. */
function forwardsOf(spec: ClusterSpec, pool: string): Forwards {
  const found = new Map<string, Forwards[number]>()
  const add = (protocol: Protocol, port: number): void => {
    if (protocol !== 'sctp') found.set(`${protocol} ${port}`, { protocol, port })
  }
  for (const { service, servers, checks } of Object.values(spec.services))
    for (const server of servers) {
      if (server.kind !== 'guests' || server.guests !== pool) continue
      add(service.id.kind === 'address' ? service.id.protocol : 'tcp', server.port)
      for (const { address, port } of server.checks ?? checks)
        if (address === undefined) add('tcp', port ?? server.port)
    }
  return [...found.values()].sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1))
}

function networkOf(
  spec: ClusterSpec,
  pool: GuestPoolSpec,
  host: string,
  index: number,
  forwards: Forwards,
): GuestNetwork {
  if (pool.network.kind === 'user') return { kind: 'user', forwards }
  const network = onHost(spec, pool, pool.network, host)
  const address = network.addresses[index]
  return {
    kind: 'bridge',
    bridge: network.bridge,
    ...(network.bridgeAddress === undefined ? {} : { bridgeAddress: network.bridgeAddress }),
    ...(address === undefined ? {} : { address }),
    ...(network.gateway === undefined ? {} : { gateway: network.gateway }),
  }
}

/** A pool that is placed has the bridge of the first host by its file; elsewhere it is that host's own. */
function onHost(spec: ClusterSpec, pool: GuestPoolSpec, network: Bridged, host: string): Bridged {
  const [first, here] = [spec.hosts[defaultHost(spec)], spec.hosts[host]]
  if (boundHost(spec, pool) !== undefined || here?.bridge === undefined || network.bridge !== first?.bridge)
    return network
  const { bridgeAddress: _first, ...rest } = network
  return { ...rest, bridge: here.bridge, ...given('bridgeAddress', here.bridgeAddress) }
}

type Bridged = Exclude<NetworkSpec, { readonly kind: 'user' }>

/** Where a guest's port is reached, or undefined while it is not known: a guest that does not run is no server yet. */
export function reachOf(guest: GuestState | undefined, protocol: Protocol, port: number): Endpoint | undefined {
  if (guest === undefined) return undefined
  if (guest.address !== undefined) return { address: guest.address, port }
  const found = guest.reach.find((reach) => reach.protocol === protocol && reach.guestPort === port)
  return found === undefined ? undefined : { address: found.address, port: found.port }
}

/** Where a server is reached, and where its checks reach it when that is another forwarded port. */
type Place = Endpoint & Pick<WantedServer, 'checkPorts'>

function placeOf(
  guest: GuestState | undefined,
  { id }: Service,
  checks: readonly CheckSpec[],
  port: number,
): Place | undefined {
  const at = reachOf(guest, id.kind === 'address' ? id.protocol : 'tcp', port)
  if (at === undefined || guest?.address !== undefined) return at
  const ports: Record<string, number> = {}
  for (const check of checks) {
    const checked = check.address === undefined ? reachOf(guest, 'tcp', check.port ?? port) : undefined
    if (checked !== undefined && (check.port !== undefined || checked.port !== at.port))
      ports[check.port ?? port] = checked.port
  }
  return Object.keys(ports).length === 0 ? at : { ...at, checkPorts: ports }
}

/**
 * The cluster's services with every server resolved by what the guests say now. A guest whose address is not known is
 * left out; `standing` (what the director has) keeps the last known address of one that only is down for now, so that
 * its check and its place in the order stay. `host`: whose director it is; the first that directs when left out.
 */
export function wantedServices(
  spec: ClusterSpec,
  guests: ReadonlyMap<string, GuestState>,
  standing: ClusterServices | undefined,
  host = spec.directors.hosts[0] ?? defaultHost(spec),
): ClusterServices {
  const last = new Map<string, Place>()
  for (const service of standing?.services ?? [])
    for (const { guest, guestPort, address, port, checkPorts } of service.servers)
      if (guest !== undefined)
        last.set(`${service.name} ${guest} ${guestPort}`, {
          address,
          port,
          ...(checkPorts === undefined ? {} : { checkPorts }),
        })
  const { settings, maintenance, notify, metrics, sync } = spec.directors
  const vrrp = wantedRouters(spec, host)
  const care = guestCare(spec)
  return {
    cluster: spec.name,
    ...given('guests', care.length === 0 ? undefined : care),
    ...given('settings', settings),
    ...given('maintenance', maintenance),
    ...given('notify', notify),
    ...given('metrics', metrics),
    ...given('vrrp', vrrp),
    ...given('sync', sync),
    services: Object.values(spec.services).map((service) =>
      wantedService(
        spec,
        service,
        (guest, port, checks) =>
          placeOf(guests.get(guest), service.service, checks, port) ?? last.get(`${service.name} ${guest} ${port}`),
      ),
    ),
  }
}

function guestCare({ guests }: ClusterSpec): GuestCare[] {
  return Object.values(guests).flatMap((pool) => {
    const { name, drainMs, restart } = pool
    if (drainMs === undefined && restart === undefined) return []
    return [{ pool: name, guests: guestNames(pool), ...given('drainMs', drainMs), ...given('restart', restart) }]
  })
}

/** The servers that the spec wants of its guests and that are not in the resolved services: nobody knows where they are. */
export function unreachedServers(
  spec: ClusterSpec,
  resolved: ClusterServices,
): { readonly service: string; readonly guest: string; readonly port: number }[] {
  const found = resolved.services.map(
    ({ name, servers }) => [name, new Set(servers.map(({ guest, guestPort }) => `${guest} ${guestPort}`))] as const,
  )
  const known = new Map(found)
  return Object.values(spec.services).flatMap(({ name: service, servers }) =>
    servers.flatMap((server) => {
      const pool = server.kind === 'guests' ? spec.guests[server.guests] : undefined
      if (server.kind !== 'guests' || pool === undefined) return []
      return guestNames(pool)
        .filter((guest) => known.get(service)?.has(`${guest} ${server.port}`) !== true)
        .map((guest) => ({ service, guest, port: server.port }))
    }),
  )
}

type Resolve = (guest: string, port: number, checks: readonly CheckSpec[]) => Place | undefined

function wantedService(spec: ClusterSpec, wanted: ServiceSpec, resolve: Resolve): WantedService {
  const { name, service, checks, onFailure } = wanted
  const servers = wanted.servers.flatMap((server): WantedServer[] => {
    const { weight, upperThreshold = 0, lowerThreshold = 0, forwarding = wanted.forwarding, tunnel } = server
    const own = tunnel !== undefined || server.checks !== undefined || server.onFailure !== undefined
    const more = own
      ? { ...given('tunnel', tunnel), ...given('checks', server.checks), ...given('onFailure', server.onFailure) }
      : undefined
    if (server.kind === 'address') {
      const { address, port } = server.endpoint
      return [{ address, port, forwarding, upperThreshold, lowerThreshold, weight, ...more }]
    }
    const pool = spec.guests[server.guests]
    if (pool === undefined) return []
    return guestNames(pool).flatMap((guest) => {
      const at = resolve(guest, server.port, server.checks ?? checks)
      if (at === undefined) return []
      const { address, port, checkPorts } = at
      const { port: guestPort } = server
      // Written out, for it is done ten thousand times: spreading would take most of the time of a plan.
      const one = { address, port, forwarding, upperThreshold, lowerThreshold, weight, guest, guestPort }
      return [
        checkPorts === undefined && more === undefined ? one : { ...one, ...more, ...given('checkPorts', checkPorts) },
      ]
    })
  })
  return {
    name,
    service,
    servers,
    checks,
    onFailure,
    ...given('fallback', wanted.fallback),
    ...given('quorum', wanted.quorum),
    ...given('fallbackCommand', wanted.fallbackCommand),
    ...given('panicPercent', wanted.panicPercent),
    ...given('slowStartMs', wanted.slowStartMs),
  }
}
