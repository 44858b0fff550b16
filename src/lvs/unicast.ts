/** What kind of address the kernel takes one for (inet_addr_type, ipv6_addr_type), on a machine with given addresses of its own. */
import { addressNumber, type Cidr } from './address.ts'
import { familyOf } from './service.ts'

/**
 * Not multicast, not the address of nobody or everybody: for IPv4 also not the broadcast address of a network of the
 * machine, for IPv6 also not IPv4-mapped. The machine's own addresses are unicast.
 */
export function isUnicast(address: string, own: readonly Cidr[]): boolean {
  const number = addressNumber(address)
  if (number === undefined || number === 0n) return false
  if (familyOf(address) === 'ipv6') return number >> 120n !== 0xffn && number >> 32n !== 0xffffn
  if (number >> 28n === 0xen || number === 0xffff_ffffn) return false
  return !own.some((network) => broadcastOf(network) === number)
}

/** The highest address; a network of one or two addresses has none (RFC 3021). */
function broadcastOf({ address, prefix }: Cidr): bigint | undefined {
  const base = familyOf(address) === 'ipv4' && prefix < 31 ? addressNumber(address) : undefined
  return base === undefined ? undefined : base | ((1n << BigInt(32 - prefix)) - 1n)
}
