/**
 * The counts of real servers, one slot each, in plain memory or in memory shared by a plane's threads.
 * Live counts are atomic; each thread adds to totals of its own, and a reader sums them.
 */
import { InfraError } from '../errors.ts'
import { ChangedSlots, changedSlotsMemory } from './changed-slots.ts'
import type { Counters } from './engine.ts'

const live = { active: 0, inactive: 1, fields: 2 } as const
const total = { connections: 0, packetsIn: 1, packetsOut: 2, bytesIn: 3, bytesOut: 4, failures: 5, fields: 6 } as const

export type LedgerMemory = {
  readonly live: SharedArrayBuffer
  readonly changed: SharedArrayBuffer
  readonly totals: readonly SharedArrayBuffer[]
}

/** Servers and services together that one engine holds. */
export const ledgerSlots = 262_144

/** 8 bytes each, and 48 for each thread; untouched pages cost nothing. */
export function sharedLedgerMemory(threads: number, slots = ledgerSlots): LedgerMemory {
  return {
    live: new SharedArrayBuffer(slots * live.fields * 4),
    changed: changedSlotsMemory(slots),
    totals: Array.from({ length: threads }, () => new SharedArrayBuffer(slots * total.fields * 8)),
  }
}

export type Totals = { -readonly [Name in keyof Counters]: number } & { failures: number }
export const zeroTotals = (): Totals => ({
  connections: 0,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
  failures: 0,
})

export function withoutBaseline(totals: Totals, baseline: Totals | undefined): Totals {
  if (baseline === undefined) return totals
  return {
    connections: totals.connections - baseline.connections,
    packetsIn: totals.packetsIn - baseline.packetsIn,
    packetsOut: totals.packetsOut - baseline.packetsOut,
    bytesIn: totals.bytesIn - baseline.bytesIn,
    bytesOut: totals.bytesOut - baseline.bytesOut,
    failures: totals.failures - baseline.failures,
  }
}

export function addTotals(sum: Totals, totals: Totals): void {
  sum.connections += totals.connections
  sum.packetsIn += totals.packetsIn
  sum.packetsOut += totals.packetsOut
  sum.bytesIn += totals.bytesIn
  sum.bytesOut += totals.bytesOut
  sum.failures += totals.failures
}

export function isNothing({ connections, packetsIn, packetsOut }: Totals): boolean {
  return connections === 0 && packetsIn === 0 && packetsOut === 0
}

export class Ledger {
  readonly #live: Int32Array
  readonly #changed: ChangedSlots
  readonly #totals: readonly Float64Array[]
  readonly #own: Float64Array
  readonly #free: number[] = []
  #next = 0

  /** `thread`: whose totals this ledger adds to. Slots are handed out by one thread only. */
  constructor(memory: LedgerMemory, thread: number) {
    this.#live = new Int32Array(memory.live)
    this.#changed = new ChangedSlots(memory.changed, this.#live.length / live.fields)
    this.#totals = memory.totals.map((buffer) => new Float64Array(buffer))
    this.#own = this.#totals[thread] ?? new Float64Array(0)
  }

  get room(): number {
    return this.#free.length + this.#live.length / live.fields - this.#next
  }

  take(): number {
    const slot = this.#free.pop() ?? this.#next++
    if ((slot + 1) * live.fields > this.#live.length)
      throw new InfraError('no-space', 'the engine holds no more real servers', { subject: 'engine' })
    return slot
  }

  /** Only when no connection counts on it any more. */
  free(slot: number): void {
    this.#live.fill(0, slot * live.fields, (slot + 1) * live.fields)
    for (const totals of this.#totals) totals.fill(0, slot * total.fields, (slot + 1) * total.fields)
    this.#free.push(slot)
  }

  active(slot: number): number {
    return this.#live[slot * live.fields + live.active] ?? 0
  }

  inactive(slot: number): number {
    return this.#live[slot * live.fields + live.inactive] ?? 0
  }

  addActive(slot: number, change: number): void {
    Atomics.add(this.#live, slot * live.fields + live.active, change)
    this.#changed.mark(slot)
  }

  addInactive(slot: number, change: number): void {
    Atomics.add(this.#live, slot * live.fields + live.inactive, change)
    this.#changed.mark(slot)
  }

  /** Calls `visit` for each slot whose live counts any thread has changed since the last time. For one thread only. */
  takeChanged(visit: (slot: number) => void): void {
    this.#changed.take(visit)
  }

  addConnection(slot: number, change: number): void {
    this.#add(slot, total.connections, change)
  }

  addFailure(slot: number): void {
    this.#add(slot, total.failures, 1)
  }

  /** From the client towards the server. */
  addIn(slot: number, bytes: number): void {
    this.#add(slot, total.packetsIn, 1)
    this.#add(slot, total.bytesIn, bytes)
  }

  addOut(slot: number, bytes: number): void {
    this.#add(slot, total.packetsOut, 1)
    this.#add(slot, total.bytesOut, bytes)
  }

  addTotals(slot: number, into: Totals): void {
    const at = slot * total.fields
    for (const totals of this.#totals) {
      into.connections += totals[at + total.connections] ?? 0
      into.packetsIn += totals[at + total.packetsIn] ?? 0
      into.packetsOut += totals[at + total.packetsOut] ?? 0
      into.bytesIn += totals[at + total.bytesIn] ?? 0
      into.bytesOut += totals[at + total.bytesOut] ?? 0
      into.failures += totals[at + total.failures] ?? 0
    }
  }

  #add(slot: number, field: number, change: number): void {
    const at = slot * total.fields + field
    this.#own[at] = (this.#own[at] ?? 0) + change
  }
}
