/** What thread 0 has beyond a pump: the services' listeners, and all that schedules. */
import type { Service } from '../../../lvs/service.ts'
import type { Settings } from '../../../lvs/settings.ts'
import type { Connection, TableChange } from '../../engine.ts'
import { addressWords, type ServiceRecord } from '../../records.ts'
import { Scheduling } from '../../scheduling.ts'
import { Acceptor, type TcpListener } from './acceptor.ts'
import type { Buffers } from './buffers.ts'
import type { Relay } from './relay.ts'
import type { Relays } from './relays.ts'
import type { Thread } from './thread.ts'
import { UdpListener } from './udp.ts'

type Listener = TcpListener | UdpListener

export class Director {
  readonly scheduling: Scheduling
  readonly #thread: Thread
  readonly #buffers: Buffers
  readonly #acceptor: Acceptor
  readonly #listeners = new Map<string, Listener>()
  /** Of removed services, while answers are under way. */
  readonly #retired = new Map<string, UdpListener>()
  /** By ledger slot, for clients that come back from a pump. */
  readonly #bySlot = new Map<number, ServiceRecord>()

  constructor(thread: Thread, buffers: Buffers, relays: Relays) {
    this.#thread = thread
    this.#buffers = buffers
    this.scheduling = new Scheduling(thread.ledger, thread.templates, thread.settings.templates)
    this.#acceptor = new Acceptor(thread, this.scheduling, relays)
  }

  /** All or nothing: what may fail, taking addresses, comes first. @throws InfraError; nothing is changed then. */
  apply(changes: readonly TableChange[], settings: Settings | undefined): void {
    const { added } = this.scheduling.table.check(changes)
    const opened = this.#open(added)
    const stale = this.scheduling.commit(changes, settings)
    for (const [key, listener] of opened) {
      this.#listeners.set(key, listener)
      this.#retired.delete(key)
      if (listener.protocol === 'udp') listener.revive()
    }
    for (const key of stale) this.#publish(key)
    if (this.scheduling.endsOrphans) this.#endOrphans()
  }

  /** A server could not be reached: the next one. */
  placeAgain(relay: Relay): void {
    this.#acceptor.placeAgain(relay, this.#bySlot.get(relay.serviceSlot))
  }

  tick(): void {
    const { nowMs } = this.#thread
    for (const listener of this.#listeners.values()) {
      if (listener.protocol === 'tcp') listener.tick()
      else listener.sweep(this.scheduling.endsOrphans)
    }
    for (const [key, listener] of this.#retired) {
      listener.sweep(this.scheduling.endsOrphans)
      if (listener.isClosed) this.#retired.delete(key)
    }
    this.scheduling.tick(nowMs)
  }

  /** The UDP sessions from number `from` on, at most so many. */
  sessions(from: number, count: number): Connection[] {
    const found: Connection[] = []
    let at = 0
    for (const listener of [...this.#listeners.values(), ...this.#retired.values()]) {
      if (listener.protocol !== 'udp') continue
      for (const session of listener.sessions()) {
        if (at++ < from) continue
        found.push(listener.describe(session))
        if (found.length === count) return found
      }
    }
    return found
  }

  close(): void {
    for (const listener of [...this.#listeners.values(), ...this.#retired.values()]) listener.close()
    this.#listeners.clear()
    this.#retired.clear()
  }

  #open(added: ReadonlyMap<string, Service>): ReadonlyMap<string, Listener> {
    const opened = new Map<string, Listener>()
    try {
      for (const [key, service] of added) opened.set(key, this.#retired.get(key) ?? this.#listen(service))
      return opened
    } catch (error) {
      for (const [key, listener] of opened) if (this.#retired.get(key) !== listener) listener.close()
      throw error
    }
  }

  #listen(service: Service): Listener {
    const isUdp = service.id.kind === 'address' && service.id.protocol === 'udp'
    return isUdp
      ? new UdpListener(this.#thread, this.scheduling, this.#buffers, service)
      : this.#acceptor.listen(service)
  }

  /** Writes where the service and its servers stand into the memory of all threads; or takes leave of it. */
  #publish(key: string): void {
    const record = this.scheduling.table.services.get(key)
    const listener = this.#listeners.get(key)
    if (record === undefined) {
      if (listener !== undefined) this.#dismiss(key, listener)
      return
    }
    if (listener !== undefined) {
      if (listener.record !== undefined && listener.record !== record) this.#bySlot.delete(listener.record.slot)
      listener.record = record
    }
    this.#bySlot.set(record.slot, record)
    const { places } = this.#thread
    const { id, proxyProtocol } = record.service
    if (id.kind !== 'address') return
    places.set(record.slot, addressWords(id.address) ?? [0], id.port, {
      idleSeconds: this.scheduling.idleSeconds(record.service),
      finSeconds: this.scheduling.finSeconds(record.service),
      proxyVersion: proxyProtocol === undefined ? 0 : proxyProtocol === 'v1' ? 1 : 2,
    })
    for (const { slot, address, port } of record.servers) places.set(slot, address, port)
  }

  #dismiss(key: string, listener: Listener): void {
    if (listener.record !== undefined) this.#bySlot.delete(listener.record.slot)
    listener.record = undefined
    this.#listeners.delete(key)
    if (listener.protocol === 'tcp') return listener.close()
    listener.retire()
    this.#retired.set(key, listener)
    listener.sweep(this.scheduling.endsOrphans)
  }

  /** All threads end the connections that lead to removed servers. */
  #endOrphans(): void {
    const { places, threads } = this.#thread
    let areThere = false
    for (const { slot } of this.scheduling.table.leaving()) {
      places.end(slot)
      areThere = true
    }
    if (areThere) threads.sayEndings()
  }
}
