/** Headers of IPv4 (RFC 791) and IPv6 (RFC 8200), addresses as bytes, and the pseudo header that checksums take in. */
import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import { internetChecksum } from './checksum.ts'
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

export type IpPacket = {
  readonly source: string
  readonly destination: string
  /** The protocol, or IPv6's next header. */
  readonly protocol: number
  /** TTL, or IPv6's hop limit. */
  readonly hops: number
  readonly payload: Uint8Array
}

const ipv4HeaderBytes = 20
const ipv6HeaderBytes = 40
/** Internetwork control, RFC 4594 §3.1: what keeps routers running goes first. */
const controlClass = 0xc0

export function addressLength(family: Family): 4 | 16 {
  return family === 'ipv6' ? 16 : 4
}

/** RFC 9293 §3.1 and RFC 8200 §8.1; `length` is that of the upper layer. */
export function pseudoHeader(source: string, destination: string, protocol: number, length: number): Uint8Array {
  const rest = familyOf(source) === 'ipv6' ? new Uint8Array(8) : new Uint8Array(4)
  const view = new DataView(rest.buffer)
  if (rest.length === 8) {
    view.setUint32(0, length)
    view.setUint8(7, protocol)
  } else {
    view.setUint8(1, protocol)
    view.setUint16(2, length)
  }
  return joined([addressBytes(source), addressBytes(destination), rest])
}

/** A whole packet, without options, that routers forward first. @throws WireError when the addresses are none, or of two families. */
export function encodeIp({ source, destination, protocol, hops, payload }: IpPacket): Uint8Array {
  if (familyOf(source) !== familyOf(destination)) throw new WireError(0, 'two addresses of one family')
  const addresses = [addressBytes(source), addressBytes(destination)]
  if (familyOf(source) === 'ipv6') {
    const header = new Uint8Array(8)
    const view = new DataView(header.buffer)
    view.setUint16(0, 0x6000 | (controlClass << 4))
    view.setUint16(4, payload.length)
    view.setUint8(6, protocol)
    view.setUint8(7, hops)
    return joined([header, ...addresses, payload])
  }
  const start = new Uint8Array(12)
  const view = new DataView(start.buffer)
  view.setUint8(0, 0x45)
  view.setUint8(1, controlClass)
  view.setUint16(2, ipv4HeaderBytes + payload.length)
  view.setUint8(8, hops)
  view.setUint8(9, protocol)
  view.setUint16(10, internetChecksum(start, ...addresses))
  return joined([start, ...addresses, payload])
}

/** @throws WireError when it is cut off or neither IPv4 nor IPv6. Checksums of headers were looked at by the kernel. */
export function decodeIp(bytes: Uint8Array): IpPacket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = (bytes[0] ?? 0) >> 4
  if (version === 4) {
    const headerBytes = 4 * ((bytes[0] ?? 0) & 15)
    if (headerBytes < ipv4HeaderBytes || bytes.length < headerBytes) throw new WireError(0, 'a whole IPv4 header')
    const length = view.getUint16(2)
    if (length < headerBytes || length > bytes.length) throw new WireError(2, 'the length of a whole packet')
    return {
      source: addressFromBytes(bytes.subarray(12, 16), 'ipv4'),
      destination: addressFromBytes(bytes.subarray(16, 20), 'ipv4'),
      protocol: view.getUint8(9),
      hops: view.getUint8(8),
      payload: bytes.subarray(headerBytes, length),
    }
  }
  if (version !== 6 || bytes.length < ipv6HeaderBytes) throw new WireError(0, 'an IPv4 or IPv6 header')
  const length = view.getUint16(4)
  if (ipv6HeaderBytes + length > bytes.length) throw new WireError(4, 'the length of a whole packet')
  return {
    source: addressFromBytes(bytes.subarray(8, 24), 'ipv6'),
    destination: addressFromBytes(bytes.subarray(24, 40), 'ipv6'),
    protocol: view.getUint8(6),
    hops: view.getUint8(7),
    payload: bytes.subarray(ipv6HeaderBytes, ipv6HeaderBytes + length),
  }
}
