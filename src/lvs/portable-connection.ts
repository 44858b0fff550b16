/** A connection, or a persistence template, as another director can go on with it: what the directors of one service tell each other. */
import type { ConnectionState } from './connection-state.ts'
import { ftpPort } from './persistence.ts'
import { type Endpoint, type Forwarding, familyOf, formatEndpoint, type Protocol, type ServiceId } from './service.ts'
import { serviceCandidates } from './service-lookup.ts'

export type PortableConnection = {
  readonly kind: 'connection' | 'template'
  /** `ip`: a template of a firewall mark, whose number stands in `mark`. */
  readonly protocol: Protocol | 'ip'
  readonly client: Endpoint
  readonly service: Endpoint
  readonly server: Endpoint
  /** Of the service that it came by; 0: none. */
  readonly mark: number
  readonly forwarding: Forwarding
  /** The director has seen no packet of the server's: replies take another way. */
  readonly isInputOnly: boolean
  readonly state: ConnectionState
  readonly timeoutSeconds: number
  readonly persistenceData?: { readonly engine: 'sip'; readonly data: string }
}

/**
 * Which services it may have come by, in the order in which they are looked for (ip_vs_find_dest). A template for all
 * ports may be FTP's, too, which the kernel does not find.
 */
export function* portedServices({ kind, protocol, service, mark }: PortableConnection): Iterable<ServiceId> {
  if (protocol === 'ip') {
    yield { kind: 'fwmark', mark, family: familyOf(service.address) }
    return
  }
  yield* serviceCandidates(protocol, service, mark)
  if (kind === 'template' && service.port === 0)
    yield { kind: 'address', protocol, address: service.address, port: ftpPort }
}

/** The ports that its real server may have in the table, in this order: 0 where packets bring theirs. */
export function portedServerPorts({ mark, forwarding, server }: PortableConnection): readonly [number, number] {
  return mark !== 0 && forwarding !== 'masq' ? [0, server.port] : [server.port, 0]
}

/** By these it is the same connection, or template, on every director. */
export function portableKey({ kind, protocol, client, service, persistenceData }: PortableConnection): string {
  return [kind, protocol, formatEndpoint(client), formatEndpoint(service), persistenceData?.data ?? ''].join(' ')
}
