/**
 * The way to each server of direct routing and of tunnels: the outer source of tunnels, and where to send packets when
 * the machine does not forward (Linux's IPVS needs no ip_forward for these). Packets ask the kernel's routes themselves
 * otherwise, so that being a few seconds late matters to nobody else.
 */

import { serviceKey } from '../../lvs/service.ts'
import { wayTo } from '../../os/route.ts'
import { changedService, type TableChange } from '../engine.ts'
import type { ServerRecord } from './draft.ts'
import type { EbpfTable } from './table.ts'

/** Asked about in one tick. */
const serversPerTick = 32

export class Ways {
  readonly #table: EbpfTable
  #waiting: ServerRecord[] = []

  constructor(table: EbpfTable) {
    this.#table = table
    this.#waiting = this.#all()
  }

  /** At once, for servers of services that were changed. */
  look(changes: readonly TableChange[]): void {
    for (const key of new Set(changes.map((change) => serviceKey(changedService(change)))))
      for (const server of this.#table.services.get(key)?.servers ?? []) this.#ask(server)
  }

  /** Some of all, in turn. */
  refresh(): void {
    if (this.#waiting.length === 0) this.#waiting = this.#all()
    for (const server of this.#waiting.splice(0, serversPerTick)) this.#ask(server)
  }

  #all(): ServerRecord[] {
    return [...this.#table.services.values()].flatMap(({ servers }) => servers)
  }

  #ask({ slot, server: { address, forwarding } }: ServerRecord): void {
    if (forwarding !== 'tunnel' && forwarding !== 'direct') return
    // Another's meanwhile, of a server that has gone since it was listed.
    if (this.#table.servers.read(slot).server.address !== address) return
    const way = wayTo(address)
    this.#table.servers.setWay(slot, way?.interface ?? 0, way?.source)
  }
}
