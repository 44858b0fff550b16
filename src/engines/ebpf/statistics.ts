/** Counters and rates of services and servers: the program's counts, less what stood when they were zeroed. */
import { type ServiceId, serviceKey } from '../../lvs/service.ts'
import { type Counters, noCounters, type ServerSnapshot, type ServiceSnapshot } from '../engine.ts'
import { Estimator, estimateMs } from '../estimator.ts'
import { Kept, minus, plus, readTotal, readTotals } from './counts.ts'
import type { ServerRecord, ServiceRecord } from './draft.ts'
import type { Maps } from './maps.ts'
import type { Program } from './program.ts'
import type { EbpfTable } from './table.ts'

/** Where totals are read one by one rather than all at once. */
const few = 64

type TotalOf = (slot: number) => Counters

export class Statistics {
  readonly kept: Kept
  readonly #maps: Maps
  readonly #servers = new Map<number, Estimator>()
  readonly #services = new Map<number, Estimator>()
  #nextEstimateMs: number | undefined

  constructor({ maps, sizes }: Program) {
    this.#maps = maps
    this.kept = new Kept(maps.kept, sizes.services)
  }

  async snapshots(table: EbpfTable, only: readonly ServiceId[] | undefined): Promise<ServiceSnapshot[]> {
    const records =
      only === undefined
        ? [...table.services.values()]
        : [...new Set(only.map(serviceKey))].flatMap((key) => table.services.get(key) ?? [])
    const totalOf = await this.#totals(table, records)
    // Read anew where it changed meanwhile.
    return records.flatMap(({ id }) => {
      const record = table.services.get(serviceKey(id))
      return record === undefined ? [] : [this.#snapshot(table, record, totalOf)]
    })
  }

  async zero(table: EbpfTable, records: readonly ServiceRecord[]): Promise<void> {
    const totalOf = await this.#totals(table, records)
    for (const record of records) {
      const sum = this.#serviceTotal(table, record, totalOf)
      this.kept.baseline(record.slot).set(sum)
      this.#services.get(record.slot)?.zero(sum)
      for (const { slot } of record.servers) {
        this.kept.serverBaseline(slot).set(totalOf(slot))
        this.#servers.get(slot)?.zero(totalOf(slot))
      }
    }
  }

  /** Moves the rates on, every 2 s. Not to be called while it does. */
  async tick(table: EbpfTable, nowMs: number): Promise<void> {
    this.#nextEstimateMs ??= nowMs + estimateMs
    if (nowMs < this.#nextEstimateMs) return
    this.#nextEstimateMs += estimateMs
    await this.#estimate(table)
  }

  async #estimate(table: EbpfTable): Promise<void> {
    const totalOf = await this.#totals(table, [...table.services.values()])
    const live = { services: new Set<number>(), servers: new Set<number>() }
    for (const record of table.services.values()) {
      live.services.add(record.slot)
      step(
        this.#services,
        record.slot,
        this.#serviceTotal(table, record, totalOf),
        this.kept.baseline(record.slot).get(),
      )
      for (const { slot } of record.servers) {
        live.servers.add(slot)
        step(this.#servers, slot, totalOf(slot), this.kept.serverBaseline(slot).get())
      }
    }
    for (const slot of this.#services.keys()) if (!live.services.has(slot)) this.#services.delete(slot)
    for (const slot of this.#servers.keys()) if (!live.servers.has(slot)) this.#servers.delete(slot)
  }

  async #totals(table: EbpfTable, records: readonly ServiceRecord[]): Promise<TotalOf> {
    const count = records.reduce((sum, { servers }) => sum + servers.length, 0)
    if (count <= few) return (slot) => readTotal(this.#maps, slot)
    const totals = await readTotals(this.#maps, table.servers.used)
    return (slot) => totals.of(slot)
  }

  #snapshot(table: EbpfTable, record: ServiceRecord, totalOf: TotalOf): ServiceSnapshot {
    const total = this.#serviceTotal(table, record, totalOf)
    return {
      service: record.service,
      servers: record.servers.map((server) => this.#serverSnapshot(table, server, totalOf)),
      counters: minus(total, this.kept.baseline(record.slot).get()),
      rates: this.#services.get(record.slot)?.rates ?? noCounters,
    }
  }

  #serverSnapshot(table: EbpfTable, { slot, server }: ServerRecord, totalOf: TotalOf): ServerSnapshot {
    return {
      server,
      active: table.servers.active(slot),
      inactive: table.servers.inactive(slot),
      persistent: table.servers.persistent(slot),
      counters: minus(totalOf(slot), this.kept.serverBaseline(slot).get()),
      rates: this.#servers.get(slot)?.rates ?? noCounters,
    }
  }

  #serviceTotal(table: EbpfTable, record: ServiceRecord, totalOf: TotalOf): Counters {
    let sum = this.kept.retired(record.slot).get()
    for (const { slot } of record.servers) sum = plus(sum, totalOf(slot))
    for (const { slot } of table.leavingOf(record)) sum = plus(sum, totalOf(slot))
    return sum
  }
}

function step(estimators: Map<number, Estimator>, slot: number, total: Counters, baseline: Counters): void {
  let estimator = estimators.get(slot)
  if (estimator === undefined && total.connections === 0 && total.packetsIn === 0) return
  if (estimator === undefined) {
    estimator = new Estimator()
    estimator.zero(baseline)
    estimators.set(slot, estimator)
  }
  estimator.step(total)
}
