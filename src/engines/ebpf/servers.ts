/** The real servers in the program's memory, one slot each: taken, described, counted, and given back. */
import { InfraError } from '../../errors.ts'
import type { RealServer } from '../../lvs/service.ts'
import { isOverloaded } from '../../lvs/thresholds.ts'
import { familyAt, putAddress, putServer, serverAt } from './encode.ts'
import { layouts, uses } from './layout.ts'
import type { SharedArray } from './maps.ts'

const { at } = layouts.server

export class ServerSlots {
  readonly #bytes: Buffer
  readonly #stride: number
  readonly #entries: number
  readonly #free: number[] = []
  /** Beyond the last one that was ever taken. */
  used = 0

  constructor({ bytes, stride, entries }: SharedArray) {
    this.#bytes = bytes
    this.#stride = stride
    this.#entries = entries
  }

  get room(): number {
    return this.#free.length + this.#entries - this.used
  }

  take(): number {
    const slot = this.#free.pop() ?? this.used++
    if (slot >= this.#entries)
      throw new InfraError('no-space', 'the engine holds no more real servers', { subject: 'engine' })
    this.#bytes.fill(0, this.#start(slot), this.#start(slot) + this.#stride)
    return slot
  }

  /** Nobody must have a connection there any more. */
  free(slot: number): void {
    this.#bytes.fill(0, this.#start(slot), this.#start(slot) + this.#stride)
    this.#free.push(slot)
  }

  /** Finds out which are taken, of maps that stand already; returns those that are leaving, with their services' slots. */
  takeUp(): { readonly slot: number; readonly service: number }[] {
    const leaving: { slot: number; service: number }[] = []
    for (let slot = this.#entries - 1; slot >= 0; slot--) {
      const use = this.#bytes[this.#start(slot) + at.use]
      if (use !== uses.SERVER_FREE && this.used === 0) this.used = slot + 1
      if (use === uses.SERVER_FREE && slot < this.used) this.#free.push(slot)
      if (use === uses.SERVER_LEAVING)
        leaving.push({ slot, service: this.#bytes.readUInt32LE(this.#start(slot) + at.service) })
    }
    return leaving
  }

  install(slot: number, service: number, server: RealServer, lastWeight: number): void {
    const start = this.#start(slot)
    const limits = {
      upperThreshold: this.#bytes.readUInt32LE(start + at.upper),
      lowerThreshold: this.#bytes.readUInt32LE(start + at.lower),
    }
    const connections = this.connections(slot)
    const before = isOverloaded(this.#bytes.readUInt32LE(start + at.overloaded) !== 0, connections, limits)
    putServer(this.#bytes, start, server, lastWeight)
    this.#bytes.writeUInt32LE(service, start + at.service)
    this.#bytes.writeUInt32LE(isOverloaded(before, connections, server) ? 1 : 0, start + at.overloaded)
    this.#bytes[start + at.use] = uses.SERVER_INSTALLED
  }

  leave(slot: number): void {
    this.#bytes[this.#start(slot) + at.use] = uses.SERVER_LEAVING
  }

  read(slot: number): { readonly server: RealServer; readonly lastWeight: number } {
    return serverAt(this.#bytes, this.#start(slot))
  }

  /** The slot of its service. */
  service(slot: number): number {
    return this.#bytes.readUInt32LE(this.#start(slot) + at.service)
  }

  active(slot: number): number {
    return this.#bytes.readUInt32LE(this.#start(slot) + at.active)
  }

  inactive(slot: number): number {
    return this.#bytes.readUInt32LE(this.#start(slot) + at.inactive)
  }

  /** Persistence templates that lead to it. */
  persistent(slot: number): number {
    return this.#bytes.readUInt32LE(this.#start(slot) + at.persistent)
  }

  connections(slot: number): number {
    return this.active(slot) + this.inactive(slot)
  }

  isOverloaded(slot: number): boolean {
    return this.#bytes.readUInt32LE(this.#start(slot) + at.overloaded) !== 0
  }

  /** The way towards it: the interface, and the source address of tunnels. Nothing: there is none now. */
  setWay(slot: number, interfaceIndex: number, source: string | undefined): void {
    const start = this.#start(slot)
    this.#bytes.writeUInt32LE(interfaceIndex, start + at.interface)
    const any = familyAt(this.#bytes, start + at.family) === 'ipv6' ? '::' : '0.0.0.0'
    putAddress(this.#bytes, start + at.source, source ?? any)
  }

  #start(slot: number): number {
    return slot * this.#stride
  }
}
