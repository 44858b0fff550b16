/** From the changes made in an engine to what the log says of them. Pure. */
import { changedService, type ServiceSnapshot, type TableChange } from '../engines/engine.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import type { DirectorEvent } from './events.ts'
import type { Table } from './table.ts'

export function changeEvents(
  changes: readonly TableChange[],
  before: readonly ServiceSnapshot[],
  wanted: Table,
): DirectorEvent[] {
  const weights = new Map(
    before.flatMap(({ service, servers }) =>
      servers.map(({ server }) => [`${serviceKey(service.id)} ${realServerKey(server)}`, server.weight] as const),
    ),
  )
  return changes.map((change): DirectorEvent => {
    const key = serviceKey(changedService(change))
    const service = wanted.get(key)?.name ?? key
    switch (change.kind) {
      case 'service.add':
        return { kind: 'service.added', service }
      case 'service.update':
        return { kind: 'service.changed', service }
      case 'service.remove':
        return { kind: 'service.removed', service }
      case 'server.add':
      case 'server.update':
      case 'server.remove': {
        const server = realServerKey(change.server)
        const reason = wanted.get(key)?.reasons.get(server) ?? 'not wanted any more'
        const to = change.kind === 'server.remove' ? undefined : change.server.weight
        return { kind: said[change.kind], service, server, from: weights.get(`${key} ${server}`), to, reason }
      }
    }
  })
}

const said = {
  'server.add': 'server.added',
  'server.update': 'server.changed',
  'server.remove': 'server.removed',
} as const
