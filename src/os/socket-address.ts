/** struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)) as bytes, both ways. */
import { endianness } from 'node:os'
import { addressNumber } from '../lvs/address.ts'

const AF_INET = 2
const AF_INET6 = 10
/** Room for either. */
export const sockaddrBytes = 28

const isLittleEndian = endianness() === 'LE'

/** ```
 *  0 family  2 port (big endian)  4 IPv4 address
 *                                 4 flow info  8 IPv6 address  24 scope
 *  ```
 * Writes at `at`, zeroing the rest of the 28 bytes. Returns the length that the kernel wants to hear. */
export function writeSockaddr(bytes: Uint8Array, at: number, words: ArrayLike<number>, port: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, sockaddrBytes)
  bytes.fill(0, at, at + sockaddrBytes)
  const isIpv4 = words.length === 1
  view.setUint16(0, isIpv4 ? AF_INET : AF_INET6, isLittleEndian)
  view.setUint16(2, port)
  const start = isIpv4 ? 4 : 8
  for (let index = 0; index < words.length; index++) view.setUint32(start + 4 * index, words[index] ?? 0)
  return sockaddrLength(bytes, at)
}

export function isIpv6Sockaddr(bytes: Uint8Array, at: number): boolean {
  return bytes[at + (isLittleEndian ? 0 : 1)] === AF_INET6
}

export function sockaddrLength(bytes: Uint8Array, at: number): number {
  return isIpv6Sockaddr(bytes, at) ? 28 : 16
}

export function sockaddrPort(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
}

/** The address as 32-bit words in host order, most significant first. */
export function sockaddrWords(bytes: Uint8Array, at: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, sockaddrBytes)
  if (!isIpv6Sockaddr(bytes, at)) return [view.getUint32(4)]
  return [8, 12, 16, 20].map((start) => view.getUint32(start))
}

/** Canonical text: dotted IPv4, or RFC 5952 IPv6. */
export function sockaddrText(bytes: Uint8Array, at: number): string {
  if (!isIpv6Sockaddr(bytes, at)) return bytes.subarray(at + 4, at + 8).join('.')
  const groups = sockaddrWords(bytes, at).flatMap((word) => [word >>> 16, word & 0xffff])
  return compressIpv6(groups)
}

/** RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals, becomes `::`. */
function compressIpv6(groups: readonly number[]): string {
  let best = { start: 0, length: 1 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (best.length < 2) return hex(groups)
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`
}

/** As `writeSockaddr` takes it. */
export function addressWords(address: string): number[] {
  const number = addressNumber(address) ?? 0n
  const shifts = address.includes(':') ? [96n, 64n, 32n, 0n] : [0n]
  return shifts.map((shift) => Number((number >> shift) & 0xffff_ffffn))
}
