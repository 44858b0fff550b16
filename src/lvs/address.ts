/** IP addresses, endpoints and networks as text: parsed strictly, kept in one canonical form. */
import { type Endpoint, type Family, familyOf } from './service.ts'

/** `address` is the host's own, not the network's: 10.0.0.5/24. */
export type Cidr = { readonly address: string; readonly prefix: number }

const [dot, zero] = [0x2e, 0x30]
const decimal = /^(0|[1-9][0-9]{0,4})$/

/**
 * The canonical text of an address: dotted IPv4 (no leading zeros: some programs read them as octal), or IPv6 as
 * RFC 5952 writes it. undefined when it is not an address; zones (`%eth0`) and brackets are not part of one.
 */
export function parseAddress(text: string): string | undefined {
  if (!text.includes(':')) return parseIpv4(text) === undefined ? undefined : text
  const groups = parseIpv6(text)
  return groups === undefined ? undefined : formatIpv6(groups)
}

/** 0..65535 in plain decimal digits. */
export function parsePort(text: string): number | undefined {
  const port = decimal.test(text) ? Number(text) : undefined
  return port !== undefined && port <= 65_535 ? port : undefined
}

/** `10.0.0.1:80` or `[fd00::1]:80`; both parts are needed. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const parts = /^(?:\[([^[\]]*:[^[\]]*)\]|([^:[\]]*)):([0-9]+)$/.exec(text)
  if (parts === null) return undefined
  const address = parseAddress(parts[1] ?? parts[2] ?? '')
  const port = parsePort(parts[3] ?? '')
  return address === undefined || port === undefined ? undefined : { address, port }
}

/** `10.0.0.5/24`, `fd00::5/64`. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return undefined
  const address = parseAddress(text.slice(0, slash))
  const digits = text.slice(slash + 1)
  if (address === undefined || !decimal.test(digits)) return undefined
  const prefix = Number(digits)
  return prefix <= addressBits(familyOf(address)) ? { address, prefix } : undefined
}

export function formatCidr({ address, prefix }: Cidr): string {
  return `${address}/${prefix}`
}

/** `0.0.0.0` or `::`: all addresses of the machine. */
export function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** Whether a canonical address lies in the network of `network`; addresses of the other family never do. */
/** Of this machine alone: its packets cross no interface (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

export function isInNetwork(address: string, network: Cidr): boolean {
  if (familyOf(address) !== familyOf(network.address)) return false
  const hostBits = BigInt(addressBits(familyOf(address)) - network.prefix)
  const ours = addressNumber(address)
  const theirs = addressNumber(network.address)
  return ours !== undefined && theirs !== undefined && ours >> hostBits === theirs >> hostBits
}

/** In network order: 4 bytes, or 16. Of what is no address all are 0. */
export function addressBytes(address: string): Uint8Array {
  const bytes = new Uint8Array(addressBits(familyOf(address)) / 8)
  if (bytes.length === 4) bytes.set(parseIpv4(address) ?? [])
  else for (const [at, group] of (parseIpv6(address) ?? []).entries()) bytes.set([group >> 8, group & 255], 2 * at)
  return bytes
}

/** The canonical text of an address in network order; as many bytes are read as the family has. */
export function addressFromBytes(bytes: Uint8Array, family: Family): string {
  if (family === 'ipv4') return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`
  return formatIpv6(Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)))
}

/** The address as a number of 32 or 128 bits, in network byte order. */
export function addressNumber(address: string): bigint | undefined {
  const [parts, width] = address.includes(':') ? [parseIpv6(address), 16n] : [parseIpv4(address), 8n]
  return parts?.reduce((sum, part) => (sum << width) | BigInt(part), 0n)
}

/** The canonical text of an address given as a number of 32 or 128 bits. */
export function addressText(number: bigint, family: Family): string {
  const [parts, width] = family === 'ipv6' ? [8, 16] : [4, 8]
  const values = Array.from({ length: parts }, (_, at) =>
    Number((number >> BigInt(width * (parts - 1 - at))) & ((1n << BigInt(width)) - 1n)),
  )
  return family === 'ipv6' ? formatIpv6(values) : values.join('.')
}

function addressBits(family: Family): number {
  return family === 'ipv4' ? 32 : 128
}

/** Digit by digit: a backup reads three of them for each connection that it is told. */
function parseIpv4(text: string): number[] | undefined {
  const parts: number[] = []
  let [part, digits] = [0, 0]
  for (let at = 0; at <= text.length; at++) {
    const code = text.charCodeAt(at)
    if (at === text.length || code === dot) {
      if (digits === 0 || part > 255) return undefined
      parts.push(part)
      part = digits = 0
    } else if (code < zero || code > zero + 9 || (digits > 0 && part === 0) || digits === 3) return undefined
    else {
      part = 10 * part + code - zero
      digits += 1
    }
  }
  return parts.length === 4 ? parts : undefined
}

/** The eight groups. `::` stands for at least one group of zeros; the last two groups may be written as dotted IPv4. */
function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1))
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? head : undefined
  if (tail === undefined) return undefined
  const zeros = 8 - head.length - tail.length
  return zeros < 1 ? undefined : [...head, ...Array.from({ length: zeros }, () => 0), ...tail]
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16))
      continue
    }
    const [a, b, c, d] = (mayEndInIpv4 && index === parts.length - 1 ? parseIpv4(part) : undefined) ?? []
    if (a === undefined || b === undefined || c === undefined || d === undefined) return undefined
    groups.push(a * 256 + b, c * 256 + d)
  }
  return groups
}

/** RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zero groups as `::`; §5: mapped IPv4 dotted. */
function formatIpv6(groups: readonly number[]): string {
  const [, , , , , mark = 0, high = 0, low = 0] = groups
  if (mark === 0xffff && groups.slice(0, 5).every((group) => group === 0))
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  const hex = groups.map((group) => group.toString(16))
  const run = longestZeroRun(groups)
  if (run.length < 2) return hex.join(':')
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: index - length + 1, length }
  }
  return best
}
