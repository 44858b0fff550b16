/** Follows guests whose addresses change by themselves: their servers go where they are, and where they were is drained. */
import { describeError, isInfraError } from '../errors.ts'
import { deadline, type Timing } from '../health/timing.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import type { CallOptions, ClusterServices, WantedServer, WantedService } from './control.ts'
import { careOf } from './guest-servers.ts'
import type { LookAt } from './table.ts'

/** Where a guest of a cluster is now, the likeliest first. */
export type GuestPlace = { readonly cluster: string; readonly guest: string; readonly addresses: readonly string[] }

/** Asks this machine's hypervisors for the guests that have addresses of their own. Throws InfraError. */
export type FindGuests = (options: CallOptions) => Promise<readonly GuestPlace[]>

export type FollowingOptions = {
  readonly timing: Timing
  readonly find: FindGuests
  readonly clusters: () => readonly ClusterServices[]
  readonly look: LookAt
  /** Connections of a service's server that would be cut off. */
  readonly connections: (service: WantedService, server: WantedServer, options: CallOptions) => Promise<number>
  readonly onMoved: (guest: string, from: string, to: string, options: CallOptions) => Promise<void>
  readonly onOver: (
    isOver: (server: WantedServer, service: WantedService) => boolean,
    options: CallOptions,
  ) => Promise<void>
}

export type Following = AsyncDisposable & { problems(): readonly string[] }

/** A modest pace: each look asks every hypervisor of the machine. */
const everyMs = 3_000
const lookMs = 20_000
/** How long connections to an old address may last where the guest's pool does not say. */
const usualDrainMs = 15_000

/**
 * The address to go to; undefined: it stays. What nobody knows any more is left; an address that is still known is left only when
 * its checks fail there, since a guest may have several. The family stays: the service's clients are of it.
 */
export function nextAddress(current: string, known: readonly string[], isSick: boolean): string | undefined {
  const family = known.filter((address) => address.includes(':') === current.includes(':'))
  if (family.includes(current) && !isSick) return undefined
  return family.find((address) => address !== current)
}

export function openFollowing(options: FollowingOptions): Following {
  const { timing, find, clusters, look } = options
  const closing = new AbortController()
  /** Since when each old place is left, on the clock of `timing`. */
  const leftAt = new Map<string, number>()
  let trouble: string | undefined

  const moveAll = async (call: CallOptions): Promise<void> => {
    const standing = serversByGuest(clusters(), look)
    if (standing.size === 0) return
    for (const { cluster, guest, addresses } of await find(call))
      for (const [address, isSick] of standing.get(`${cluster}/${guest}`) ?? []) {
        const next = nextAddress(address, addresses, isSick)
        if (next !== undefined) await options.onMoved(guest, address, next, call)
      }
  }
  const endOld = async (call: CallOptions): Promise<void> => {
    const over = new Set<string>()
    const seen = new Set<string>()
    for (const { services } of clusters())
      for (const service of services)
        for (const server of service.servers) {
          if (server.formerly === undefined) continue
          const key = keyOf(server, service)
          seen.add(key)
          const since = leftAt.get(key) ?? timing.now()
          leftAt.set(key, since)
          const patience = careOf(clusters(), server.formerly)?.drainMs ?? usualDrainMs
          const isLate = timing.now() - since >= patience
          if (isLate || (await options.connections(service, server, call)) === 0) over.add(key)
        }
    for (const key of leftAt.keys()) if (!seen.has(key)) leftAt.delete(key)
    if (over.size > 0) await options.onOver((server, service) => over.has(keyOf(server, service)), call)
  }
  const round = async (): Promise<void> => {
    using limit = deadline(timing, closing.signal, lookMs)
    try {
      await endOld(limit)
      await moveAll(limit)
      trouble = undefined
    } catch (error) {
      if (closing.signal.aborted) return
      if (!isInfraError(error) && !limit.signal.aborted) throw error
      trouble = `addresses of guests are not followed: ${describeError(error)}`
    }
  }
  const running = (async () => {
    while (!closing.signal.aborted) {
      await timing.sleep(everyMs, closing.signal)
      if (!closing.signal.aborted) await round()
    }
  })()
  return {
    problems: () => (trouble === undefined ? [] : [trouble]),
    async [Symbol.asyncDispose]() {
      closing.abort()
      await running
    },
  }
}

const keyOf = (server: WantedServer, { service }: WantedService): string =>
  `${serviceKey(service.id)} ${realServerKey(server)}`

/**
 * By cluster and guest the addresses of its servers, and whether checks fail there. Ports that the hypervisor forwards are on the
 * host's loopback: those are no addresses of guests.
 */
function serversByGuest(clusters: readonly ClusterServices[], look: LookAt): Map<string, Map<string, boolean>> {
  const found = new Map<string, Map<string, boolean>>()
  for (const { cluster, services } of clusters)
    for (const service of services)
      for (const server of service.servers) {
        if (server.guest === undefined || server.address.startsWith('127.')) continue
        const key = `${cluster}/${server.guest}`
        const addresses = found.get(key) ?? new Map<string, boolean>()
        const isSick = look(cluster, service, server).health === 'unhealthy'
        addresses.set(server.address, isSick || addresses.get(server.address) === true)
        found.set(key, addresses)
      }
  return found
}
