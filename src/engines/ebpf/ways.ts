/**
 * The way to each server: the outer source of tunnels, whether it is on the director itself (then it is `lo`), and where to
 * send packets when the interface that they came in by does not forward (Linux's IPVS needs no ip_forward towards servers). Packets ask the
 * kernel's routes themselves otherwise, so that being a few seconds late matters to nobody else.
 */

import { realServerKey, serviceKey } from '../../lvs/service.ts'
import { waysTo } from '../../os/route.ts'
import type { TableChange } from '../engine.ts'
import type { ServerRecord } from './draft.ts'
import type { Pace } from './pace.ts'
import type { EbpfTable } from './table.ts'

/** Asked about in one tick, and between two rests. */
const serversAtOnce = 32

export class Ways {
  readonly #table: EbpfTable
  #waiting: ServerRecord[] = []

  constructor(table: EbpfTable) {
    this.#table = table
    this.#waiting = this.#all()
  }

  /** Soon, for servers that were changed. */
  async look(changes: readonly TableChange[], pace: Pace): Promise<void> {
    const changed = new Map<string, Set<string>>()
    for (const change of changes) {
      if (change.kind !== 'server.add' && change.kind !== 'server.update') continue
      const keys = changed.get(serviceKey(change.id)) ?? new Set()
      changed.set(serviceKey(change.id), keys.add(realServerKey(change.server)))
    }
    const servers = Array.from(changed, ([service, keys]) =>
      (this.#table.services.get(service)?.servers ?? []).filter(({ key }) => keys.has(key)),
    ).flat()
    for (let from = 0; from < servers.length; from += serversAtOnce) {
      this.#ask(servers.slice(from, from + serversAtOnce))
      if (pace.isDue) await pace.rest()
    }
  }

  /** Some of all, in turn. */
  refresh(): void {
    if (this.#waiting.length === 0) this.#waiting = this.#all()
    this.#ask(this.#waiting.splice(0, serversAtOnce))
  }

  #all(): ServerRecord[] {
    return [...this.#table.services.values()].flatMap(({ servers }) => servers)
  }

  #ask(servers: readonly ServerRecord[]): void {
    const asked = servers.filter(({ slot, server: { address, forwarding } }) => {
      // Another's meanwhile, of a server that has gone since it was listed.
      const isStanding = this.#table.servers.read(slot).server.address === address
      return forwarding !== 'local' && isStanding
    })
    if (asked.length === 0) return
    const ways = waysTo(asked.map(({ server: { address } }) => address))
    for (const { slot, server } of asked) {
      const way = ways.get(server.address)
      this.#table.servers.setWay(slot, way?.interface ?? 0, way?.source)
    }
  }
}
