/**
 * The installed services with their servers (newest first), schedulers and counts: what the fake engine is, and what a
 * userspace plane schedules by. Changes are checked as a whole before the first is made.
 */
import { InfraError } from '../errors.ts'
import { addressNumber } from '../lvs/address.ts'
import { schedulers } from '../lvs/schedulers/registry.ts'
import type { AddressWords, Candidate, Flow, Scheduler } from '../lvs/schedulers/scheduler.ts'
import {
  type Endpoint,
  type RealServer,
  realServerKey,
  type Service,
  type ServiceId,
  serviceKey,
} from '../lvs/service.ts'
import { noCounters, type ServerSnapshot, type ServiceSnapshot, type TableChange } from './engine.ts'
import { type Ledger, type Totals, zeroTotals } from './ledger.ts'

/** An installed real server. It outlives its removal until its last connection ends. */
export class ServerRecord implements Candidate {
  server: RealServer
  readonly service: ServiceRecord
  readonly key: string
  readonly slot: number
  readonly address: AddressWords
  readonly port: number
  /** Already tried for the connection being placed. */
  isTried = false
  isRemoved = false
  lastWeight: number
  readonly #ledger: Ledger
  #isOverThreshold = false
  #isForgotten = false

  constructor(server: RealServer, service: ServiceRecord, ledger: Ledger) {
    this.server = server
    this.service = service
    this.lastWeight = server.weight
    this.key = realServerKey(server)
    this.slot = ledger.take()
    this.address = addressWords(server.address) ?? [0]
    this.port = server.port
    this.#ledger = ledger
  }

  get weight(): number {
    return this.server.weight
  }
  get active(): number {
    return this.#isForgotten ? 0 : this.#ledger.active(this.slot)
  }
  get inactive(): number {
    return this.#isForgotten ? 0 : this.#ledger.inactive(this.slot)
  }
  get connections(): number {
    return this.active + this.inactive
  }

  /** LVS's thresholds: closed when the upper is reached, opened again below the lower (or below 3/4 of the upper). */
  get overloaded(): boolean {
    if (this.isTried) return true
    const { upperThreshold: upper, lowerThreshold } = this.server
    if (upper === 0) return false
    const lower = lowerThreshold > 0 ? lowerThreshold : upper - Math.floor(upper / 4)
    if (this.connections >= upper) this.#isOverThreshold = true
    else if (this.connections < lower) this.#isOverThreshold = false
    return this.#isOverThreshold
  }

  /** Its slot is another's from now on: it has no connections, whoever still asks. */
  forget(): void {
    this.#isForgotten = true
    this.#ledger.free(this.slot)
  }
}

export class ServiceRecord {
  service: Service
  readonly key: string
  /** Counts nothing, but names the service among an engine's threads. */
  readonly slot: number
  /** Newest first: the schedulers' list. */
  readonly servers: ServerRecord[] = []
  /** Removed servers whose connections still run. */
  readonly leaving: ServerRecord[] = []
  /** What servers that are gone have counted. */
  readonly retired: Totals = zeroTotals()
  scheduler: Scheduler<ServerRecord> | undefined
  /** When the scheduler wants its next tick; undefined until the time is known. */
  nextTickMs: number | undefined
  isRemoved = false

  constructor(service: Service, ledger: Ledger) {
    this.service = service
    this.key = serviceKey(service.id)
    this.slot = ledger.take()
    this.schedule()
  }

  schedule(): void {
    const options = { flags: this.service.schedulerFlags, random: Math.random }
    const { scheduler } = this.service
    this.nextTickMs = undefined
    this.scheduler = scheduler === 'none' ? undefined : schedulers[scheduler]?.(this.servers, options)
  }
}

export class Table {
  readonly services = new Map<string, ServiceRecord>()
  readonly #removed = new Set<ServiceRecord>()
  readonly #bySlot: (ServerRecord | undefined)[] = []
  readonly #ledger: Ledger
  readonly #onCounted = (slot: number): void => {
    const server = this.#bySlot[slot]
    if (server !== undefined && !server.isRemoved) server.service.scheduler?.counted(server)
  }

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  /**
   * Says whether `commit` would succeed, and which services would be new. Changes nothing.
   * @throws InfraError `not-found` for a server of a service that is not there, `no-space` when the ledger is full.
   */
  check(changes: readonly TableChange[]): { readonly added: ReadonlyMap<string, Service> } {
    const added = new Map<string, Service>()
    const removed = new Set<string>()
    let servers = 0
    for (const change of changes) {
      if (change.kind === 'service.add' || change.kind === 'service.update') {
        const key = serviceKey(change.service.id)
        if (!this.services.has(key)) added.set(key, change.service)
        removed.delete(key)
      } else if (change.kind === 'service.remove') {
        const key = serviceKey(change.id)
        removed.add(key)
        added.delete(key)
      } else if (change.kind === 'server.add' || change.kind === 'server.update') {
        const key = serviceKey(change.id)
        if (!added.has(key) && (removed.has(key) || !this.services.has(key)))
          throw new InfraError('not-found', `add server ${realServerKey(change.server)}: there is no service ${key}`, {
            subject: key,
          })
        servers += 1
      }
    }
    if (servers + added.size > this.#ledger.room)
      throw new InfraError('no-space', 'the engine holds no more real servers', { subject: 'engine' })
    return { added }
  }

  /** Makes all changes, in order. Call `check` first: this must not fail half-way. Returns the services that went away. */
  commit(changes: readonly TableChange[]): ServiceRecord[] {
    const gone: ServiceRecord[] = []
    for (const change of changes) {
      switch (change.kind) {
        case 'service.add':
        case 'service.update':
          this.#putService(change.service)
          break
        case 'service.remove': {
          const record = this.#removeService(change.id)
          if (record !== undefined) gone.push(record)
          break
        }
        case 'server.add':
        case 'server.update':
          this.#putServer(change.id, change.server)
          break
        case 'server.remove':
          this.#removeServer(change.id, change.server)
      }
    }
    return gone
  }

  /**
   * The server for a new connection, already counted on it as active (TCP) or inactive (UDP). Allocates nothing.
   * `tried`: those that could not be reached for this very connection.
   */
  place(service: ServiceRecord, flow: Flow, tried: readonly ServerRecord[] = none): ServerRecord | undefined {
    const { scheduler } = service
    if (scheduler === undefined) return undefined
    this.#ledger.takeChanged(this.#onCounted)
    setTried(tried, true)
    const picked = scheduler.pick(flow)
    setTried(tried, false)
    if (picked !== undefined) this.count(service, picked)
    return picked
  }

  /** Counts a connection on its server: LVS counts TCP as active from the first packet, and UDP never. */
  count(service: ServiceRecord, server: ServerRecord): void {
    const { id } = service.service
    if (id.kind === 'address' && id.protocol === 'udp') this.#ledger.addInactive(server.slot, 1)
    else this.#ledger.addActive(server.slot, 1)
    this.#ledger.addConnection(server.slot, 1)
    // Read for its side effect: the threshold closes at the moment it is reached.
    void server.overloaded
  }

  read(): ServiceSnapshot[] {
    return [...this.services.values()].map((record) => {
      const counters = { ...record.retired }
      for (const server of record.leaving) this.#ledger.addTotals(server.slot, counters)
      const servers = record.servers.map((server): ServerSnapshot => {
        const own = zeroTotals()
        this.#ledger.addTotals(server.slot, own)
        this.#ledger.addTotals(server.slot, counters)
        const { failures, ...rest } = own
        const { active, inactive } = server
        return {
          server: server.server,
          active,
          inactive,
          persistent: 0,
          counters: rest,
          rates: noCounters,
          connectFailures: failures,
        }
      })
      const { failures: _, ...rest } = counters
      return { service: record.service, servers, counters: rest, rates: noCounters }
    })
  }

  /**
   * Lets go of removed servers whose last connection has ended. Call now and then, with the time (monotonic) where
   * schedulers are to forget.
   */
  sweep(nowMs?: number): void {
    for (const record of this.services.values()) {
      this.#sweepLeaving(record)
      if (nowMs !== undefined) tick(record, nowMs)
    }
    for (const record of this.#removed) {
      this.#sweepLeaving(record)
      if (record.leaving.length > 0) continue
      this.#removed.delete(record)
      this.#ledger.free(record.slot)
    }
  }

  #putService(service: Service): void {
    const key = serviceKey(service.id)
    const record = this.services.get(key)
    if (record === undefined) {
      this.services.set(key, new ServiceRecord(service, this.#ledger))
      return
    }
    const before = record.service
    record.service = service
    const isSameScheduler =
      before.scheduler === service.scheduler && before.schedulerFlags.join() === service.schedulerFlags.join()
    if (!isSameScheduler) record.schedule()
  }

  #removeService(id: ServiceId): ServiceRecord | undefined {
    const key = serviceKey(id)
    const record = this.services.get(key)
    if (record === undefined) return undefined
    this.services.delete(key)
    record.isRemoved = true
    record.scheduler = undefined
    for (const server of record.servers) server.isRemoved = true
    record.leaving.push(...record.servers.splice(0))
    this.#removed.add(record)
    return record
  }

  #putServer(id: ServiceId, server: RealServer): void {
    const record = this.services.get(serviceKey(id))
    if (record === undefined) return
    const key = realServerKey(server)
    const index = record.servers.findIndex((s) => s.key === key)
    const present = record.servers[index]
    if (present === undefined) {
      const added = this.#revive(record, key, server) ?? new ServerRecord(server, record, this.#ledger)
      this.#bySlot[added.slot] = added
      record.servers.unshift(added)
      record.scheduler?.added()
    } else if (!isSameServer(present.server, server)) {
      present.server = server
      if (server.weight !== 0) present.lastWeight = server.weight
      record.scheduler?.edited(index)
    }
  }

  /** A server that comes back while its connections still run keeps their counts, as in the kernel. */
  #revive(record: ServiceRecord, key: string, server: RealServer): ServerRecord | undefined {
    const index = record.leaving.findIndex((s) => s.key === key)
    const [revived] = index < 0 ? [] : record.leaving.splice(index, 1)
    if (revived === undefined) return undefined
    revived.server = server
    revived.lastWeight = server.weight
    revived.isRemoved = false
    return revived
  }

  #removeServer(id: ServiceId, server: Endpoint): void {
    const record = this.services.get(serviceKey(id))
    const key = realServerKey(server)
    const index = record?.servers.findIndex((s) => s.key === key) ?? -1
    const [removed] = index < 0 || record === undefined ? [] : record.servers.splice(index, 1)
    if (record === undefined || removed === undefined) return
    removed.isRemoved = true
    record.leaving.push(removed)
    record.scheduler?.removed(index)
  }

  #sweepLeaving(record: ServiceRecord): void {
    for (let at = record.leaving.length - 1; at >= 0; at--) {
      const server = record.leaving[at]
      if (server === undefined || server.connections > 0) continue
      this.#ledger.addTotals(server.slot, record.retired)
      this.#bySlot[server.slot] = undefined
      server.forget()
      record.leaving.splice(at, 1)
    }
  }
}

const none: readonly ServerRecord[] = []
const tickMs = 60_000

function setTried(servers: readonly ServerRecord[], isTried: boolean): void {
  for (const server of servers) {
    server.isTried = isTried
    if (!server.isRemoved) server.service.scheduler?.counted(server)
  }
}

function tick(record: ServiceRecord, nowMs: number): void {
  record.nextTickMs ??= nowMs + tickMs
  for (; record.nextTickMs <= nowMs; record.nextTickMs += tickMs) record.scheduler?.tick?.(record.nextTickMs)
}

/** 32-bit words, most significant first, or undefined for what is no address. */
export function addressWords(text: string): AddressWords | undefined {
  const number = addressNumber(text)
  if (number === undefined) return undefined
  const words = text.includes(':') ? 4 : 1
  return Array.from({ length: words }, (_, at) => Number((number >> BigInt(32 * (words - 1 - at))) & 0xffff_ffffn))
}

function isSameServer(a: RealServer, b: RealServer): boolean {
  return (
    a.weight === b.weight &&
    a.forwarding === b.forwarding &&
    a.upperThreshold === b.upperThreshold &&
    a.lowerThreshold === b.lowerThreshold
  )
}

/** Only what the model knows: callers may pass richer objects. */
export function plainChange(change: TableChange): TableChange {
  switch (change.kind) {
    case 'service.add':
    case 'service.update':
    case 'service.remove':
      return change
    case 'server.add':
    case 'server.update': {
      const { address, port, forwarding, weight, upperThreshold, lowerThreshold } = change.server
      const server = { address, port, forwarding, weight, upperThreshold, lowerThreshold }
      return { kind: change.kind, id: change.id, server }
    }
    case 'server.remove': {
      const { address, port } = change.server
      return { kind: change.kind, id: change.id, server: { address, port } }
    }
  }
}
