/** Changes to the table worked out on copies: what stands stays as it is until all of them are known to be possible. */
import { InfraError } from '../../errors.ts'
import type { AddressWords } from '../../lvs/schedulers/scheduler.ts'
import { type RealServer, realServerKey, type Service, type ServiceId, serviceKey } from '../../lvs/service.ts'
import type { TableChange } from '../engine.ts'
import { addressWords } from '../records.ts'
import type { PacketServiceId } from './encode.ts'
import type { Region } from './regions.ts'
import { firstTurn, type Turn, TurnKeeper } from './turn.ts'

export type ServerRecord = {
  /** Below 0: it has none yet. */
  slot: number
  readonly key: string
  readonly server: RealServer
  readonly weight: number
  readonly lastWeight: number
  readonly address: AddressWords
  readonly port: number
  /** Not as the program has it. */
  isChanged: boolean
}

export type ServiceRecord = {
  readonly id: PacketServiceId
  service: Service
  /** Below 0: it has none yet. */
  slot: number
  order: number
  generation: number
  turn: Turn
  /** Whose destinations are its own, of lblc and lblcr; below 0: it has none yet. */
  locality: number
  members: Region
  table: Region
  /** Newest first. */
  readonly servers: ServerRecord[]
  /** Of hashing schedulers, while it is being published. */
  places?: Int32Array
}

export type Ground = {
  readonly standing: ReadonlyMap<string, ServiceRecord>
  /** A removed server that still has its slot, by its service's key and its own. */
  readonly revivable: (service: string, server: string) => ServerRecord | undefined
  readonly turnOf: (record: ServiceRecord) => Turn
}

type Work = { readonly record: ServiceRecord; keeper: TurnKeeper }
const nothing: Region = { from: 0, length: 0 }

export class Draft {
  readonly #ground: Ground
  readonly #work = new Map<string, Work>()
  /** Of services that stand. */
  readonly #removed = new Set<string>()

  constructor(ground: Ground) {
    this.#ground = ground
  }

  make(change: TableChange): void {
    switch (change.kind) {
      case 'service.add':
      case 'service.update':
        this.#putService(change.service)
        return
      case 'service.remove':
        this.#removeService(serviceKey(change.id))
        return
      case 'server.add':
      case 'server.update':
        this.#putServer(change.id, change.server)
        return
      case 'server.remove':
        this.#removeServer(change.id, realServerKey(change.server))
    }
  }

  /** Services as they are to be. */
  published(): readonly ServiceRecord[] {
    return [...this.#work.values()].map(({ record, keeper }) => Object.assign(record, { turn: keeper.turn }))
  }

  removedServices(): Iterable<string> {
    return this.#removed
  }

  addedServices(): number {
    return [...this.#work.keys()].filter((key) => !this.#ground.standing.has(key)).length
  }

  newServers(): readonly ServerRecord[] {
    return [...this.#work.values()].flatMap(({ record }) => record.servers.filter(({ slot }) => slot < 0))
  }

  #putService(service: Service): void {
    const { id } = service
    if (id.kind !== 'address' && id.kind !== 'fwmark') return
    const key = serviceKey(id)
    const work = this.#find(key)
    if (work === undefined) {
      const record: ServiceRecord = {
        id,
        service,
        slot: -1,
        order: -1,
        generation: 0,
        turn: firstTurn,
        locality: -1,
        members: nothing,
        table: nothing,
        servers: [],
      }
      this.#work.set(key, { record, keeper: new TurnKeeper(service.scheduler, record.servers, undefined) })
      return
    }
    const before = work.record.service
    work.record.service = service
    // The same scheduler goes on; another one remembers nothing.
    if (before.scheduler === service.scheduler) return
    work.keeper = new TurnKeeper(service.scheduler, work.record.servers, undefined)
    work.record.locality = -1
  }

  #removeService(key: string): void {
    this.#work.delete(key)
    if (this.#ground.standing.has(key)) this.#removed.add(key)
  }

  #putServer(id: ServiceId, server: RealServer): void {
    const work = this.#find(serviceKey(id))
    const key = realServerKey(server)
    if (work === undefined)
      throw new InfraError('not-found', `add server ${key}: there is no service ${serviceKey(id)}`, {
        subject: serviceKey(id),
      })
    const { servers } = work.record
    const at = servers.findIndex((own) => own.key === key)
    const present = servers[at]
    if (present === undefined) {
      servers.unshift(this.#added(serviceKey(id), work.record, key, server))
      work.keeper.added()
    } else {
      const lastWeight = server.weight === 0 ? present.lastWeight : server.weight
      servers[at] = { ...present, server, weight: server.weight, lastWeight, isChanged: true }
      work.keeper.edited(at)
    }
  }

  /** One that comes back while its connections stand takes its old slot; so does one that goes and comes in one apply. */
  #added(service: string, { slot: serviceSlot }: ServiceRecord, key: string, server: RealServer): ServerRecord {
    const standing = this.#ground.standing.get(service)
    const isSameService = standing !== undefined && standing.slot === serviceSlot
    const before = isSameService ? standing.servers.find((own) => own.key === key) : undefined
    const slot = before?.slot ?? this.#ground.revivable(service, key)?.slot ?? -1
    const { address, port, weight } = server
    return {
      slot,
      key,
      server,
      weight,
      lastWeight: weight,
      address: addressWords(address) ?? [0],
      port,
      isChanged: true,
    }
  }

  #removeServer(id: ServiceId, key: string): void {
    const work = this.#find(serviceKey(id))
    const at = work?.record.servers.findIndex((own) => own.key === key) ?? -1
    if (work === undefined || at < 0) return
    work.record.servers.splice(at, 1)
    work.keeper.removed(at)
  }

  /** A copy of what stands, or what has been worked out so far. */
  #find(key: string): Work | undefined {
    const work = this.#work.get(key)
    if (work !== undefined) return work
    const standing = this.#removed.has(key) ? undefined : this.#ground.standing.get(key)
    if (standing === undefined) return undefined
    const record: ServiceRecord = { ...standing, servers: standing.servers.map((server) => ({ ...server })) }
    const copy: Work = {
      record,
      keeper: new TurnKeeper(record.service.scheduler, record.servers, this.#ground.turnOf(standing)),
    }
    this.#work.set(key, copy)
    return copy
  }
}
