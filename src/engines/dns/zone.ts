/** A DNS-based service as the responder holds it: its name is the top of a zone, its servers stand in it by label. */
import { isAnyAddress } from '../../lvs/address.ts'
import type { Flow } from '../../lvs/schedulers/scheduler.ts'
import { familyOf, type RealServer, realServerKey, type Service, type ServiceId } from '../../lvs/service.ts'
import { noCounters, type ServerSnapshot, type ServiceSnapshot } from '../engine.ts'
import { Estimator } from '../estimator.ts'
import { encodeRecord, type ResponseRecord } from './codec.ts'
import { DnsServer, type MutableCounters, partAt, zeroCounters } from './server.ts'
import { type Choice, type ListKeeper, type TooMany, View } from './view.ts'

export type DnsServiceId = Extract<ServiceId, { readonly kind: 'dns' }>

/** What an answer may be kept for when the service does not say. */
const defaultTtlSeconds = 5

/** The responder itself, below the service's name. */
export const nameServerLabel = 'ns'

/** A pointer to the question's name. */
const ownerBytes = 2

export type AddressKind = 'A' | 'AAAA'
export type ServiceEntry = { readonly service: ResponseRecord; readonly address: ResponseRecord }

export class Zone {
  readonly id: DnsServiceId
  service: Service
  /** Grows with every change, as a serial must. */
  serial = 1
  counters = zeroCounters()
  readonly #addresses: Readonly<Record<AddressKind, View<ResponseRecord>>>
  readonly #services: View<ServiceEntry>
  readonly #byKey = new Map<string, DnsServer>()
  #labels: ReadonlyMap<string, DnsServer> | undefined
  readonly #estimators = new Map<MutableCounters, Estimator>()
  #soa: Buffer | undefined
  #part: number | undefined

  constructor(id: DnsServiceId, service: Service) {
    this.id = id
    this.service = service
    const addresses = (): View<ResponseRecord> =>
      new View<ResponseRecord>({
        key: ({ server }) => server.address,
        entry: (server) => ({ owner: 'question', bytes: server.addressRecord(this.ttlSeconds) }),
        size: ({ bytes }) => ownerBytes + bytes.length,
      })
    this.#addresses = { A: addresses(), AAAA: addresses() }
    this.#services = new View<ServiceEntry>({
      key: ({ key }) => key,
      entry: (server) => ({
        service: { owner: 'question', bytes: server.serviceRecord(this.ttlSeconds, id.name) },
        address: { owner: { label: server.label }, bytes: server.addressRecord(this.ttlSeconds) },
      }),
      size: ({ service: { bytes } }) => ownerBytes + bytes.length,
    })
  }

  get ttlSeconds(): number {
    return this.service.ttlSeconds ?? defaultTtlSeconds
  }

  update(service: Service): void {
    const before = this.service
    const ttlBefore = this.ttlSeconds
    this.service = service
    const isSameScheduler =
      before.scheduler === service.scheduler && before.schedulerFlags.join() === service.schedulerFlags.join()
    if (!isSameScheduler) for (const view of this.#views()) view.reschedule()
    if (ttlBefore !== this.ttlSeconds) this.#beginAnew()
    this.#changed()
  }

  putServer(server: RealServer): void {
    const key = realServerKey(server)
    const present = this.#byKey.get(key)
    if (present === undefined) {
      const added = new DnsServer(server)
      this.#byKey.set(key, added)
      for (const view of this.#viewsOf(added)) view.add(added)
    } else {
      const isSame = present.weight === server.weight
      present.edit(server)
      if (isSame) return
      for (const view of this.#viewsOf(present)) view.edited(present)
    }
    this.#changed()
  }

  removeServer(key: string): void {
    const server = this.#byKey.get(key)
    if (server === undefined) return
    this.#byKey.delete(key)
    for (const view of this.#viewsOf(server)) view.remove(server)
    server.forgetAll()
    this.#estimators.delete(server.counters)
    this.#changed()
  }

  /** Whether anybody can be named at all. */
  get isServed(): boolean {
    return this.service.scheduler !== 'none' && this.#usableLabels().size > 0
  }

  /** `room`: how many bytes the answers may take. */
  chooseAddresses(kind: AddressKind, flow: Flow, room: number): Choice<ResponseRecord> | TooMany {
    return this.#choose(this.#addresses[kind], flow, room)
  }

  chooseServices(flow: Flow, room: number): Choice<ServiceEntry> | TooMany {
    return this.#choose(this.#services, flow, room)
  }

  /** The address of the usable server with that label. */
  addressOf(label: string): { readonly kind: AddressKind; readonly record: ResponseRecord } | undefined {
    const server = this.#usableLabels().get(label)
    if (server !== undefined)
      return { kind: server.type, record: { owner: 'question', bytes: server.addressRecord(this.ttlSeconds) } }
    if (label !== nameServerLabel || isAnyAddress(this.id.address)) return undefined
    const kind = familyOf(this.id.address) === 'ipv4' ? 'A' : 'AAAA'
    const bytes = encodeRecord({ type: kind, ttl: this.ttlSeconds, data: this.id.address })
    return { kind, record: { owner: 'question', bytes } }
  }

  /** Start of authority (RFC 2308 §5: how long "no" may be kept is its last number, and its own TTL). */
  get soa(): ResponseRecord {
    const { name } = this.id
    this.#soa ??= encodeRecord({
      type: 'SOA',
      ttl: this.ttlSeconds,
      data: {
        mname: `${nameServerLabel}.${name}`,
        rname: `hostmaster.${name}`,
        serial: this.serial,
        refresh: 3600,
        retry: 600,
        expire: 86_400,
        minimum: this.ttlSeconds,
      },
    })
    return { owner: 'zone', bytes: this.#soa }
  }

  get nameServer(): ResponseRecord {
    const data = `${nameServerLabel}.${this.id.name}`
    return { owner: 'zone', bytes: encodeRecord({ type: 'NS', ttl: this.ttlSeconds, data }) }
  }

  /** One question and its answer. `picked` is whom the answer named first. */
  count(picked: DnsServer | undefined, bytesIn: number, bytesOut: number): void {
    for (const counters of picked === undefined ? [this.counters] : [this.counters, picked.counters]) {
      if (picked !== undefined) counters.connections += 1
      counters.packetsIn += 1
      counters.bytesIn += bytesIn
      counters.packetsOut += 1
      counters.bytesOut += bytesOut
      if (!this.#estimators.has(counters)) this.#estimators.set(counters, new Estimator())
    }
  }

  /** Moves the rates on: to be called every 2 s. */
  estimate(): void {
    for (const [counters, estimator] of this.#estimators) estimator.step(counters)
  }

  zero(): void {
    this.#estimators.clear()
    this.counters = zeroCounters()
    for (const server of this.#services.servers) server.counters = zeroCounters()
  }

  read(nowMs: number): ServiceSnapshot {
    this.#forget(nowMs)
    const rates = (counters: MutableCounters) => this.#estimators.get(counters)?.rates ?? noCounters
    const servers = this.#services.servers.map(
      ({ server, active, inactive, counters }): ServerSnapshot => ({
        server,
        active,
        inactive,
        persistent: 0,
        counters: { ...counters },
        rates: rates(counters),
      }),
    )
    return { service: this.service, servers, counters: { ...this.counters }, rates: rates(this.counters) }
  }

  #choose<Entry>(view: View<Entry>, flow: Flow, room: number): Choice<Entry> | TooMany {
    this.#forget(flow.atMs)
    const choice = view.choose(this.service, flow, room)
    if (choice.kind === 'chosen' && choice.picked !== undefined && this.#part !== undefined) {
      choice.picked.named(this.#part)
      this.#tellCounted(choice.picked)
    }
    return choice
  }

  /** Answers older than the TTL count no longer: who asked has to ask again. */
  #forget(nowMs: number): void {
    const part = partAt(nowMs, this.ttlSeconds)
    const before = this.#part
    this.#part = part
    if (part === undefined || before === undefined || part <= before) return
    for (const server of this.#services.servers) {
      if (server.active === 0) continue
      server.forget(part, part - before)
      this.#tellCounted(server)
    }
  }

  /** With another TTL the parts of time are others, too. */
  #beginAnew(): void {
    this.#part = undefined
    for (const server of this.#services.servers) {
      server.forgetAll()
      this.#tellCounted(server)
    }
  }

  #tellCounted(server: DnsServer): void {
    this.#services.counted(server)
    this.#addresses[server.type].counted(server)
  }

  #viewsOf({ type }: DnsServer): readonly ListKeeper[] {
    return [this.#services, this.#addresses[type]]
  }

  #views(): readonly ListKeeper[] {
    return [this.#services, this.#addresses.A, this.#addresses.AAAA]
  }

  #usableLabels(): ReadonlyMap<string, DnsServer> {
    if (this.#labels !== undefined) return this.#labels
    const usable = this.#services.servers.filter(({ weight }) => weight > 0)
    this.#labels = new Map(usable.map((server) => [server.label, server]))
    return this.#labels
  }

  #changed(): void {
    this.serial += 1
    this.#labels = undefined
    this.#soa = undefined
    for (const view of this.#views()) view.changed()
  }
}
