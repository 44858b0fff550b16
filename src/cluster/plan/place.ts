/** A spec's guests put to placement: what hosts have room for, who may run where, and who stands where. Pure. */
import type { GuestState } from '../../guests/hypervisor.ts'
import { boundHost, type ClusterSpec, type GuestPoolSpec, guestNames, type HostSpec } from '../spec/model.ts'
import { type Load, type PlaceableGuest, type PlaceableHost, type Placement, placeGuests } from './placement.ts'

/** What was seen of a host. */
export type HostRoom = {
  readonly guests: readonly GuestState[]
  /** All its memory; undefined: not asked, or pretended. */
  readonly memoryBytes?: number
}

export const nowhereElse: Placement = { hosts: new Map(), lacks: [] }

/** Whether any guest of the spec is to be placed at all: otherwise each has its host by the file. */
export function needsPlacement(spec: ClusterSpec): boolean {
  return Object.values(spec.guests).some((pool) => boundHost(spec, pool) === undefined)
}

export function placeSpec(spec: ClusterSpec, rooms: ReadonlyMap<string, HostRoom>): Placement {
  if (!needsPlacement(spec)) return nowhereElse
  const current = new Map<string, string>()
  for (const [host, { guests }] of rooms)
    for (const { definition } of guests) if (definition.mark?.cluster === spec.name) current.set(definition.name, host)
  const hosts = Object.values(spec.hosts).map((host) => placeable(spec, host, rooms.get(host.name)))
  const guests = Object.values(spec.guests).flatMap((pool): PlaceableGuest[] => {
    const bound = boundHost(spec, pool)
    const allowed = bound === undefined ? hostsFor(spec, pool) : [bound]
    // The list is the same for all of a pool: it is looked up once.
    const kind = serviceOf(spec, pool)
    const { memoryBytes, vcpus } = pool
    const diskBytes = (pool.diskBytes ?? 0) + (pool.swapBytes ?? 0)
    return guestNames(pool).map((name) => {
      const at = current.get(name)
      return { name, kind, memoryBytes, vcpus, diskBytes, allowed, ...(at === undefined ? {} : { current: at }) }
    })
  })
  return placeGuests(hosts, guests)
}

/** Less what guests of others take. */
function placeable(spec: ClusterSpec, { name, capacity }: HostSpec, room: HostRoom | undefined): PlaceableHost {
  const left = {
    memoryBytes: capacity?.memoryBytes ?? room?.memoryBytes ?? Number.POSITIVE_INFINITY,
    vcpus: capacity?.vcpus ?? Number.POSITIVE_INFINITY,
    diskBytes: capacity?.diskBytes ?? Number.POSITIVE_INFINITY,
  }
  for (const { definition, state } of room?.guests ?? []) {
    if (definition.mark?.cluster === spec.name) continue
    const { memoryBytes, vcpus, diskBytes } = takenBy(definition, state)
    left.memoryBytes -= memoryBytes
    left.vcpus -= vcpus
    left.diskBytes -= diskBytes
  }
  return { name, capacity: left }
}

function takenBy({ memoryBytes, vcpus, disks }: GuestState['definition'], state: GuestState['state']): Load {
  const diskBytes = disks.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
  const isOn = state === 'running' || state === 'paused'
  return { memoryBytes: isOn ? memoryBytes : 0, vcpus: isOn ? vcpus : 0, diskBytes }
}

/** The guests of one service are kept apart, of whatever pools they are. */
function serviceOf({ services }: ClusterSpec, { name }: GuestPoolSpec): string {
  const found = Object.values(services).find(({ servers }) =>
    servers.some((server) => server.kind === 'guests' && server.guests === name),
  )
  return found === undefined ? `pool ${name}` : `service ${found.name}`
}

/** Where a pool's guests can be made, reached, and looked after. */
function hostsFor(spec: ClusterSpec, pool: GuestPoolSpec): string[] {
  const machineOf = (name: string): string | undefined => spec.hosts[name]?.ssh
  const isServed = !serviceOf(spec, pool).startsWith('pool ')
  return Object.values(spec.hosts).flatMap(({ name, hypervisor }) => {
    const isFar = spec.directors.hosts.some((director) => machineOf(director) !== machineOf(name))
    if (isFar && (pool.restart !== undefined || (isServed && pool.network.kind === 'user'))) return []
    return hypervisor === 'xen' && pool.network.kind === 'user' ? [] : [name]
  })
}
