/** What the userspace engine hands over: persistence templates. Its connections are sockets, which cannot move. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PortableConnection } from '../../lvs/portable-connection.ts'
import type { CallOptions, Connection, Engine, PortingCapabilities, TakenConnections } from '../engine.ts'
import { type ListedTable, listedTable, portableListing } from '../listed.ts'
import { socketsStay } from '../porting.ts'
import type { ThreadLink } from '../thread-link.ts'
import type { Answer, Call, ConnectionCursor, ConnectionPage, TemplatePage } from './plane.ts'

export const templatesOnly: PortingCapabilities = {
  exports: 'templates',
  changes: 'templates',
  imports: 'templates',
  limit: socketsStay,
}

const lookMs = 1000
const takenAtOnce = 1024

type Porting = Pick<Engine, 'exportConnections' | 'changedConnections' | 'takeConnections'>

/** `link`: the thread that schedules; `read`: the engine's table; `ending`: of the engine. */
export function portsTemplates(link: ThreadLink<Call, Answer>, read: Engine['read'], ending: AbortSignal): Porting {
  const tableNow = async (options: CallOptions): Promise<ListedTable> => listedTable(await read(options))
  return {
    async *exportConnections(options) {
      const table = await tableNow(options)
      let from: ConnectionCursor | undefined = { part: 'templates', at: 0 }
      while (from !== undefined) {
        const page = (await link.call({ kind: 'connections', from }, options.signal)) as ConnectionPage
        const batch = portable(page.connections, table)
        if (batch.length > 0) yield batch
        from = page.next
      }
    },
    async *changedConnections(options) {
      const signal = AbortSignal.any([options.signal, ending])
      try {
        while (!signal.aborted) {
          const table = await tableNow({ signal })
          let from: number | undefined = 0
          while (from !== undefined) {
            const page = (await link.call({ kind: 'changed-templates', from }, signal)) as TemplatePage
            const connections = portable(page.connections, table)
            if (connections.length > 0) yield { connections, dropped: 0 }
            from = page.next
          }
          await sleep(lookMs, undefined, { signal })
        }
      } catch (error) {
        // The end of whoever listens, or of the engine, is no failure.
        if (!signal.aborted) throw error
      }
    },
    async takeConnections(connections, { signal }) {
      const templates = connections.filter(({ kind }) => kind === 'template')
      const left = connections.length - templates.length
      const sum = { taken: 0, updated: 0, waiting: 0, refused: left === 0 ? {} : { [socketsStay]: left } }
      for (let from = 0; from < templates.length; from += takenAtOnce) {
        const some = templates.slice(from, from + takenAtOnce)
        const counts = (await link.call({ kind: 'take-templates', connections: some }, signal)) as TakenConnections
        for (const name of ['taken', 'updated', 'waiting'] as const) sum[name] += counts[name]
      }
      return sum
    },
  }
}

function portable(listed: readonly Connection[], table: ListedTable): PortableConnection[] {
  return listed.flatMap((one) => portableListing(one, table) ?? [])
}
