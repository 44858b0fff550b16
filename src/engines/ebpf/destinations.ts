/**
 * What lblc and lblcr remember of destination addresses, in the program's maps: it adds, this side forgets, a page at a time
 * between other work. Each service has destinations of its own, by the number of its locality.
 */
import { setImmediate } from 'node:timers/promises'
import { bucketOf, Forgetting, type Sweepable } from '../../lvs/schedulers/forgetting.ts'
import type { Service } from '../../lvs/service.ts'
import type { Sysctls } from '../../lvs/settings.ts'
import type { BpfMap } from '../../os/bpf-map.ts'
import {
  type DestinationEntry,
  decodeDestination,
  destinationOf,
  encodeReplicasKey,
  serversOfPiece,
} from './destination-entry.ts'
import type { ServiceRecord } from './draft.ts'
import { layouts } from './layout.ts'
import type { Maps } from './maps.ts'

/** One service's destinations, by the kernel's buckets. */
type Memory = { readonly record: ServiceRecord; readonly buckets: Map<number, DestinationEntry[]>; size: number }

export type PassOptions = { readonly sysctls: Sysctls; readonly signal: AbortSignal }

const pageEntries = 1024
const { at } = layouts.locality

export function remembersDestinations({ scheduler }: Service): boolean {
  return scheduler === 'lblc' || scheduler === 'lblcr'
}

export class Destinations {
  readonly #maps: Maps
  readonly #forgetting = new Map<number, Forgetting>()
  #next = 1

  constructor(maps: Maps) {
    this.#maps = maps
  }

  /** A number for a service that is scheduled anew: nothing is remembered under it. */
  begin({ slot, service }: ServiceRecord): number {
    if (!remembersDestinations(service)) return 0
    const { bytes, stride } = this.#maps.localities
    bytes.writeBigUInt64LE(0n, slot * stride)
    return this.#next++
  }

  /** Goes on with what stands; counts are made right that a killed director has left wrong. */
  takeUp(services: readonly ServiceRecord[]): void {
    const counts = new Map<number, number>()
    for (const page of pages(this.#maps.destinations))
      for (const { key, value } of page) {
        const { locality } = decodeDestination(key, value)
        counts.set(locality, (counts.get(locality) ?? 0) + 1)
      }
    this.#next = Math.max(0, ...counts.keys(), ...services.map(({ locality }) => locality)) + 1
    const { bytes, stride } = this.#maps.localities
    for (const { slot, locality } of services) {
      const added = bytes.readUInt32LE(slot * stride + at.added)
      bytes.writeUInt32LE((added - (counts.get(locality) ?? 0)) >>> 0, slot * stride + at.forgotten)
    }
  }

  /** Forgets what is due, and all of services that are gone. Returns the slots of servers that destinations are with. */
  async pass(services: readonly ServiceRecord[], { sysctls, signal }: PassOptions): Promise<ReadonlySet<number>> {
    const memories = await this.#read(services, signal)
    for (const locality of this.#forgetting.keys()) if (!memories.has(locality)) this.#forgetting.delete(locality)
    for (const [locality, memory] of memories) {
      const forgetting = this.#forgetting.get(locality) ?? new Forgetting()
      this.#forgetting.set(locality, forgetting)
      const { scheduler } = memory.record.service
      const expiration = scheduler === 'lblc' ? sysctls.lblc_expiration : sysctls.lblcr_expiration
      forgetting.tick(this.#sweepable(memory), monotonicMs(), expiration)
      await setImmediate(undefined, { signal })
    }
    return await this.#used(memories, signal)
  }

  /** What stands under services that are gone is taken out at once. */
  async #read(services: readonly ServiceRecord[], signal: AbortSignal): Promise<Map<number, Memory>> {
    const found = new Map<number, Memory>()
    for (const record of services)
      if (remembersDestinations(record.service)) found.set(record.locality, { record, buckets: new Map(), size: 0 })
    for (const page of pages(this.#maps.destinations)) {
      for (const { key, value } of page) {
        const entry = decodeDestination(key, value)
        const memory = found.get(entry.locality)
        if (memory === undefined) this.#drop(entry)
        else put(memory, entry)
      }
      await setImmediate(undefined, { signal })
    }
    return found
  }

  #sweepable(memory: Memory): Sweepable {
    const { buckets, record } = memory
    const { bytes, stride } = this.#maps.localities
    const word = record.slot * stride + at.forgotten
    return {
      size: () => memory.size,
      sweep: (bucket, untilMs) => {
        const staying: DestinationEntry[] = []
        for (const entry of buckets.get(bucket) ?? []) {
          if (!this.#isIdle(entry, untilMs)) {
            staying.push(entry)
            continue
          }
          this.#drop(entry)
          memory.size -= 1
          bytes.writeUInt32LE((bytes.readUInt32LE(word) + 1) >>> 0, word)
        }
        buckets.set(bucket, staying)
      },
    }
  }

  /** Asked anew: it may have been used since it was read. */
  #isIdle({ key, lastUseMs }: DestinationEntry, untilMs: number): boolean {
    if (lastUseMs > untilMs) return false
    const now = this.#maps.destinations.lookup(key)
    return now !== undefined && decodeDestination(key, now).lastUseMs <= untilMs
  }

  #drop({ key }: DestinationEntry): void {
    this.#maps.destinations.delete(key)
    for (let piece = 0; this.#maps.replicas.delete(encodeReplicasKey(key, piece)); ) piece += 1
  }

  /** Of lblc the server of each entry, of lblcr all of its set. */
  async #used(memories: ReadonlyMap<number, Memory>, signal: AbortSignal): Promise<Set<number>> {
    const used = new Set<number>()
    for (const { record, buckets } of memories.values())
      if (record.service.scheduler === 'lblc')
        for (const entries of buckets.values()) for (const { server } of entries) used.add(server)
    for (const page of pages(this.#maps.replicas)) {
      for (const { key, value } of page) {
        const destination = this.#maps.destinations.lookup(destinationOf(key))
        // Put down for one that was forgotten at that moment.
        if (destination === undefined) this.#maps.replicas.delete(key)
        else for (const server of serversOfPiece(key, value, destination)) used.add(server)
      }
      await setImmediate(undefined, { signal })
    }
    return used
  }
}

function put(memory: Memory, entry: DestinationEntry): void {
  const bucket = bucketOf(entry.address)
  const entries = memory.buckets.get(bucket)
  if (entries === undefined) memory.buckets.set(bucket, [entry])
  else entries.push(entry)
  memory.size += 1
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** All entries of a map, a page at a time. */
function* pages(map: BpfMap): Iterable<readonly { readonly key: Buffer; readonly value: Buffer }[]> {
  const { keyBytes, valueBytes } = map.info
  let from: Uint8Array | undefined
  do {
    const { count, keys, values, next } = map.page(from, pageEntries)
    yield Array.from({ length: count }, (_, index) => ({
      key: keys.subarray(index * keyBytes, (index + 1) * keyBytes),
      value: values.subarray(index * valueBytes, (index + 1) * valueBytes),
    }))
    from = next
  } while (from !== undefined)
}
