/** Addresses, ports and services as ipvsadm 1.31 writes them. */
import { addressNumber } from '../../lvs/address.ts'
import { type Endpoint, familyOf, type Protocol, type Service, type ServiceId } from '../../lvs/service.ts'

/** What an address and a port are called; undefined where they have no name. */
export type Namer = {
  host(address: string): string | undefined
  port(port: number, protocol: Protocol): string | undefined
}

/** As `-n` asks for. */
export const noNames: Namer = { host: () => undefined, port: () => undefined }

/** ipvsadm's buffer for an address and its port. */
const longestEndpoint = 59

/** Cut where a host's name is too long for ipvsadm; `protocol` undefined: the port has no name (firewall marks). */
export function endpointText({ address, port }: Endpoint, protocol: Protocol | undefined, namer: Namer): string {
  return wholeEndpoint({ address, port }, protocol, namer).slice(0, longestEndpoint)
}

/** By number where the name would be cut: it is to be read again. */
export function readableEndpoint(endpoint: Endpoint, protocol: Protocol | undefined, namer: Namer): string {
  const text = wholeEndpoint(endpoint, protocol, namer)
  return text.length > longestEndpoint ? wholeEndpoint(endpoint, protocol, noNames) : text
}

function wholeEndpoint({ address, port }: Endpoint, protocol: Protocol | undefined, namer: Namer): string {
  const host = namer.host(address) ?? printedAddress(address)
  const portName = protocol === undefined ? undefined : namer.port(port, protocol)
  return `${familyOf(address) === 'ipv6' ? `[${host}]` : host}:${portName ?? port}`
}

/** inet_ntop(3), which unlike RFC 5952 writes IPv4-compatible IPv6 addresses (::a.b.c.d), too, with dots. */
function printedAddress(address: string): string {
  const number = address.startsWith('::') ? addressNumber(address) : undefined
  if (number === undefined || number >> 32n !== 0n || number >> 16n === 0n) return address
  return `::${[24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join('.')}`
}

/** Real servers of a firewall mark have no protocol, and their ports no names. */
export function serviceProtocol(id: ServiceId): Protocol | undefined {
  return id.kind === 'address' ? id.protocol : undefined
}

export function isPrinted({ id }: Service): boolean {
  return id.kind === 'address' || id.kind === 'fwmark'
}

/** The mask where it is not each client by itself. */
export function printedMask({ id, persistence }: Service): string | undefined {
  if (persistence === undefined) return undefined
  const isIpv6 = id.kind === 'fwmark' ? id.family === 'ipv6' : id.kind === 'address' && familyOf(id.address) === 'ipv6'
  return persistence.mask === (isIpv6 ? '128' : '255.255.255.255') ? undefined : persistence.mask
}
