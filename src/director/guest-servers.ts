/** What a director's status says of one guest: its servers, and the connections that they still have. Pure. */
import type { EngineName } from '../engines/engine.ts'
import type { ServiceId } from '../lvs/service.ts'
import type { ClusterServices, DirectorStatus, GuestCare, ServerStatus } from './control.ts'

type Told = Pick<DirectorStatus, 'engine' | 'services'>

export function serversOfGuest({ services }: Pick<DirectorStatus, 'services'>, guest: string): ServerStatus[] {
  return services.flatMap(({ servers }) => servers.filter((server) => server.guest === guest))
}

/** Of all its servers those that would be cut off. */
export function busyConnections({ engine, services }: Told, guest: string): number {
  let busy = 0
  for (const { service, servers } of services)
    for (const server of servers) if (server.guest === guest) busy += busyOf(engine, service.id, server)
  return busy
}

/**
 * Those of one server. Engines that see packets remember a TCP connection long after both sides have closed it (two minutes in
 * TIME_WAIT): only the active ones are worth waiting for there.
 */
export function busyOf(
  engine: EngineName,
  id: ServiceId,
  { active, inactive }: { readonly active: number; readonly inactive: number },
): number {
  const seesPackets = engine === 'ebpf' || engine === 'ipvs'
  return seesPackets && id.kind === 'address' && id.protocol === 'tcp' ? active : active + inactive
}

/** What the spec of its cluster says of a guest; undefined: nothing. */
export function careOf(clusters: readonly Pick<ClusterServices, 'guests'>[], guest: string): GuestCare | undefined {
  for (const { guests = [] } of clusters) for (const care of guests) if (care.guests.includes(guest)) return care
  return undefined
}
