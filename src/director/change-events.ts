/** From the changes made in an engine to what the log says of them. Pure. */
import { changedService, type ServiceSnapshot, type TableChange } from '../engines/engine.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import type { DirectorEvent } from './events.ts'
import type { Table, TableEntry } from './table.ts'

export function changeEvents(
  changes: readonly TableChange[],
  before: readonly ServiceSnapshot[],
  wanted: Table,
  /** What had been wanted before. */
  last: ReadonlyMap<string, Pick<TableEntry, 'cluster' | 'name'>>,
): DirectorEvent[] {
  if (changes.length === 0) return []
  const touched = new Set(changes.map((change) => serviceKey(changedService(change))))
  const weights = new Map<string, number>()
  for (const { service, servers } of before) {
    const key = serviceKey(service.id)
    if (touched.has(key))
      for (const { server } of servers) weights.set(`${key} ${realServerKey(server)}`, server.weight)
  }
  return changes.map((change): DirectorEvent => {
    const key = serviceKey(changedService(change))
    const entry = wanted.get(key)
    const named = entry ?? last.get(key)
    const about = { cluster: named?.cluster, service: named?.name ?? key }
    switch (change.kind) {
      case 'service.add':
        return { kind: 'service.added', ...about }
      case 'service.update':
        return { kind: 'service.changed', ...about }
      case 'service.remove':
        return { kind: 'service.removed', ...about }
      case 'server.add':
      case 'server.update':
      case 'server.remove': {
        const server = realServerKey(change.server)
        const reason = entry?.reasons.get(server) ?? 'not wanted any more'
        const to = change.kind === 'server.remove' ? undefined : change.server.weight
        return { kind: said[change.kind], ...about, server, from: weights.get(`${key} ${server}`), to, reason }
      }
    }
  })
}

const said = {
  'server.add': 'server.added',
  'server.update': 'server.changed',
  'server.remove': 'server.removed',
} as const
