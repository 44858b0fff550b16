/** What stays of a cluster when its daemon ends: the services with cleanstop=no, as they stand, without checks. Pure. */
import type { ClusterServices, TableView, WantedService } from '../../../director/control.ts'
import { serviceKey } from '../../../lvs/service.ts'
import type { Served } from './read.ts'

/** undefined: nothing stays. */
export function frozenServices({ wanted, plan }: Served, table: TableView): ClusterServices | undefined {
  const standing = new Map(table.services.map((snapshot) => [serviceKey(snapshot.service.id), snapshot]))
  const services = wanted.services.flatMap(({ name, service }): WantedService[] => {
    const snapshot = standing.get(serviceKey(service.id))
    const stays = plan.services.get(name)?.isCleaned === false
    if (!stays || snapshot === undefined) return []
    const servers = snapshot.servers.map(({ server }) => server)
    return [{ name, service, servers, checks: [], onFailure: 'drain' }]
  })
  const { cluster, settings } = wanted
  return services.length === 0 ? undefined : { cluster, ...(settings === undefined ? {} : { settings }), services }
}
