/** An address that a virtual router has, as it is written: `192.168.1.10/24`, and after it ip-address(8)'s words such as `dev eth1`. */
import { type AddressWords, formatAddressWords, readAddressWords } from '../../formats/iproute/address.ts'
import { type Cidr, formatCidr, parseCidr } from '../../lvs/address.ts'

export type WrittenAddress = Cidr & AddressWords

/** A string is what is wrong with the words after it. */
export function readHeldAddress(text: string): WrittenAddress | string | undefined {
  const [written = '', ...words] = text.trim().split(/\s+/)
  const cidr = parseCidr(written)
  if (cidr === undefined) return undefined
  const more = readAddressWords(words, cidr)
  return typeof more === 'string' ? more : { ...cidr, ...more }
}

export function parseHeldAddress(text: string): WrittenAddress | undefined {
  const read = readHeldAddress(text)
  return typeof read === 'string' ? undefined : read
}

export function formatHeldAddress({ address, prefix, ...words }: WrittenAddress): string {
  return [formatCidr({ address, prefix }), ...formatAddressWords(words)].join(' ')
}
