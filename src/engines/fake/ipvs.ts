/** IPVS in memory, as Linux 6.1 has it: a table, its connections and the clock that moves them. Packets in, verdicts out; no I/O. */
import type { Cidr } from '../../lvs/address.ts'
import type { ConnectionState } from '../../lvs/connection-state.ts'
import { type DefenseLevel, defenseLevel, defenseMs, isEntryDropped } from '../../lvs/defense.ts'
import type { SyncDaemon } from '../../lvs/edit.ts'
import type { Packet, Verdict } from '../../lvs/packet.ts'
import { type ServiceId, serviceKey } from '../../lvs/service.ts'
import { defaultSettings, type Settings, type SettingsChange, withSettings } from '../../lvs/settings.ts'
import { startedDaemon } from '../../lvs/sync-daemon.ts'
import type { Connection, EngineChange, ServerSnapshot, ServiceSnapshot } from '../engine.ts'
import { estimateMs } from '../estimator.ts'
import { Connections, type Entry } from './connections.ts'
import { type Path, receive } from './path.ts'
import { Follower } from './porting.ts'
import { type InstalledService, Services } from './services.ts'
import { Estimation } from './statistics.ts'

export type IpvsOptions = {
  /** The machine's own addresses with their prefixes. */
  readonly addresses?: readonly Cidr[]
  /** Bytes; for daemons that are started without a message size. */
  readonly mtu?: number
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

/** Buckets of the connection table: what drop_entry goes through, a 32nd each second. */
export const tableSize = 4096

export class Ipvs {
  readonly services: Services
  readonly connections = new Connections()
  readonly follower = new Follower()
  readonly #estimation = new Estimation()
  readonly #options: IpvsOptions
  readonly #random: () => number
  readonly #path: Path
  readonly #daemons = new Map<SyncDaemon['role'], SyncDaemon>()
  readonly #dropCounters: number[] = []
  #level: DefenseLevel
  #availablePages = Number.POSITIVE_INFINITY
  #untilDrop = 0
  #estimateAtMs = estimateMs
  #defenseAtMs = defenseMs

  constructor(options: IpvsOptions = {}) {
    const { random = Math.random, addresses = [] } = options
    this.#options = options
    this.#random = random
    this.services = new Services(this.#estimation, () => this.settings.sysctls, random)
    this.#level = defenseLevel(defaultSettings.sysctls, this.#availablePages)
    this.#path = {
      services: this.services,
      connections: this.connections,
      addresses,
      settings: defaultSettings,
      nowMs: 0,
      securesTcp: false,
      isBackup: false,
      isDropped: () => this.#isDropped(),
      carried: (entry) => this.follower.carried(entry, this.nowMs),
    }
  }

  get nowMs(): number {
    return this.#path.nowMs
  }

  get settings(): Settings {
    return this.#path.settings
  }

  /** Master first. */
  get daemons(): SyncDaemon[] {
    return (['master', 'backup'] as const).flatMap((role) => this.#daemons.get(role) ?? [])
  }

  /** An entry that ends by this packet stands until time moves, as until the kernel's next tick: an answer may save it. */
  receive(packet: Packet): Verdict {
    return receive(this.#path, packet)
  }

  /** What the kernel has free, for the automatic modes of drop_entry, drop_packet and secure_tcp. */
  setAvailablePages(pages: number): void {
    this.#availablePages = pages
  }

  apply(change: EngineChange): void {
    const { services, nowMs } = this
    switch (change.kind) {
      case 'service.add':
      case 'service.update':
        services.put(change.service, nowMs)
        return
      case 'service.remove':
        services.remove(change.id, nowMs)
        this.#sweepDeleted()
        return
      case 'server.add':
      case 'server.update':
        services.putServer(change.id, change.server)
        return
      case 'server.remove':
        services.removeServer(change.id, change.server, nowMs)
        this.#sweepDeleted()
        return
      case 'settings':
        this.#set(change.settings)
        return
      case 'daemon.start':
        this.#daemons.set(change.daemon.role, startedDaemon(change.daemon, this.#options.mtu))
        this.#path.isBackup = this.#daemons.has('backup')
        return
      case 'daemon.stop':
        this.#daemons.delete(change.role)
        this.#path.isBackup = this.#daemons.has('backup')
    }
  }

  /** Lets time pass, timer by timer; also those that are due already. */
  advanceTo(toMs: number): void {
    for (let at = this.#nextMs(); at <= toMs; at = this.#nextMs()) {
      this.#path.nowMs = Math.max(at, this.nowMs)
      this.connections.expire(at)
      if (this.services.trashAtMs <= at) this.services.emptyTrash(at)
      if (this.services.tickAtMs <= at) this.services.tick(at)
      if (this.#estimateAtMs <= at) this.#estimate(toMs)
      if (this.#defenseAtMs <= at) this.#defend(toMs)
    }
    this.#path.nowMs = Math.max(toMs, this.nowMs)
  }

  read(only?: readonly ServiceId[]): ServiceSnapshot[] {
    const { byKey } = this.services
    if (only === undefined) return [...byKey.values()].map(serviceSnapshot)
    const keys = new Set(only.map(serviceKey))
    return [...keys].flatMap((key) => {
      const service = byKey.get(key)
      return service === undefined ? [] : [serviceSnapshot(service)]
    })
  }

  zero(id: ServiceId | undefined): void {
    const { byKey } = this.services
    const one = id === undefined ? undefined : byKey.get(serviceKey(id))
    const services = id === undefined ? byKey.values() : one === undefined ? [] : [one]
    for (const { statistics, servers } of services) {
      statistics.zero()
      for (const server of servers) server.statistics.zero()
    }
  }

  describe(entry: Entry): Connection {
    const { protocol, client, service, server, callId } = entry
    const expiresSeconds = Math.max(0, Math.floor((entry.expiresAtMs - this.nowMs) / 1000))
    const connection = { protocol, client, service, server, state: shownState(entry), expiresSeconds }
    return callId === undefined ? connection : { ...connection, persistenceData: { engine: 'sip', data: callId } }
  }

  #nextMs(): number {
    const { trashAtMs, tickAtMs } = this.services
    return Math.min(this.connections.nextMs, trashAtMs, tickAtMs, this.#estimateAtMs, this.#defenseAtMs)
  }

  #set(change: SettingsChange): void {
    this.#path.settings = withSettings(this.settings, change)
    this.#level = this.#newLevel()
  }

  /** Nobody counts while time is made up for: once no rate moves, the other turns change nothing. */
  #estimate(toMs: number): void {
    if (this.settings.sysctls.run_estimation !== 0) this.#estimation.step()
    const isStill = this.#estimation.isIdle || this.settings.sysctls.run_estimation === 0
    this.#estimateAtMs = nextTurn(this.#estimateAtMs, estimateMs, isStill ? toMs : this.#estimateAtMs)
  }

  #defend(toMs: number): void {
    this.#level = this.#newLevel()
    if (this.#level.dropsEntries) this.#dropEntries()
    const isStill = !this.#level.dropsEntries || this.connections.all.size === 0
    this.#defenseAtMs = nextTurn(this.#defenseAtMs, defenseMs, isStill ? toMs : this.#defenseAtMs)
  }

  #newLevel(): DefenseLevel {
    const { sysctls } = this.settings
    const level = defenseLevel(sysctls, this.#availablePages)
    this.#path.settings = withSettings(this.settings, { sysctls: level.modes })
    this.#path.securesTcp = level.securesTcp
    return level
  }

  /** The first packet at once, then every so many. */
  #isDropped(): boolean {
    const { dropRate } = this.#level
    if (dropRate === 0) return false
    this.#untilDrop -= 1
    if (this.#untilDrop > 0) return false
    this.#untilDrop = dropRate
    return true
  }

  /** As many random buckets as make a 32nd of the table, some of them perhaps twice. Which bucket an entry is in is chance, too. */
  #dropEntries(): void {
    const scans = tableSize / 32
    const share = 1 - (1 - 1 / tableSize) ** scans
    for (const entry of this.connections.all) {
      if (this.#random() >= share) continue
      const isDropped = isEntryDropped(
        {
          protocol: entry.protocol,
          isTemplate: entry.isTemplate,
          state: shownState(entry),
          isOnePacket: entry.on?.service.service.onePacket === true,
          controls: entry.controls,
          idleMs: entry.timeoutMs - (entry.expiresAtMs - this.nowMs),
          packets: entry.packets,
        },
        this.#dropCounters,
      )
      if (isDropped) this.connections.drop(entry)
    }
  }

  /** expire_nodest_conn: connections of deleted servers do not wait for their next packet, nor do their templates. */
  #sweepDeleted(): void {
    if (this.settings.sysctls.expire_nodest_conn === 0) return
    for (const entry of this.connections.all) {
      if (entry.on?.isAvailable !== false) continue
      const { control } = entry
      this.connections.drop(entry)
      // Assured or not.
      if (control !== undefined) this.connections.drop(control)
    }
  }
}

/** The first turn after `at`, every `stepMs`, that lies beyond `afterMs`. */
function nextTurn(at: number, stepMs: number, afterMs: number): number {
  return at + stepMs * Math.max(1, Math.floor((afterMs - at) / stepMs) + 1)
}

function shownState(entry: Entry): ConnectionState {
  return entry.isTemplate && entry.isAssured ? 'ASSURED' : entry.state
}

function serviceSnapshot({ service, servers, statistics }: InstalledService): ServiceSnapshot {
  return {
    service,
    servers: servers.map(
      ({ server, active, inactive, persistent, statistics: { counters, rates } }): ServerSnapshot => ({
        server,
        active,
        inactive,
        persistent,
        counters,
        rates,
      }),
    ),
    counters: statistics.counters,
    rates: statistics.rates,
  }
}
