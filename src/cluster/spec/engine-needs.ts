/** What a spec asks of an engine: the changes that would be made, as far as the file says. Pure. */
import type { EngineChange } from '../../engines/engine.ts'
import { type Family, familyOf, type ServiceId } from '../../lvs/service.ts'
import type { ClusterSpec, ServerSpec, ServiceSpec } from './model.ts'

/** In place of addresses that are not known before a guest runs: for documentation, RFC 5737 and RFC 3849. */
const anyAddress: Readonly<Record<Family, string>> = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' }

export function engineNeeds(spec: ClusterSpec): EngineChange[] {
  const { settings } = spec.directors
  return [
    ...Object.values(spec.services).flatMap((service) => serviceNeeds(spec, service)),
    ...(settings === undefined ? [] : [{ kind: 'settings', settings } as const]),
  ]
}

function serviceNeeds(spec: ClusterSpec, { service, servers, forwarding, fallback }: ServiceSpec): EngineChange[] {
  const { id } = service
  const add = (
    address: string,
    own: Pick<ServerSpec, 'forwarding' | 'tunnel' | 'upperThreshold' | 'lowerThreshold'>,
  ) => {
    const { upperThreshold = 0, lowerThreshold = 0, tunnel } = own
    const server = {
      ...{ address, port: 1, weight: 1, upperThreshold, lowerThreshold },
      forwarding: own.forwarding ?? forwarding,
      ...(tunnel === undefined ? {} : { tunnel }),
    }
    return { kind: 'server.add', id, server } as const
  }
  return [
    { kind: 'service.add', service },
    ...servers.map((server) => add(addressOf(spec, id, server), server)),
    ...(fallback === undefined ? [] : [add(fallback.address, { forwarding: fallback.forwarding ?? 'masq' })]),
  ]
}

/** Guests of user networks are reached through ports of this machine's own. */
function addressOf({ guests }: ClusterSpec, id: ServiceId, server: ServerSpec): string {
  if (server.kind === 'address') return server.endpoint.address
  if (guests[server.guests]?.network.kind === 'user') return '127.0.0.1'
  if (id.kind === 'fwmark') return anyAddress[id.family]
  return anyAddress[id.kind === 'address' ? familyOf(id.address) : 'ipv4']
}
