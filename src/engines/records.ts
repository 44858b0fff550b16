/** What a table holds of a service and of a real server: their definitions, their places in the ledger, their scheduler. */
import { addressNumber } from '../lvs/address.ts'
import { schedulers } from '../lvs/schedulers/registry.ts'
import type { AddressWords, Candidate, Scheduler, SchedulerOptions } from '../lvs/schedulers/scheduler.ts'
import { type RealServer, realServerKey, type Service, serviceKey } from '../lvs/service.ts'
import { isOverloaded } from '../lvs/thresholds.ts'
import type { Estimator } from './estimator.ts'
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
  /** Persistence templates that lead here. While there are any, it outlives its removal, too. */
  persistent = 0
  /** What is not shown any more: the totals when they were zeroed. */
  baseline: Totals | undefined
  /** Made when something has been counted. */
  estimator: Estimator | undefined
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

  /** Over its threshold, or already tried. */
  get overloaded(): boolean {
    if (this.isTried) return true
    this.#isOverThreshold = isOverloaded(this.#isOverThreshold, this.connections, this.server)
    return this.#isOverThreshold
  }

  /** Its slot is another's from now on: it has no connections, whoever still asks. */
  forget(): void {
    this.#isForgotten = true
    this.#ledger.free(this.slot)
  }
}

export type SchedulerSysctls = NonNullable<SchedulerOptions['sysctls']>

export class ServiceRecord {
  service: Service
  readonly key: string
  /** Counts nothing, but names the service among an engine's threads. */
  readonly slot: number
  /** Newest first: the schedulers' list. */
  readonly servers: ServerRecord[] = []
  readonly byKey = new Map<string, ServerRecord>()
  /** Removed servers whose connections or templates still stand, by their keys. */
  readonly leaving = new Map<string, ServerRecord>()
  /** What servers that are gone have counted. */
  readonly retired: Totals = zeroTotals()
  baseline: Totals | undefined
  estimator: Estimator | undefined
  scheduler: Scheduler<ServerRecord> | undefined
  /** When the scheduler wants its next tick; undefined until the time is known. */
  nextTickMs: number | undefined
  isRemoved = false

  readonly #sysctls: SchedulerSysctls

  constructor(service: Service, ledger: Ledger, sysctls: SchedulerSysctls) {
    this.service = service
    this.key = serviceKey(service.id)
    this.#sysctls = sysctls
    this.slot = ledger.take()
    this.schedule()
  }

  schedule(): void {
    const options = { flags: this.service.schedulerFlags, random: Math.random, sysctls: this.#sysctls }
    const { scheduler } = this.service
    this.nextTickMs = undefined
    this.scheduler = scheduler === 'none' ? undefined : schedulers[scheduler]?.(this.servers, options)
  }
}

/** 32-bit words, most significant first, or undefined for what is no address. */
export function addressWords(text: string): AddressWords | undefined {
  const number = addressNumber(text)
  if (number === undefined) return undefined
  const words = text.includes(':') ? 4 : 1
  return Array.from({ length: words }, (_, at) => Number((number >> BigInt(32 * (words - 1 - at))) & 0xffff_ffffn))
}
