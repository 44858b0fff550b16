/**
 * The installed services with their servers (newest first), schedulers and counts: what the fake engine is, and what a
 * userspace plane schedules by. Changes are checked as a whole before the first is made.
 */
import { InfraError } from '../errors.ts'
import type { Flow } from '../lvs/schedulers/scheduler.ts'
import {
  type Endpoint,
  type RealServer,
  realServerKey,
  type Service,
  type ServiceId,
  serviceKey,
} from '../lvs/service.ts'
import { defaultSysctls } from '../lvs/settings.ts'
import { noCounters, type ServerSnapshot, type ServiceSnapshot, type TableChange } from './engine.ts'
import { Estimator, estimateMs } from './estimator.ts'
import { addTotals, isNothing, type Ledger, type Totals, withoutBaseline, zeroTotals } from './ledger.ts'
import { type SchedulerSysctls, ServerRecord, ServiceRecord } from './records.ts'

export class Table {
  readonly services = new Map<string, ServiceRecord>()
  readonly #removed = new Set<ServiceRecord>()
  readonly #bySlot: (ServerRecord | undefined)[] = []
  readonly #ledger: Ledger
  readonly #sysctls: SchedulerSysctls
  #nextEstimateMs: number | undefined
  #estimatePart = 0
  readonly #onCounted = (slot: number): void => {
    const server = this.#bySlot[slot]
    if (server !== undefined && !server.isRemoved) server.service.scheduler?.counted(server)
  }

  /** `sysctls`: asked whenever a scheduler needs one. */
  constructor(ledger: Ledger, sysctls: SchedulerSysctls = defaultSysctls) {
    this.#ledger = ledger
    this.#sysctls = sysctls
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
        if (removed.has(key) || this.services.get(key)?.byKey.has(realServerKey(change.server)) !== true) servers += 1
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

  /**
   * Counts a connection on its server: LVS counts TCP as active from the first packet, UDP never, and what is scheduled
   * packet by packet as no connection that stands.
   */
  count(service: ServiceRecord, server: ServerRecord): void {
    // Read for its side effect, before and after: a threshold opens and closes at the moment it is crossed.
    void server.overloaded
    const { id } = service.service
    if (id.kind !== 'address' || id.protocol !== 'udp') this.#ledger.addActive(server.slot, 1)
    else if (!service.service.onePacket) this.#ledger.addInactive(server.slot, 1)
    this.#ledger.addConnection(server.slot, 1)
    void server.overloaded
  }

  /** All services, those of `only` that exist, or `count` of all from number `from` on. */
  read({ only, from = 0, count }: TableSelection = {}): ServiceSnapshot[] {
    if (only !== undefined) {
      const records = new Set(only.map((id) => this.services.get(serviceKey(id))))
      return [...records].flatMap((record) => (record === undefined ? [] : [this.#snapshot(record)]))
    }
    const records = [...this.services.values()].slice(from, count === undefined ? undefined : from + count)
    return records.map((record) => this.#snapshot(record))
  }

  /** Begins the counters and rates anew: of one service with its servers, or of all. */
  zero(id?: ServiceId): void {
    const one = id && this.services.get(serviceKey(id))
    const records = id === undefined ? this.services.values() : one === undefined ? [] : [one]
    for (const record of records) {
      record.baseline = this.#serviceTotals(record)
      record.estimator?.zero(record.baseline)
      for (const server of record.servers) {
        server.baseline = this.#serverTotals(server)
        server.estimator?.zero(server.baseline)
      }
    }
  }

  /** Moves the rates on, in eighths of all services, each every 2 s. Call a few times a second, with the monotonic time. */
  estimate(nowMs: number): void {
    this.#nextEstimateMs ??= nowMs
    for (; this.#nextEstimateMs <= nowMs; this.#nextEstimateMs += estimateMs / estimateParts) {
      this.#estimatePart = (this.#estimatePart + 1) % estimateParts
      for (const record of this.services.values())
        if (record.slot % estimateParts === this.#estimatePart) this.#estimate(record)
    }
  }

  /** Removed servers that still stand, also those of removed services. */
  *leaving(): Iterable<ServerRecord> {
    for (const record of this.services.values()) yield* record.leaving.values()
    for (const record of this.#removed) yield* record.leaving.values()
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
      if (record.leaving.size > 0) continue
      this.#removed.delete(record)
      this.#ledger.free(record.slot)
    }
  }

  #putService(service: Service): void {
    const key = serviceKey(service.id)
    const record = this.services.get(key)
    if (record === undefined) {
      this.services.set(key, new ServiceRecord(service, this.#ledger, this.#sysctls))
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
    for (const server of record.servers.splice(0)) {
      server.isRemoved = true
      record.leaving.set(server.key, server)
    }
    record.byKey.clear()
    this.#removed.add(record)
    return record
  }

  #putServer(id: ServiceId, server: RealServer): void {
    const record = this.services.get(serviceKey(id))
    if (record === undefined) return
    const key = realServerKey(server)
    const present = record.byKey.get(key)
    if (present === undefined) {
      const added = this.#revive(record, key, server) ?? new ServerRecord(server, record, this.#ledger)
      this.#bySlot[added.slot] = added
      record.servers.unshift(added)
      record.byKey.set(key, added)
      record.scheduler?.added()
    } else {
      // Also when nothing differs: the kernel tells the scheduler of every edit, and wrr begins anew at the list's head.
      void present.overloaded
      present.server = server
      void present.overloaded
      if (server.weight !== 0) present.lastWeight = server.weight
      record.scheduler?.edited(record.servers.indexOf(present))
    }
  }

  /** A server that comes back while its connections still run keeps their counts, as in the kernel. */
  #revive(record: ServiceRecord, key: string, server: RealServer): ServerRecord | undefined {
    const revived = record.leaving.get(key)
    if (revived === undefined) return undefined
    record.leaving.delete(key)
    revived.server = server
    revived.lastWeight = server.weight
    revived.isRemoved = false
    return revived
  }

  #removeServer(id: ServiceId, server: Endpoint): void {
    const record = this.services.get(serviceKey(id))
    const key = realServerKey(server)
    const removed = record?.byKey.get(key)
    if (record === undefined || removed === undefined) return
    const index = record.servers.indexOf(removed)
    record.servers.splice(index, 1)
    record.byKey.delete(key)
    removed.isRemoved = true
    record.leaving.set(key, removed)
    record.scheduler?.removed(index)
  }

  #sweepLeaving(record: ServiceRecord): void {
    for (const [key, server] of record.leaving) {
      if (server.connections > 0 || server.persistent > 0) continue
      this.#ledger.addTotals(server.slot, record.retired)
      this.#bySlot[server.slot] = undefined
      server.forget()
      record.leaving.delete(key)
    }
  }

  #snapshot(record: ServiceRecord): ServiceSnapshot {
    const servers = record.servers.map((server): ServerSnapshot => {
      const { failures, ...counters } = withoutBaseline(this.#serverTotals(server), server.baseline)
      return {
        server: server.server,
        active: server.active,
        inactive: server.inactive,
        persistent: server.persistent,
        counters,
        rates: server.estimator?.rates ?? noCounters,
        connectFailures: failures,
      }
    })
    const { failures: _, ...counters } = withoutBaseline(this.#serviceTotals(record), record.baseline)
    return { service: record.service, servers, counters, rates: record.estimator?.rates ?? noCounters }
  }

  #estimate(record: ServiceRecord): void {
    const sum = { ...record.retired }
    for (const server of record.leaving.values()) this.#ledger.addTotals(server.slot, sum)
    for (const server of record.servers) {
      const totals = this.#serverTotals(server)
      addTotals(sum, totals)
      if (server.estimator === undefined && isNothing(totals)) continue
      server.estimator ??= estimatorFrom(server.baseline)
      server.estimator.step(totals)
    }
    if (record.estimator === undefined && isNothing(sum)) return
    record.estimator ??= estimatorFrom(record.baseline)
    record.estimator.step(sum)
  }

  #serverTotals({ slot }: ServerRecord): Totals {
    const totals = zeroTotals()
    this.#ledger.addTotals(slot, totals)
    return totals
  }

  #serviceTotals(record: ServiceRecord): Totals {
    const totals = { ...record.retired }
    for (const server of record.leaving.values()) this.#ledger.addTotals(server.slot, totals)
    for (const server of record.servers) this.#ledger.addTotals(server.slot, totals)
    return totals
  }
}

const none: readonly ServerRecord[] = []
const tickMs = 60_000
/** The services' rates move in so many turns, so that none of them takes long. */
const estimateParts = 8

export type TableSelection = {
  readonly only?: readonly ServiceId[] | undefined
  readonly from?: number
  readonly count?: number
}

function estimatorFrom(baseline: Totals | undefined): Estimator {
  const estimator = new Estimator()
  if (baseline !== undefined) estimator.zero(baseline)
  return estimator
}

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
