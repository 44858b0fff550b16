/** An address that a virtual router has, as it is written: `192.168.1.10/24`, or with ip-address(8)'s word `… dev eth1`. */
import { formatCidr, parseCidr } from '../../lvs/address.ts'

export type WrittenAddress = { readonly address: string; readonly prefix: number; readonly interface?: string }

export function parseHeldAddress(text: string): WrittenAddress | undefined {
  const [, written = '', link] = /^(\S+)(?:\s+dev\s+([^\s/]{1,15}))?$/.exec(text.trim()) ?? []
  const cidr = parseCidr(written)
  if (cidr === undefined) return undefined
  return link === undefined ? cidr : { ...cidr, interface: link }
}

export function formatHeldAddress({ interface: link, ...cidr }: WrittenAddress): string {
  return link === undefined ? formatCidr(cidr) : `${formatCidr(cidr)} dev ${link}`
}
