/** What may stand after an address in iproute2's words, ip-address(8): plain data, and its words again. Pure. */
import { type Cidr, formatCidr, parseAddress, parseCidr } from '../../lvs/address.ts'
import { familyOf } from '../../lvs/service.ts'
import { commonNames, isName, type Names } from './names.ts'

export const addressFlagWords = ['nodad', 'home', 'mngtmpaddr', 'noprefixroute', 'autojoin'] as const
export type AddressFlagWord = (typeof addressFlagWords)[number]

export type AddressWords = {
  readonly interface?: string
  readonly label?: string
  readonly scope?: number
  readonly broadcast?: string
  /** At the other end of the link: the prefix is its. */
  readonly peer?: Cidr
  readonly flags?: readonly AddressFlagWord[]
  /** No new connection begins from it after so many seconds. */
  readonly preferredSeconds?: number
  /** Once it is gone, nobody brings it back. */
  readonly isUntracked?: true
}

const u32 = 4_294_967_295

/** A string is what is wrong with them. */
export function readAddressWords(
  words: readonly string[],
  own: Cidr,
  names: Names = commonNames,
): AddressWords | string {
  let read: AddressWords = {}
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const bare = word.replace(/^-/, '')
    if (isName(addressFlagWords, bare)) {
      read = { ...read, flags: [...(read.flags ?? []).filter((one) => one !== bare), bare] }
      continue
    }
    if (word === 'no_track') {
      read = { ...read, isUntracked: true }
      continue
    }
    const take = Object.hasOwn(takers, word) ? takers[word] : undefined
    if (take === undefined) return `${word} is no word of an address`
    at += 1
    const value = words[at]
    if (value === undefined) return `${word} lacks its value`
    const more = take(value, own, names)
    if (more === undefined) return `${word} cannot be ${value}`
    read = { ...read, ...more }
  }
  return read
}

type Take = (value: string, own: Cidr, names: Names) => AddressWords | undefined

const broadcast: Take = (value, own) => {
  const address = value === '+' || value === '-' ? edgeOf(own, value) : parseAddress(value)
  return address === undefined || familyOf(own.address) === 'ipv6' ? undefined : { broadcast: address }
}

const takers: Readonly<Record<string, Take>> = {
  dev: (value) => (/^[^\s/]{1,15}$/.test(value) ? { interface: value } : undefined),
  label: (value) => (/^\S{1,15}$/.test(value) ? { label: value } : undefined),
  brd: broadcast,
  broadcast,
  scope(value, _, names) {
    const scope = /^[0-9]{1,3}$/.test(value) ? Number(value) : names('scope', value)
    return scope === undefined || scope > 255 ? undefined : { scope }
  },
  peer(value, own) {
    const peer = parseCidr(value.includes('/') ? value : `${value}/${familyOf(own.address) === 'ipv4' ? 32 : 128}`)
    return peer === undefined || familyOf(peer.address) !== familyOf(own.address) ? undefined : { peer }
  },
  preferred_lft(value) {
    if (value === 'forever') return { preferredSeconds: u32 }
    return /^[0-9]{1,10}$/.test(value) && Number(value) <= u32 ? { preferredSeconds: Number(value) } : undefined
  },
}

/** The host's bits all set, or none. */
function edgeOf({ address, prefix }: Cidr, which: '+' | '-'): string {
  const bits = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const size = 2 ** (32 - prefix)
  const edge = bits - (bits % size) + (which === '+' ? size - 1 : 0)
  return [24, 16, 8, 0].map((shift) => Math.floor(edge / 2 ** shift) % 256).join('.')
}

/** `dev` comes first. Reads back as the same. */
export function formatAddressWords(of: AddressWords): string[] {
  const words = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [name, String(value)]
  return [
    ...words('dev', of.interface),
    ...words('brd', of.broadcast),
    ...words('scope', of.scope),
    ...words('label', of.label),
    ...words('peer', of.peer && formatCidr(of.peer)),
    ...(of.flags ?? []),
    ...words('preferred_lft', of.preferredSeconds),
    ...(of.isUntracked ? ['no_track'] : []),
  ]
}
