/** The servers of a service that one kind of question is about, in scheduler order: what is picked comes first. */
import { schedulers } from '../../lvs/schedulers/registry.ts'
import type { Flow, Scheduler } from '../../lvs/schedulers/scheduler.ts'
import type { Service } from '../../lvs/service.ts'
import type { DnsServer } from './server.ts'

/** With every name's worth of question, as many IPv6 addresses fit into the longest answer over UDP (1232 bytes). */
export const mostAnswers = 32

/** Ticks of schedulers that forget. */
const tickMs = 60_000

/** These schedulers send everybody to one server for as long as it can: others in the answer would be used, too. */
const alone: readonly Service['scheduler'][] = ['fo', 'ovf']

export type Choice<Entry> = {
  readonly kind: 'chosen'
  readonly picked: DnsServer | undefined
  /** Begins with what was picked, and goes on in the order of the list. Empty: no server is usable. */
  readonly entries: readonly Entry[]
}

/** They do not fit. Nobody was picked: who asks again over TCP shall not find every other turn taken. */
export type TooMany = { readonly kind: 'too many' }

/** What a view is told of its servers. */
export type ListKeeper = Pick<View<unknown>, 'add' | 'edited' | 'remove' | 'counted' | 'reschedule' | 'changed'>

export class View<Entry> {
  /** Newest first: the scheduler's list. */
  readonly servers: DnsServer[] = []
  readonly #entryOf: (server: DnsServer) => Entry
  /** Servers with the same text share an entry. */
  readonly #keyOf: (server: DnsServer) => string
  readonly #sizeOf: (entry: Entry) => number
  #largest = 0
  #scheduler: Scheduler<DnsServer> | undefined
  #nextTickMs = 0
  #entries: Entry[] | undefined
  readonly #places = new Map<DnsServer, number>()

  constructor(of: {
    readonly key: (server: DnsServer) => string
    readonly entry: (server: DnsServer) => Entry
    /** Bytes that an entry takes in an answer. */
    readonly size: (entry: Entry) => number
  }) {
    this.#keyOf = of.key
    this.#entryOf = of.entry
    this.#sizeOf = of.size
  }

  add(server: DnsServer): void {
    this.servers.unshift(server)
    this.#scheduler?.added()
    this.changed()
  }

  edited(server: DnsServer): void {
    this.#scheduler?.edited(this.servers.indexOf(server))
    this.changed()
  }

  remove(server: DnsServer): void {
    const index = this.servers.indexOf(server)
    if (index < 0) return
    this.servers.splice(index, 1)
    this.#scheduler?.removed(index)
    this.changed()
  }

  counted(server: DnsServer): void {
    this.#scheduler?.counted(server)
  }

  /** The service has another scheduler, or flags. */
  reschedule(): void {
    this.#scheduler = undefined
  }

  /** What answers say of servers is not what it was. */
  changed(): void {
    this.#entries = undefined
  }

  /** `room`: how many bytes the answers may take. */
  choose(service: Service, flow: Flow, room: number): Choice<Entry> | TooMany {
    const entries = this.#usable()
    if (service.scheduler === 'none' || entries.length === 0) return { kind: 'chosen', picked: undefined, entries: [] }
    const isAlone = alone.includes(service.scheduler)
    const most = Math.min(entries.length, mostAnswers)
    if ((isAlone ? 1 : most) * this.#largest > room) return { kind: 'too many' }
    const picked = this.#pick(service, flow)
    // A scheduler that knows nobody for this client (a hash that meets a drained server) does not leave it without answer.
    const first = (picked && this.#places.get(picked)) ?? 0
    const count = isAlone && picked !== undefined ? 1 : most
    const chosen = entries.slice(first, first + count)
    if (chosen.length < count) chosen.push(...entries.slice(0, count - chosen.length))
    return { kind: 'chosen', picked, entries: chosen }
  }

  #pick({ scheduler, schedulerFlags }: Service, flow: Flow): DnsServer | undefined {
    if (scheduler === 'none') return undefined
    if (this.#scheduler === undefined) {
      this.#scheduler = schedulers[scheduler]?.(this.servers, { flags: schedulerFlags, random: Math.random })
      this.#nextTickMs = flow.atMs + tickMs
    }
    if (flow.atMs >= this.#nextTickMs) {
      this.#scheduler?.tick?.(flow.atMs)
      this.#nextTickMs = flow.atMs + tickMs
    }
    return this.#scheduler?.pick(flow)
  }

  #usable(): readonly Entry[] {
    if (this.#entries !== undefined) return this.#entries
    const entries: Entry[] = []
    const known = new Map<string, number>()
    this.#places.clear()
    for (const server of this.servers) {
      if (server.weight <= 0) continue
      const key = this.#keyOf(server)
      const place = known.get(key) ?? entries.push(this.#entryOf(server)) - 1
      known.set(key, place)
      this.#places.set(server, place)
    }
    this.#largest = entries.reduce((largest, entry) => Math.max(largest, this.#sizeOf(entry)), 0)
    this.#entries = entries
    return entries
  }
}
