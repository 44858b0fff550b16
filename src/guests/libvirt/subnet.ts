/** IPv4 networks as numbers: which addresses lie in one, and whether two have any in common. Pure. */
import { parseAddress, parseCidr } from '../../lvs/address.ts'

export type Subnet = { readonly first: number; readonly prefix: number }

/** `192.168.122.1/24`; undefined for what is none. */
export function parseSubnet(text: string): Subnet | undefined {
  const cidr = parseCidr(text)
  const address = cidr && numberOf(cidr.address)
  if (cidr === undefined || address === undefined) return undefined
  return { first: address - (address % sizeOf(cidr)), prefix: cidr.prefix }
}

/** Its number in the network: undefined for one outside, for the network's own and for its broadcast. */
export function placeIn(subnet: Subnet, text: string): number | undefined {
  const address = numberOf(text)
  const place = (address ?? 0) - subnet.first
  return address !== undefined && place > 0 && place < sizeOf(subnet) - 1 ? place : undefined
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.first < b.first + sizeOf(b) && b.first < a.first + sizeOf(a)
}

function sizeOf({ prefix }: Pick<Subnet, 'prefix'>): number {
  return 2 ** (32 - prefix)
}

function numberOf(text: string): number | undefined {
  const address = parseAddress(text)
  if (address === undefined || address.includes(':')) return undefined
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0)
}
