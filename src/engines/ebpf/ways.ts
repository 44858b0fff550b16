/**
 * The way to each server: the outer source of tunnels, whether it is on the director itself (then it is `lo`), and where to
 * send packets when the interface that they came in by does not forward (Linux's IPVS needs no ip_forward towards servers). Packets ask the
 * kernel's routes themselves otherwise, so that being a few seconds late matters to nobody else.
 */

import { realServerKey, serviceKey } from '../../lvs/service.ts'
import { wayTo } from '../../os/route.ts'
import type { TableChange } from '../engine.ts'
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

  /** At once, for servers that were changed. */
  look(changes: readonly TableChange[]): void {
    const changed = new Map<string, Set<string>>()
    for (const change of changes) {
      if (change.kind !== 'server.add' && change.kind !== 'server.update') continue
      const keys = changed.get(serviceKey(change.id)) ?? new Set()
      changed.set(serviceKey(change.id), keys.add(realServerKey(change.server)))
    }
    for (const [service, keys] of changed)
      for (const server of this.#table.services.get(service)?.servers ?? []) if (keys.has(server.key)) this.#ask(server)
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
    if (forwarding === 'local') return
    // Another's meanwhile, of a server that has gone since it was listed.
    if (this.#table.servers.read(slot).server.address !== address) return
    const way = wayTo(address)
    this.#table.servers.setWay(slot, way?.interface ?? 0, way?.source)
  }
}
