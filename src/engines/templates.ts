/**
 * Persistence: where a client's network, or a SIP call of it, was sent before, it is sent again, whatever the scheduler would
 * say. Held by the thread that schedules; the rules and times are those of the kernel's connection templates.
 */
import { postponedSeconds, templateKey, templateServerPort } from '../lvs/persistence.ts'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import type { AddressWords, Flow } from '../lvs/schedulers/scheduler.ts'
import type { Persistence } from '../lvs/service.ts'
import { sockaddrBytes, sockaddrText, writeSockaddr } from '../os/socket-address.ts'
import type { Connection } from './engine.ts'
import { addressWords, type ServerRecord, type ServiceRecord } from './records.ts'
import type { Table } from './table.ts'
import type { TemplateUse } from './template-use.ts'

const postponedMs = postponedSeconds * 1000
/** Looked at in one sweep, at least; all are within eight sweeps. */
const sweptAtLeast = 256
const sweepShare = 8

type Template = {
  readonly key: string
  readonly slot: number
  readonly service: ServiceRecord
  readonly network: readonly number[]
  readonly callId: string | undefined
  readonly server: ServerRecord
  timeoutMs: number
  expiresMs: number
  /** What other directors know of it. */
  told?: { readonly isAssured: boolean; readonly expiresMs: number }
}

export type TemplateOptions = {
  readonly limit: number
  /** The sysctl: a template does not lead to a server of weight 0. */
  readonly expiresQuiescent: () => boolean
}

export class Templates {
  /** Of the connection placed last: its template's slot, held once for it; 0: it has none. */
  slot = 0
  /** Least recently used first. */
  readonly #byKey = new Map<string, Template>()
  readonly #bySlot: (Template | undefined)[] = []
  readonly #free: number[] = []
  /** Slots of templates that went away before their connections did. */
  readonly #busy: number[] = []
  #nextSlot = 1
  #sweeping = this.#byKey.values()
  readonly #masks = new WeakMap<Persistence, readonly number[]>()
  readonly #use: TemplateUse
  readonly #table: Table
  readonly #options: TemplateOptions

  constructor(use: TemplateUse, table: Table, options: TemplateOptions) {
    this.#use = use
    this.#table = table
    this.#options = options
  }

  /**
   * The server for a new connection, counted on it: by its client's template while that holds, else by the scheduler,
   * and then remembered. A template leads to servers that are over their threshold or of weight 0, too, but never to one
   * among `tried`: it gives way. `callId`: of a datagram for a service with the persistence engine sip, which places
   * nothing that has none.
   */
  place(service: ServiceRecord, flow: Flow, tried: readonly ServerRecord[], callId?: string): ServerRecord | undefined {
    this.slot = 0
    const { persistence } = service.service
    if (persistence === undefined) return this.#table.place(service, flow, tried)
    if (persistence.engine !== undefined && callId === undefined) return undefined
    const network = this.#network(persistence, flow.source)
    const key = `${service.slot} ${network.join()} ${callId ?? ''}`
    const found = this.#valid(key, service, tried, flow.atMs)
    if (found !== undefined) {
      this.#table.count(service, found.server)
      found.expiresMs = flow.atMs + found.timeoutMs
      this.#byKey.delete(key)
      this.#byKey.set(key, found)
      this.#hold(found)
      return found.server
    }
    const server = this.#table.place(service, flow, tried)
    if (server !== undefined) this.#remember({ key, service, network, callId, server }, flow.atMs)
    return server
  }

  /** Forgets what is over, a part of all each time. Call a few times a second. */
  sweep(nowMs: number): void {
    for (let at = this.#busy.length - 1; at >= 0; at--) {
      const slot = this.#busy[at] ?? 0
      if (this.#use.connections(slot) > 0) continue
      // The last takes its place.
      const last = this.#busy.pop()
      if (last !== undefined && last !== slot) this.#busy[at] = last
      this.#free.push(slot)
    }
    for (let left = Math.max(sweptAtLeast, this.#byKey.size / sweepShare); left > 0; left--) {
      const { value, done } = this.#sweeping.next()
      if (done === true) {
        this.#sweeping = this.#byKey.values()
        return
      }
      if (value.service.isRemoved || this.#isOver(value, nowMs)) this.#forget(value)
    }
  }

  /** From the template at `from` on, at most so many; `next` is undefined after the last. */
  list(
    from: number,
    count: number,
    nowMs: number,
  ): { readonly connections: Connection[]; readonly next: number | undefined } {
    const connections: Connection[] = []
    for (let slot = from; slot < this.#nextSlot; slot++) {
      const template = this.#bySlot[slot]
      if (template === undefined) continue
      if (connections.length === count) return { connections, next: slot }
      const connection = this.#describe(template, nowMs)
      if (connection !== undefined) connections.push(connection)
    }
    return { connections, next: undefined }
  }

  /** Those among so many slots from `from` on that other directors are to be told of anew; they know them from then on. */
  changed(
    from: number,
    count: number,
    nowMs: number,
  ): { readonly connections: Connection[]; readonly next: number | undefined } {
    const connections: Connection[] = []
    const end = Math.min(from + count, this.#nextSlot)
    for (let slot = from; slot < end; slot++) {
      const template = this.#bySlot[slot]
      if (template === undefined || !this.#isUntold(template, nowMs)) continue
      const connection = this.#describe(template, nowMs)
      template.told = { isAssured: this.#use.isAssured(slot), expiresMs: template.expiresMs }
      if (connection !== undefined) connections.push(connection)
    }
    return { connections, next: end < this.#nextSlot ? end : undefined }
  }

  /** Of another director: for a client's network its server here, with its own time. One that stands keeps its server. */
  take(service: ServiceRecord, server: ServerRecord, ported: PortableConnection, nowMs: number): 'taken' | 'updated' {
    const network = Array.from(addressWords(ported.client.address) ?? [])
    const callId = ported.persistenceData?.data
    const key = `${service.slot} ${network.join()} ${callId ?? ''}`
    const standing = this.#valid(key, service, [], nowMs)
    if (standing === undefined) {
      this.#remember({ key, service, network, callId, server }, nowMs)
      // Held for no connection.
      this.#use.release(this.slot)
      this.slot = 0
    }
    const template = standing ?? this.#byKey.get(key)
    if (template !== undefined) {
      template.timeoutMs = ported.timeoutSeconds * 1000
      template.expiresMs = nowMs + template.timeoutMs
      if (ported.state === 'ASSURED') this.#use.assure(template.slot)
    }
    return standing === undefined ? 'taken' : 'updated'
  }

  /** Another director does not know it, or it stands longer than that one knows, which would not wait for long. */
  #isUntold({ told, slot, expiresMs, timeoutMs }: Template, nowMs: number): boolean {
    if (told === undefined || told.isAssured !== this.#use.isAssured(slot)) return true
    return expiresMs > told.expiresMs && told.expiresMs - nowMs < timeoutMs / 2
  }

  #describe({ service, network, callId, server, slot, expiresMs }: Template, nowMs: number): Connection | undefined {
    const { id } = service.service
    if (id.kind !== 'address') return undefined
    const key = templateKey(service.service, id.protocol, wordsText(network), id)
    const connection: Connection = {
      protocol: key.protocol,
      client: { address: key.client, port: 0 },
      service: key.service,
      server: { address: server.server.address, port: templateServerPort(service.service, id.port, server) },
      state: this.#use.isAssured(slot) ? 'ASSURED' : 'NONE',
      expiresSeconds: Math.max(0, Math.round((expiresMs - nowMs) / 1000)),
    }
    return callId === undefined ? connection : { ...connection, persistenceData: { engine: 'sip', data: callId } }
  }

  #network(persistence: Persistence, source: AddressWords): readonly number[] {
    let mask = this.#masks.get(persistence)
    if (mask === undefined) {
      mask = maskWords(persistence.mask)
      this.#masks.set(persistence, mask)
    }
    return mask.map((word, at) => ((source[at] ?? 0) & word) >>> 0)
  }

  #valid(key: string, service: ServiceRecord, tried: readonly ServerRecord[], nowMs: number): Template | undefined {
    const template = this.#byKey.get(key)
    if (template === undefined) return undefined
    const { server } = template
    const isQuiescent = server.weight === 0 && this.#options.expiresQuiescent()
    const holds = template.service === service && !server.isRemoved && !tried.includes(server) && !isQuiescent
    if (holds && !this.#isOver(template, nowMs)) return template
    this.#forget(template)
    return undefined
  }

  /** While connections stand under it, its end is put off, a minute each time. */
  #isOver(template: Template, nowMs: number): boolean {
    if (nowMs < template.expiresMs) return false
    if (this.#use.connections(template.slot) === 0) return true
    template.timeoutMs = postponedMs
    template.expiresMs = nowMs + postponedMs
    return false
  }

  #remember(parts: Pick<Template, 'key' | 'service' | 'network' | 'callId' | 'server'>, nowMs: number): void {
    if (this.#byKey.size >= this.#options.limit) {
      const [oldest] = this.#byKey.values()
      if (oldest !== undefined) this.#forget(oldest)
    }
    const slot = this.#free.pop() ?? (this.#nextSlot < this.#use.slots ? this.#nextSlot++ : undefined)
    // All slots are kept by connections of templates that gave way: this client goes unremembered.
    if (slot === undefined) return
    this.#use.clear(slot)
    const timeoutMs = (parts.service.service.persistence?.timeoutSeconds ?? 0) * 1000
    const template: Template = { ...parts, slot, timeoutMs, expiresMs: nowMs + timeoutMs }
    this.#byKey.set(template.key, template)
    this.#bySlot[slot] = template
    template.server.persistent += 1
    this.#hold(template)
  }

  #hold({ slot }: Template): void {
    this.slot = slot
    this.#use.hold(slot)
  }

  #forget(template: Template): void {
    const { key, slot, server } = template
    this.#byKey.delete(key)
    this.#bySlot[slot] = undefined
    server.persistent -= 1
    if (this.#use.connections(slot) > 0) this.#busy.push(slot)
    else this.#free.push(slot)
  }
}

/** A dotted mask, or an IPv6 prefix length. */
function maskWords(mask: string): readonly number[] {
  if (mask.includes('.')) return Array.from(addressWords(mask) ?? [0])
  const prefix = Number(mask)
  return [0, 32, 64, 96].map((start) => {
    const bits = Math.min(Math.max(prefix - start, 0), 32)
    return bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0
  })
}

function wordsText(words: readonly number[]): string {
  const bytes = new Uint8Array(sockaddrBytes)
  writeSockaddr(bytes, 0, words, 0)
  return sockaddrText(bytes, 0)
}
