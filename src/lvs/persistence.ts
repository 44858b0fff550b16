/**
 * Persistence: which connections belong to one client, and what a template remembers of it (ip_vs_core.c,
 * ip_vs_sched_persist). An engine keeps the templates; these are their rules.
 */
import { addressNumber, addressText } from './address.ts'
import { type Endpoint, familyOf, type Persistence, type Protocol, type RealServer, type Service } from './service.ts'

export const ftpPort = 21

/** A template that still controls connections when its time is up gets this, and keeps it for later restarts. */
export const postponedSeconds = 60

/** In place of the ports of a template that leads nowhere any more: nobody finds it, and it waits for its end. */
export const invalidPort = 65_535

export type TemplateKey = {
  /** `ip`: of a firewall mark, whatever the protocol. */
  readonly protocol: Protocol | 'ip'
  /** The client's network; its port is always 0. */
  readonly client: string
  /** Of a firewall mark: the mark where an address has its first 32 bits. */
  readonly service: Endpoint
}

/** What a template of this service is for, when a packet from `source` to `destination` asks for it. */
export function templateKey(
  { id, persistence }: Service,
  protocol: Protocol,
  source: string,
  destination: Endpoint,
): TemplateKey {
  const client = persistence === undefined ? source : clientNetwork(source, persistence)
  if (id.kind === 'fwmark')
    return { protocol: 'ip', client, service: { address: markAddress(id.mark, source), port: 0 } }
  const isOnePort = id.kind === 'address' && destination.port === id.port && id.port !== ftpPort
  return { protocol, client, service: { address: destination.address, port: isOnePort ? destination.port : 0 } }
}

/** The port of the real server that a template shows: none where the connections under it differ in theirs. */
export function templateServerPort({ id }: Service, destinationPort: number, server: Pick<RealServer, 'port'>): number {
  return id.kind === 'address' && destinationPort === id.port && id.port !== ftpPort ? server.port : 0
}

/**
 * The port of the real server that a new connection goes to. Without a port of its own it is the packet's; with
 * persistence also where the packet's is not the service's.
 */
export function connectionServerPort(
  service: Service,
  destinationPort: number,
  server: Pick<RealServer, 'port'>,
): number {
  const { id, persistence } = service
  const servicePort = id.kind === 'address' ? id.port : 0
  if (server.port === 0 || (persistence !== undefined && destinationPort !== servicePort)) return destinationPort
  return server.port
}

/** `address` with the mask (IPv4) or prefix length (IPv6) of the service applied; canonical text. */
export function clientNetwork(address: string, { mask }: Pick<Persistence, 'mask'>): string {
  const family = familyOf(address)
  const number = addressNumber(address)
  const bits = maskNumber(mask)
  return number === undefined || bits === undefined ? address : addressText(number & bits, family)
}

/** A dotted mask of any bits, or a prefix length of 0..128. */
function maskNumber(mask: string): bigint | undefined {
  if (mask.includes('.')) return addressNumber(mask)
  const prefix = BigInt(mask)
  return ((1n << prefix) - 1n) << (128n - prefix)
}

function markAddress(mark: number, client: string): string {
  const family = familyOf(client)
  return addressText(family === 'ipv6' ? BigInt(mark) << 96n : BigInt(mark), family)
}
