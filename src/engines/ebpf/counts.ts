/** What was counted: totals of servers from the program's per-CPU map, and what is kept of them beside it. */
import { setImmediate } from 'node:timers/promises'
import { type Counters, noCounters } from '../engine.ts'
import { layouts } from './layout.ts'
import { indexKey, type Maps, type SharedArray } from './maps.ts'

const fields = 5
const { bytes: statisticsBytes } = layouts.statistics
/** Servers per call. */
const pageServers = 512

/** The totals of all servers up to a slot, at one time. */
export class Totals {
  readonly #sums: Float64Array

  constructor(sums: Float64Array) {
    this.#sums = sums
  }

  of(slot: number): Counters {
    const at = slot * fields
    const [connections = 0, packetsIn = 0, packetsOut = 0, bytesIn = 0, bytesOut = 0] = this.#sums.subarray(
      at,
      at + fields,
    )
    return { connections, packetsIn, packetsOut, bytesIn, bytesOut }
  }
}

export async function readTotals(maps: Maps, slots: number): Promise<Totals> {
  const sums = new Float64Array(slots * fields)
  let from: Uint8Array | undefined
  for (let first = 0; first < slots; ) {
    const page = maps.counters.page(from, Math.min(pageServers, maps.counters.info.maxEntries))
    for (let index = 0; index < page.count && first + index < slots; index++)
      for (let cpu = 0; cpu < maps.cpus; cpu++)
        addCounts(page.values, (index * maps.cpus + cpu) * statisticsBytes, sums, (first + index) * fields)
    first += page.count
    if (page.next === undefined || page.count === 0) break
    from = page.next
    await setImmediate()
  }
  return new Totals(sums)
}

export function readTotal(maps: Maps, slot: number): Counters {
  const sums = new Float64Array(fields)
  const values = maps.counters.lookup(indexKey(slot))
  if (values !== undefined) for (let cpu = 0; cpu < maps.cpus; cpu++) addCounts(values, cpu * statisticsBytes, sums, 0)
  return new Totals(sums).of(0)
}

/** For a slot that another server is to have. */
export function clearTotal(maps: Maps, slot: number): void {
  maps.counters.update(indexKey(slot), new Uint8Array(maps.cpus * statisticsBytes))
}

function addCounts(bytes: Buffer, from: number, sums: Float64Array, to: number): void {
  for (let field = 0; field < fields; field++)
    sums[to + field] = (sums[to + field] ?? 0) + count(bytes, from + 8 * field)
}

function count(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}

export function plus(a: Counters, b: Counters): Counters {
  return combined(a, b, 1)
}

export function minus(a: Counters, b: Counters): Counters {
  return combined(a, b, -1)
}

function combined(a: Counters, b: Counters, sign: number): Counters {
  return {
    connections: a.connections + sign * b.connections,
    packetsIn: a.packetsIn + sign * b.packetsIn,
    packetsOut: a.packetsOut + sign * b.packetsOut,
    bytesIn: a.bytesIn + sign * b.bytesIn,
    bytesOut: a.bytesOut + sign * b.bytesOut,
  }
}

/** Beside the program's counts, and as lasting: what servers that are gone have counted, and what stood when zeroed. */
export class Kept {
  readonly #array: SharedArray
  readonly #services: number

  constructor(array: SharedArray, services: number) {
    this.#array = array
    this.#services = services
  }

  retired = (service: number): KeptCounters => this.#entry(service)
  baseline = (service: number): KeptCounters => this.#entry(this.#services + service)
  serverBaseline = (server: number): KeptCounters => this.#entry(2 * this.#services + server)

  #entry(index: number): KeptCounters {
    const { bytes, stride } = this.#array
    const start = index * stride
    return {
      get: () => {
        const sums = new Float64Array(fields)
        addCounts(bytes, start, sums, 0)
        return new Totals(sums).of(0)
      },
      set: (counters) => {
        const { connections, packetsIn, packetsOut, bytesIn, bytesOut } = counters
        for (const [field, value] of [connections, packetsIn, packetsOut, bytesIn, bytesOut].entries())
          bytes.writeBigUInt64LE(BigInt(value), start + 8 * field)
      },
      clear() {
        this.set(noCounters)
      },
    }
  }
}

type KeptCounters = { get(): Counters; set(counters: Counters): void; clear(): void }
