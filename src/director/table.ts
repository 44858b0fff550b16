/** From what is wanted, healthy and drained to what the engine should hold. Pure. */
import type { ProbeReport } from '../health/check.ts'
import { type RealServer, realServerKey, type Service, serviceKey } from '../lvs/service.ts'
import type { ClusterServices, Fallback, WantedServer, WantedService } from './control.ts'
import { isEnough } from './quorum.ts'
import { type Ramp, rampedWeights } from './slow-start.ts'
import { type Drain, limitOf, type Seen, type Standing, standingOf } from './standing.ts'
import type { DrainTarget, ServiceState } from './states.ts'

export type TableEntry = {
  readonly cluster: string
  readonly name: string
  readonly service: Service
  readonly servers: ReadonlyMap<string, RealServer>
  readonly state: ServiceState
  /** Why a server stands as it does, or does not stand, by its key: for the log and the status. */
  readonly reasons: ReadonlyMap<string, string>
  /** When the weight of a server that came back grows again. */
  readonly nextMs?: number
  /** Some were not asked yet: who serves may be another in a moment. */
  readonly isUndecided: boolean
  /** So much of the weight is usable that the fallback is not needed. */
  readonly isEnough: boolean
}

/** By service key. */
export type Table = ReadonlyMap<string, TableEntry>

export type LookAt = (cluster: string, service: WantedService, server: WantedServer) => Seen

export type Outlook = {
  readonly look: LookAt
  readonly drains: readonly DrainTarget[]
  readonly nowMs: number
  /** Of a service that has a quorum, by its key; left out, none had enough. */
  readonly wasEnough?: (service: string) => boolean
  /** Whether the engine can limit a server's connections: an agent's limit is passed over where it cannot. */
  readonly thresholds: boolean
}

export function isDrained(drains: readonly DrainTarget[], server: WantedServer): boolean {
  return drainOf(drains, server) !== undefined
}

/** Of several the one by hand: nothing else ends it. */
export function drainOf(drains: readonly DrainTarget[], server: WantedServer): Drain | undefined {
  if (drains.length === 0) return undefined
  const found = drains.filter((drain) =>
    'guest' in drain
      ? drain.guest === server.guest
      : drain.endpoint.address === server.address && (drain.endpoint.port === 0 || drain.endpoint.port === server.port),
  )
  if (found.length === 0) return undefined
  return found.every((drain) => 'guest' in drain && drain.until === 'start') ? 'start' : 'hand'
}

/**
 * A server takes new connections only when it is healthy, or not checked at all, and not drained by hand. One that was
 * never probed is treated as its service treats a failed one: a server that serves already is not unknown, but presumed
 * healthy by the checker.
 */
export function wantedTable(clusters: readonly ClusterServices[], outlook: Outlook): Table {
  const table = new Map<string, TableEntry>()
  for (const { cluster, services } of clusters)
    for (const wanted of services) table.set(serviceKey(wanted.service.id), wantedEntry(cluster, wanted, outlook))
  return table
}

function wantedEntry(cluster: string, wanted: WantedService, outlook: Outlook): TableEntry {
  const { name, service, fallback, quorum } = wanted
  const { look, drains, thresholds } = outlook
  const seen: Seen[] = []
  const standings: Standing[] = []
  for (const server of wanted.servers) {
    const one = look(cluster, wanted, server)
    seen.push(one)
    standings.push(standingOf(server, one, drainOf(drains, server)))
  }
  // A DNS-based service sees no connections.
  const canLimit = thresholds && service.id.kind !== 'dns'
  const panics = isPanic(wanted, standings)
  const { weights, nextMs } = panics ? panicWeights(wanted, standings) : ownWeights(wanted, standings, seen, outlook)
  const usable = standings.reduce((sum, { weight }) => sum + weight, 0)
  const enough = isEnough(quorum, usable, quorum !== undefined && outlook.wasEnough?.(serviceKey(service.id)) === true)
  // keepalived: below its quorum no server is in the table but for those that stay there when they fail.
  const isLeft = quorum !== undefined && fallback !== undefined && !enough && !panics
  const servers = new Map<string, RealServer>()
  const reasons = new Map<string, string>()
  let isServed = false
  for (const [index, server] of wanted.servers.entries()) {
    const [standing, weight = 0, report] = [standings[index], weights[index], seen[index]?.report]
    const key = realServerKey(server)
    const isForced = panics && standing?.part !== 'out'
    reasons.set(key, isLeft && weight > 0 ? noQuorum : weight === standing?.weight ? standing.reason : tooFew)
    const isOut = isLeft ? standing?.isDrain !== true : standing?.isFailure === true && !isForced
    if (isOut && (server.onFailure ?? wanted.onFailure) === 'remove') continue
    const own = isLeft ? 0 : weight
    servers.set(key, realServerOf(server, own, canLimit ? report : undefined))
    if (own > 0) isServed = true
  }
  if (nextMs !== undefined) giveRampReasons(wanted, seen, outlook, reasons)
  const isUndecided = standings.some(({ part }) => part === 'unasked')
  const state = panics ? 'panic' : isServed ? 'served' : 'unserved'
  const entry: TableEntry = {
    cluster,
    name,
    service,
    servers,
    reasons,
    state: isServed || fallback === undefined ? state : 'fallback',
    isUndecided,
    isEnough: enough,
    ...(nextMs === undefined ? {} : { nextMs }),
  }
  if (fallback !== undefined)
    putFallback(fallback, { servers, reasons }, { isServed, hasQuorum: quorum !== undefined, usable })
  return entry
}

type Place = { readonly servers: Map<string, RealServer>; readonly reasons: Map<string, string> }
type Need = { readonly isServed: boolean; readonly hasQuorum: boolean; readonly usable: number }

function putFallback(fallback: Fallback, { servers, reasons }: Place, { isServed, hasQuorum, usable }: Need): void {
  const key = realServerKey(fallback)
  if (!isServed) {
    servers.set(key, fallbackServer(fallback))
    reasons.set(key, usable > 0 ? 'too few servers are usable' : 'no server is usable')
  } else if (!servers.has(key)) {
    reasons.set(key, hasQuorum ? 'enough servers are usable' : 'a server is usable again')
    if (fallback.idle === 'drain') servers.set(key, { ...fallbackServer(fallback), weight: 0 })
  }
}

export function fallbackServer({ address, port, forwarding = 'masq' }: Fallback): RealServer {
  return { address, port, forwarding, weight: 1, upperThreshold: 0, lowerThreshold: 0 }
}

const noQuorum = 'too few servers are usable: the fallback gets all connections'
const tooFew = 'too few servers are usable: all get connections'

/** While one comes back all weights are others than usual. */
function giveRampReasons(
  { servers, slowStartMs = 0 }: WantedService,
  seen: readonly Seen[],
  { nowMs }: Outlook,
  reasons: Map<string, string>,
): void {
  for (const [index, server] of servers.entries()) {
    const { health, recovered, sinceMs = 0 } = seen[index] ?? {}
    if (health !== 'healthy' && health !== 'unchecked') continue
    const isBack = recovered === true && nowMs < sinceMs + slowStartMs
    reasons.set(
      realServerKey(server),
      isBack ? 'it comes back little by little' : 'another comes back little by little',
    )
  }
}

/**
 * Whether so few servers are usable that it is better to try all of them. Those that were not asked yet count as usable:
 * a director that begins does not know yet.
 */
function isPanic({ panicPercent }: WantedService, standings: readonly Standing[]): boolean {
  if (panicPercent === undefined) return false
  let [usable, all] = [0, 0]
  for (const { part } of standings) {
    if (part === 'out') continue
    all += 1
    if (part !== 'failed') usable += 1
  }
  return all > 0 && usable * 100 < panicPercent * all
}

function panicWeights({ servers }: WantedService, standings: readonly Standing[]): Ramp {
  return {
    weights: servers.map(({ weight }, index) => (standings[index]?.part === 'out' ? 0 : weight)),
    nextMs: undefined,
  }
}

function ownWeights(
  { slowStartMs }: WantedService,
  standings: readonly Standing[],
  seen: readonly Seen[],
  { nowMs }: Outlook,
): Ramp {
  const weights = standings.map(({ weight }) => weight)
  if (slowStartMs === undefined || !seen.some(({ recovered }) => recovered === true))
    return { weights, nextMs: undefined }
  const backMs = seen.map(({ recovered, sinceMs }) => (recovered === true ? sinceMs : undefined))
  return rampedWeights(weights, backMs, slowStartMs, nowMs)
}

function realServerOf(server: WantedServer, weight: number, report: ProbeReport | undefined): RealServer {
  const { address, port, forwarding, tunnel } = server
  const upperThreshold = report === undefined ? server.upperThreshold : limitOf(server.upperThreshold, report)
  // The kernel takes no lower threshold above the upper one.
  const lowerThreshold =
    upperThreshold === server.upperThreshold ? server.lowerThreshold : Math.min(server.lowerThreshold, upperThreshold)
  const plain = { address, port, forwarding, weight, upperThreshold, lowerThreshold }
  return tunnel === undefined ? plain : { ...plain, tunnel }
}
