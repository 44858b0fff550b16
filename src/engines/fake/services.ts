/** The services and real servers of the in-memory IPVS: installed, edited, deleted and revived as in ip_vs_ctl.c. */
import { schedulers } from '../../lvs/schedulers/registry.ts'
import type { AddressWords, Candidate, Scheduler } from '../../lvs/schedulers/scheduler.ts'
import {
  type Endpoint,
  type Family,
  familyOf,
  type Protocol,
  type RealServer,
  realServerKey,
  type Service,
  type ServiceId,
  serviceKey,
} from '../../lvs/service.ts'
import { serviceCandidates } from '../../lvs/service-lookup.ts'
import type { Sysctls } from '../../lvs/settings.ts'
import { isOverloaded } from '../../lvs/thresholds.ts'
import { type Timed, Timers } from '../../lvs/timers.ts'
import { addressWords } from '../records.ts'
import { type Estimation, Statistics } from './statistics.ts'

export class InstalledServer implements Candidate {
  server: RealServer
  service: InstalledService
  readonly key: string
  readonly address: AddressWords
  readonly port: number
  readonly isTried = false
  lastWeight: number
  active = 0
  inactive = 0
  persistent = 0
  overloaded = false
  /**
   * Who made the route that the kernel keeps for it until its next edit. Of translated and tunnelled packets it has no
   * next hop: direct ones that follow it are sent to the VIP, and lost.
   */
  route: 'direct' | 'other' | undefined
  /** Not deleted. What was deleted waits in the trash while anything leads to it. */
  isAvailable = true
  readonly statistics: Statistics

  constructor(server: RealServer, service: InstalledService, estimation: Estimation) {
    this.server = server
    this.service = service
    this.key = realServerKey(server)
    this.address = addressWords(server.address) ?? [0]
    this.port = server.port
    this.lastWeight = server.weight
    this.statistics = new Statistics(estimation)
  }

  get weight(): number {
    return this.server.weight
  }

  get isUsed(): boolean {
    return this.active + this.inactive + this.persistent > 0
  }

  /** Connections under no state yet are inactive; templates count apart. */
  bind(isTemplate: boolean): void {
    if (isTemplate) this.persistent += 1
    else this.inactive += 1
    this.#recounted()
  }

  unbind(isTemplate: boolean, isActive: boolean): void {
    if (isTemplate) this.persistent -= 1
    else if (isActive) this.active -= 1
    else this.inactive -= 1
    this.#recounted()
  }

  activate(isActive: boolean): void {
    this.active += isActive ? 1 : -1
    this.inactive += isActive ? -1 : 1
    this.#recounted()
  }

  /** Takes what an edit says; the connections that stand keep their forwarding. */
  edit(server: RealServer): void {
    this.server = server
    this.route = undefined
    if (server.weight !== 0) this.lastWeight = server.weight
    this.overloaded = isOverloaded(this.overloaded, this.active + this.inactive, server)
  }

  #recounted(): void {
    this.overloaded = isOverloaded(this.overloaded, this.active + this.inactive, this.server)
    if (this.isAvailable) this.service.scheduler.counted(this)
  }
}

export class InstalledService implements Timed {
  /** When its scheduler is to forget. */
  expiresAtMs = Number.POSITIVE_INFINITY
  queuedAtMs = Number.POSITIVE_INFINITY
  service: Service
  readonly key: string
  /** Newest first: the schedulers' list. */
  readonly servers: InstalledServer[] = []
  readonly byKey = new Map<string, InstalledServer>()
  readonly statistics: Statistics
  scheduler: Scheduler<InstalledServer>
  readonly #sysctls: () => Sysctls
  readonly #random: () => number

  constructor(service: Service, estimation: Estimation, sysctls: () => Sysctls, random: () => number) {
    this.service = service
    this.key = serviceKey(service.id)
    this.statistics = new Statistics(estimation)
    this.#sysctls = sysctls
    this.#random = random
    this.scheduler = this.#schedule()
  }

  /** Another scheduler begins anew; the same one goes on, and reads its flags from now on. */
  edit(service: Service): void {
    const { scheduler, schedulerFlags } = this.service
    this.service = service
    const isSame = scheduler === service.scheduler && schedulerFlags.join() === service.schedulerFlags.join()
    const readsFlags = service.scheduler === 'sh' || service.scheduler === 'mh'
    if (!isSame && (scheduler !== service.scheduler || readsFlags)) this.scheduler = this.#schedule()
  }

  #schedule(): Scheduler<InstalledServer> {
    const sysctls = this.#sysctls
    const { scheduler, schedulerFlags } = this.service
    return schedulers[scheduler](this.servers, {
      flags: schedulerFlags,
      random: this.#random,
      sysctls: {
        get lblc_expiration() {
          return sysctls().lblc_expiration
        },
        get lblcr_expiration() {
          return sysctls().lblcr_expiration
        },
      },
    })
  }
}

/** Deleted servers by service and server: the kernel takes one out again when it is added again. */
type Trash = Map<string, { readonly server: InstalledServer; idleSinceMs: number | undefined }>

/** The trash is looked through each 60 s while something is in it; what was found unused 120 s ago goes. */
const trashMs = 60_000
const tickMs = 60_000

export class Services {
  /** In the order in which they were added. */
  readonly byKey = new Map<string, InstalledService>()
  /** When the trash is to be looked through. */
  trashAtMs = Number.POSITIVE_INFINITY
  readonly #trash: Trash = new Map()
  readonly #ticks = new Timers<InstalledService>()
  readonly #families: Record<Family, number> = { ipv4: 0, ipv6: 0 }
  readonly #estimation: Estimation
  readonly #sysctls: () => Sysctls
  readonly #random: () => number
  #sip = 0

  constructor(estimation: Estimation, sysctls: () => Sysctls, random: () => number) {
    this.#estimation = estimation
    this.#sysctls = sysctls
    this.#random = random
  }

  /** Without a service of a family its packets are not looked at. */
  hasFamily(family: Family): boolean {
    return this.#families[family] > 0
  }

  /** Whether real servers may begin connections: with the persistence engine sip. */
  get hasSip(): boolean {
    return this.#sip > 0
  }

  find(protocol: Protocol, destination: Endpoint, mark: number): InstalledService | undefined {
    for (const id of serviceCandidates(protocol, destination, mark)) {
      const found = this.byKey.get(serviceKey(id))
      if (found !== undefined) return found
    }
    return undefined
  }

  /** A server that gets rewritten packets (masq) of this protocol. */
  findServer(protocol: Protocol, { address, port }: Endpoint): InstalledServer | undefined {
    const key = realServerKey({ address, port })
    for (const { service, byKey } of this.byKey.values()) {
      const server = byKey.get(key)
      if (server === undefined || server.server.forwarding !== 'masq') continue
      if (service.id.kind === 'fwmark' || (service.id.kind === 'address' && service.id.protocol === protocol))
        return server
    }
    return undefined
  }

  put(service: Service, nowMs: number): void {
    const key = serviceKey(service.id)
    let installed = this.byKey.get(key)
    if (installed === undefined) {
      installed = new InstalledService(service, this.#estimation, this.#sysctls, this.#random)
      this.byKey.set(key, installed)
      this.#count(service, 1)
      this.#tickLater(installed, nowMs)
    } else {
      const before = installed.scheduler
      this.#count(installed.service, -1)
      installed.edit(service)
      this.#count(service, 1)
      if (installed.scheduler !== before) this.#tickLater(installed, nowMs)
    }
  }

  remove(id: ServiceId, nowMs: number): void {
    const installed = this.byKey.get(serviceKey(id))
    if (installed === undefined) return
    this.byKey.delete(installed.key)
    this.#count(installed.service, -1)
    for (const server of installed.servers.splice(0)) this.#discard(server, nowMs)
    installed.byKey.clear()
    this.#ticks.clear(installed)
  }

  putServer(id: ServiceId, server: RealServer): void {
    const service = this.byKey.get(serviceKey(id))
    if (service === undefined) return
    const key = realServerKey(server)
    const present = service.byKey.get(key)
    if (present !== undefined) {
      present.edit(server)
      service.scheduler.edited(service.servers.indexOf(present))
      return
    }
    const added = this.#revive(service, key, server) ?? new InstalledServer(server, service, this.#estimation)
    service.servers.unshift(added)
    service.byKey.set(key, added)
    service.scheduler.added()
  }

  removeServer(id: ServiceId, server: Endpoint, nowMs: number): void {
    const service = this.byKey.get(serviceKey(id))
    const removed = service?.byKey.get(realServerKey(server))
    if (service === undefined || removed === undefined) return
    const index = service.servers.indexOf(removed)
    service.servers.splice(index, 1)
    service.byKey.delete(removed.key)
    this.#discard(removed, nowMs)
    service.scheduler.removed(index)
  }

  /** At `trashAtMs`. */
  emptyTrash(nowMs: number): void {
    for (const [key, entry] of this.#trash) {
      if (entry.server.isUsed) continue
      if (entry.idleSinceMs === undefined) entry.idleSinceMs = nowMs
      else if (nowMs >= entry.idleSinceMs + 2 * trashMs) this.#trash.delete(key)
    }
    this.trashAtMs = this.#trash.size > 0 ? nowMs + trashMs : Number.POSITIVE_INFINITY
  }

  /** Schedulers that are to forget now. */
  tick(nowMs: number): void {
    for (let service = this.#ticks.take(nowMs); service !== undefined; service = this.#ticks.take(nowMs)) {
      service.scheduler.tick?.(nowMs)
      this.#tickLater(service, nowMs)
    }
  }

  get tickAtMs(): number {
    return this.#ticks.nextMs
  }

  #tickLater(service: InstalledService, nowMs: number): void {
    if (service.scheduler.tick === undefined) this.#ticks.clear(service)
    else this.#ticks.set(service, nowMs + tickMs)
  }

  #discard(server: InstalledServer, nowMs: number): void {
    server.isAvailable = false
    server.statistics.pause()
    if (this.#trash.size === 0) this.trashAtMs = nowMs + trashMs
    this.#trash.set(`${server.service.key} ${server.key}`, { server, idleSinceMs: undefined })
  }

  /** With its connections and counters; these begin anew when the service has been deleted meanwhile, too. */
  #revive(service: InstalledService, key: string, server: RealServer): InstalledServer | undefined {
    const place = `${service.key} ${key}`
    const revived = this.#trash.get(place)?.server
    if (revived === undefined) return undefined
    this.#trash.delete(place)
    if (revived.service !== service) {
      revived.service = service
      revived.statistics.zero()
    }
    revived.statistics.resume()
    revived.isAvailable = true
    revived.edit(server)
    revived.lastWeight = server.weight
    return revived
  }

  #count({ id, persistence }: Service, change: number): void {
    const family = id.kind === 'fwmark' ? id.family : id.kind === 'address' ? familyOf(id.address) : undefined
    if (family !== undefined) this.#families[family] += change
    if (persistence?.engine === 'sip') this.#sip += change
  }
}
