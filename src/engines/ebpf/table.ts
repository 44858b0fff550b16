/**
 * The installed services and their servers as the program sees them: changes are worked out aside, given their places,
 * and then published service by service, each at once.
 */
import { InfraError } from '../../errors.ts'
import { ftpPort } from '../../lvs/persistence.ts'
import { destinationTable } from '../../lvs/schedulers/dh.ts'
import { maglevTable } from '../../lvs/schedulers/maglev.ts'
import { sourceTable } from '../../lvs/schedulers/sh.ts'
import { realServerKey, serviceKey } from '../../lvs/service.ts'
import type { Sysctls } from '../../lvs/settings.ts'
import type { TableChange } from '../engine.ts'
import { addressWords } from '../records.ts'
import { clearTotal, type Kept, plus, readTotal } from './counts.ts'
import { Destinations, remembersDestinations } from './destinations.ts'
import { Draft, type ServerRecord, type ServiceRecord } from './draft.ts'
import { decodeService, encodeService, encodeServiceKey, type PacketServiceId, packetFamily } from './encode.ts'
import { lookups, mostServers, noServer } from './layout.ts'
import { LeavingServers } from './leaving.ts'
import type { Maps } from './maps.ts'
import type { Pace } from './pace.ts'
import { type Region, Regions } from './regions.ts'
import { ServerSlots } from './servers.ts'

/** How long work goes on at a time while it can still be given up, and once it is being published. */
export type ApplyPace = { readonly drafting: Pace; readonly publishing: Pace }

export class EbpfTable {
  readonly services = new Map<string, ServiceRecord>()
  readonly servers: ServerSlots
  readonly destinations: Destinations
  readonly #maps: Maps
  readonly #kept: Kept
  readonly #regions: Regions
  readonly #leaving = new LeavingServers()
  readonly #freeServices: number[] = []
  #nextService = 0
  #nextOrder = 0

  constructor(maps: Maps, kept: Kept) {
    this.#maps = maps
    this.#kept = kept
    this.servers = new ServerSlots(maps.servers)
    this.destinations = new Destinations(maps)
    this.#regions = new Regions(maps.slots.entries)
    this.#takeUp()
  }

  /**
   * Makes all changes or none, and rests on the way when they are many; `tick` is not to be called meanwhile, nor this a
   * second time. @throws InfraError `not-found` for a server of a service that is not there, `no-space`; what `rest` throws:
   * before anything is published nothing is changed then.
   */
  async apply(changes: readonly TableChange[], { drafting, publishing }: ApplyPace): Promise<void> {
    const draft = new Draft({
      standing: this.services,
      revivable: (service, server) => this.#leaving.get(service, server)?.record,
      turnOf: (record) => this.#turnOf(record),
    })
    for (const change of changes) {
      draft.make(change)
      if (drafting.isDue) await drafting.rest()
    }
    const places = await this.#reserve(draft, drafting)
    await this.#publish(draft, places, publishing)
  }

  /** Lets go of what is not used any more. Call a few times a second. */
  tick(): void {
    this.#regions.settle()
    const isUsed = (slot: number): boolean => this.servers.connections(slot) + this.servers.persistent(slot) > 0
    for (const { record, serviceKey: key, serviceSlot } of this.#leaving.tick(isUsed)) {
      const retired = this.#kept.retired(serviceSlot)
      if (this.#hasService(key, serviceSlot)) retired.set(plus(retired.get(), readTotal(this.#maps, record.slot)))
      this.#kept.serverBaseline(record.slot).clear()
      clearTotal(this.#maps, record.slot)
      this.servers.free(record.slot)
    }
  }

  /** Once a minute: lblc and lblcr forget as the kernel does, and what is with none of their destinations may go. */
  async forget(sysctls: Sysctls, signal: AbortSignal): Promise<void> {
    const begunMs = performance.now()
    const used = await this.destinations.pass([...this.services.values()], { sysctls, signal })
    this.#leaving.remembered(used, begunMs)
  }

  /** Removed servers of a service that still count for it. */
  leavingOf({ id, slot }: ServiceRecord): Iterable<ServerRecord> {
    return this.#leaving.of(serviceKey(id), slot)
  }

  /** What kinds of services there are beside those of one address and port, as the program's flags. */
  get lookups(): number {
    let flags = 0
    for (const { id } of this.services.values()) {
      if (id.kind === 'fwmark') flags |= lookups.mark
      else if (id.port === 0) flags |= lookups.anyPort
      else if (id.port === ftpPort && id.protocol === 'tcp') flags |= lookups.ftp
    }
    return flags
  }

  /** Firewall marks of services, by the service's slot. */
  marks(): ReadonlyMap<number, number> {
    const found = new Map<number, number>()
    for (const { id, slot } of this.services.values()) if (id.kind === 'fwmark') found.set(slot, id.mark)
    return found
  }

  leavingSlots(): ReadonlySet<number> {
    return this.#leaving.slots()
  }

  #hasService(key: string, slot: number): boolean {
    return this.services.get(key)?.slot === slot
  }

  /** Slots and regions for all that is new. What was taken is given back when there is not enough. */
  async #reserve(draft: Draft, pace: Pace): Promise<ReadonlyMap<ServiceRecord, readonly [Region, Region]>> {
    const regions = new Map<ServiceRecord, readonly [Region, Region]>()
    const taken: Region[] = []
    const slots = draft.newServers().length
    if (slots > this.servers.room)
      throw new InfraError('no-space', 'the engine holds no more real servers', { subject: 'engine' })
    for (const { id, servers } of draft.published())
      if (servers.length > mostServers)
        throw new InfraError('no-space', `a service has at most ${mostServers} real servers here`, {
          subject: serviceKey(id),
        })
    if (draft.addedServices() > this.#maps.services.info.maxEntries - this.services.size)
      throw new InfraError('no-space', 'the engine holds no more services', { subject: 'engine' })
    try {
      for (const record of draft.published()) {
        const pair = [record.servers.length, tableSize(record)].map((length) => this.#regions.take(length))
        taken.push(...pair)
        const [members, table] = pair
        if (members !== undefined && table !== undefined) regions.set(record, [members, table])
        if (pace.isDue) await pace.rest()
      }
    } catch (error) {
      for (const region of taken) this.#regions.rest(region)
      throw error
    }
    return regions
  }

  async #publish(
    draft: Draft,
    places: ReadonlyMap<ServiceRecord, readonly [Region, Region]>,
    pace: Pace,
  ): Promise<void> {
    for (const key of draft.removedServices()) {
      this.#removeService(key)
      if (pace.isDue) await pace.rest()
    }
    for (const record of draft.published()) {
      if (pace.isDue) await pace.rest()
      const key = serviceKey(record.id)
      const before = this.services.get(key)
      if (before === undefined) this.#begin(record)
      for (const server of record.servers) this.#installServer(record, server)
      const [members, table] = places.get(record) ?? []
      if (members === undefined || table === undefined) continue
      this.#writeSlots(
        members,
        record.servers.map(({ slot }) => slot),
      )
      this.#writeSlots(table, hashTable(record))
      record.members = members
      record.table = table
      record.generation += 1
      if (record.locality < 0) record.locality = this.destinations.begin(record)
      this.#maps.services.update(encodeServiceKey(record.id), encodeService(record.service, this.#valueOf(record)))
      this.services.set(key, record)
      for (const region of before === undefined ? [] : [before.members, before.table]) this.#regions.rest(region)
      if (before !== undefined) this.#leaveMissing(key, before, record)
    }
  }

  #valueOf(record: ServiceRecord) {
    const { slot, generation, members, table, turn, order, locality } = record
    return {
      ...turn,
      slot,
      locality,
      generation,
      order,
      members: members.from,
      count: record.servers.length,
      table: table.from,
      tableSize: table.length,
    }
  }

  #begin(record: ServiceRecord): void {
    record.slot = this.#freeServices.pop() ?? this.#nextService++
    record.order = this.#nextOrder++
    this.#maps.turns.bytes.writeBigUInt64LE(0n, record.slot * this.#maps.turns.stride)
    this.#kept.retired(record.slot).clear()
    this.#kept.baseline(record.slot).clear()
  }

  #installServer({ id, slot: service }: ServiceRecord, record: ServerRecord): void {
    const leaving = this.#leaving.get(serviceKey(id), record.key)
    if (record.slot < 0) {
      record.slot = this.servers.take()
    } else if (leaving?.record.slot === record.slot) {
      this.#leaving.delete(leaving)
      // Of a service that has gone and come back its counters begin anew.
      if (leaving.serviceSlot !== service)
        this.#kept.serverBaseline(record.slot).set(readTotal(this.#maps, record.slot))
    }
    if (record.isChanged) this.servers.install(record.slot, service, record.server, record.lastWeight)
    record.isChanged = false
  }

  #removeService(key: string): void {
    const record = this.services.get(key)
    if (record === undefined) return
    this.services.delete(key)
    this.#maps.services.delete(encodeServiceKey(record.id))
    for (const server of record.servers) this.#leave(key, record, server)
    for (const region of [record.members, record.table]) this.#regions.rest(region)
    this.#freeServices.push(record.slot)
  }

  #leaveMissing(key: string, before: ServiceRecord, after: ServiceRecord): void {
    const kept = new Set(after.servers.map(({ slot }) => slot))
    for (const server of before.servers) if (!kept.has(server.slot)) this.#leave(key, before, server)
  }

  #leave(key: string, { slot, service }: ServiceRecord, record: ServerRecord): void {
    this.servers.leave(record.slot)
    this.#leaving.add({ record, serviceKey: key, serviceSlot: slot }, remembersDestinations(service))
  }

  /** Where rr or wrr stands now: what the program has left, or what was published when nobody has picked since. */
  #turnOf({ slot, generation, turn }: ServiceRecord): ServiceRecord['turn'] {
    const { bytes, stride } = this.#maps.turns
    const bar = bytes.readUInt32LE(slot * stride)
    const high = bytes.readUInt32LE(slot * stride + 4)
    if (high >>> 16 !== (generation & 0xffff)) return turn
    return { ...turn, last: (high & 0xffff) - 1, bar }
  }

  #writeSlots({ from, length }: Region, slots: ArrayLike<number>): void {
    const { bytes, stride } = this.#maps.slots
    for (let index = 0; index < length; index++) bytes.writeUInt32LE(slots[index] ?? noServer, (from + index) * stride)
  }

  /** What stands in the maps already. */
  #takeUp(): void {
    const found = [...readServices(this.#maps, this.servers)].sort((a, b) => a.order - b.order)
    const leaving = this.servers.takeUp()
    for (const record of found) {
      this.services.set(serviceKey(record.id), record)
      this.#regions.keep(record.members)
      this.#regions.keep(record.table)
      this.#nextService = Math.max(this.#nextService, record.slot + 1)
      this.#nextOrder = Math.max(this.#nextOrder, record.order + 1)
    }
    this.destinations.takeUp(found)
    const taken = new Map(found.map((record) => [record.slot, record]))
    for (let slot = 0; slot < this.#nextService; slot++) if (!taken.has(slot)) this.#freeServices.push(slot)
    for (const { slot, service } of leaving) {
      const owner = taken.get(service)
      const record = recordOf(slot, this.servers)
      const server = {
        record,
        serviceKey: owner === undefined ? `gone ${slot}` : serviceKey(owner.id),
        serviceSlot: service,
      }
      this.#leaving.add(server, owner !== undefined && remembersDestinations(owner.service))
    }
  }
}

const pageServices = 256

/** The table as the program has it, in no order. */
export function* readServices(maps: Maps, servers: ServerSlots): Iterable<ServiceRecord> {
  let from: Uint8Array | undefined
  for (;;) {
    const page = maps.services.page(from, pageServices)
    const { keyBytes, valueBytes } = maps.services.info
    for (let index = 0; index < page.count; index++) {
      const key = page.keys.subarray(index * keyBytes, (index + 1) * keyBytes)
      yield serviceRecord(maps, servers, key, page.values.subarray(index * valueBytes, (index + 1) * valueBytes))
    }
    if (page.next === undefined) return
    from = page.next
  }
}

function serviceRecord(maps: Maps, servers: ServerSlots, key: Buffer, bytes: Buffer): ServiceRecord {
  const { id, service, value } = decodeService(key, bytes)
  const { bytes: slots, stride } = maps.slots
  const { slot, generation, members, count, table, tableSize, last, bar, highest, step, order, locality } = value
  return {
    id,
    service,
    slot,
    order,
    generation,
    locality,
    turn: { last, bar, highest, step },
    members: { from: members, length: count },
    table: { from: table, length: tableSize },
    servers: Array.from({ length: count }, (_, index) =>
      recordOf(slots.readUInt32LE((members + index) * stride), servers),
    ),
  }
}

function recordOf(slot: number, servers: ServerSlots): ServerRecord {
  const { server, lastWeight } = servers.read(slot)
  const { address, port, weight } = server
  return {
    slot,
    key: realServerKey(server),
    server,
    weight,
    lastWeight,
    address: addressWords(address) ?? [0],
    port,
    isChanged: false,
  }
}

function wordsOf(id: PacketServiceId): number {
  return packetFamily(id) === 'ipv6' ? 4 : 1
}

/** For each slot of the hash the place of its server in the list, or a negative number. */
function hashPlaces({ service, servers, id }: ServiceRecord): Int32Array {
  if (service.scheduler === 'sh') return sourceTable(servers)
  if (service.scheduler === 'dh') return destinationTable(servers)
  return service.scheduler === 'mh' ? maglevTable(servers, wordsOf(id)) : new Int32Array(0)
}

function tableSize(record: ServiceRecord): number {
  const places = record.servers.length === 0 ? new Int32Array(0) : hashPlaces(record)
  record.places = places
  return places.length
}

function hashTable({ places = new Int32Array(0), servers }: ServiceRecord): number[] {
  return Array.from(places, (place) => servers[place]?.slot ?? noServer)
}
