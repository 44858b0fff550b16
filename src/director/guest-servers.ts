/** What a director's status says of one guest: its servers, and the connections that they still have. Pure. */
import type { ClusterServices, DirectorStatus, GuestCare, ServerStatus } from './control.ts'

type Told = Pick<DirectorStatus, 'engine' | 'services'>

export function serversOfGuest({ services }: Pick<DirectorStatus, 'services'>, guest: string): ServerStatus[] {
  return services.flatMap(({ servers }) => servers.filter((server) => server.guest === guest))
}

/**
 * Those that would be cut off. Engines that see packets remember a TCP connection long after both sides have closed it (two
 * minutes in TIME_WAIT): only the active ones are worth waiting for there.
 */
export function busyConnections({ engine, services }: Told, guest: string): number {
  const seesPackets = engine === 'ebpf' || engine === 'ipvs'
  let busy = 0
  for (const { service, servers } of services) {
    const { id } = service
    const isPast = seesPackets && id.kind === 'address' && id.protocol === 'tcp'
    for (const server of servers)
      if (server.guest === guest) busy += isPast ? server.active : server.active + server.inactive
  }
  return busy
}

/** What the spec of its cluster says of a guest; undefined: nothing. */
export function careOf(clusters: readonly Pick<ClusterServices, 'guests'>[], guest: string): GuestCare | undefined {
  for (const { guests = [] } of clusters) for (const care of guests) if (care.guests.includes(guest)) return care
  return undefined
}
