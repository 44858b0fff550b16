/** Frames bent into shapes that a well-behaved sender seldom makes, and whether all checksums of a frame are right. */

import { guePort } from '../ipvs/packets.ts'

const ethernetBytes = 14
const [ipip, tcp, udp, ipv6, gre, icmp, icmpv6] = [4, 6, 17, 41, 47, 1, 58]

/** Another TTL or hop limit. */
export function withHops(frame: Uint8Array, hops: number): Buffer {
  const bent = Buffer.from(frame)
  if (isIpv6(bent)) bent[ethernetBytes + 7] = hops
  else {
    bent[ethernetBytes + 8] = hops
    renewIpv4(bent)
  }
  return bent
}

/** IPv4 with another type of service. */
export function withService(frame: Uint8Array, service: number): Buffer {
  const bent = Buffer.from(frame)
  bent[ethernetBytes + 1] = service
  renewIpv4(bent)
  return bent
}

/** Four bytes of IPv4 options that do nothing. */
export function withOptions(frame: Uint8Array): Buffer {
  const [head, rest] = [frame.subarray(0, ethernetBytes + 20), frame.subarray(ethernetBytes + 20)]
  const bent = Buffer.concat([head, Buffer.from([1, 1, 1, 0]), rest])
  bent[ethernetBytes] = 0x46
  bent.writeUInt16BE(bent.length - ethernetBytes, ethernetBytes + 2)
  renewIpv4(bent)
  return bent
}

/** An IPv4 datagram in pieces: `bytes` of it in all but the last, a multiple of 8. They may be fragmented further. */
export function fragments(frame: Uint8Array, bytes: number): Buffer[] {
  const whole = Buffer.from(frame)
  const [head, content] = [whole.subarray(0, ethernetBytes + 20), whole.subarray(ethernetBytes + 20)]
  const pieces: Buffer[] = []
  for (let from = 0; from < content.length; from += bytes) {
    const piece = Buffer.concat([head, content.subarray(from, from + bytes)])
    const isLast = from + bytes >= content.length
    piece.writeUInt16BE(piece.length - ethernetBytes, ethernetBytes + 2)
    piece.writeUInt16BE(0x4242, ethernetBytes + 4)
    piece.writeUInt16BE((isLast ? 0 : 0x2000) | (from / 8), ethernetBytes + 6)
    renewIpv4(piece)
    pieces.push(piece)
  }
  return pieces
}

/** UDP over IPv4 that has no checksum. */
export function withoutChecksum(frame: Uint8Array): Buffer {
  const bent = Buffer.from(frame)
  bent.writeUInt16BE(0, ethernetBytes + 20 + 6)
  return bent
}

export function hopsOf(frame: Uint8Array): number {
  return frame[ethernetBytes + (isIpv6(frame) ? 7 : 8)] ?? 0
}

/** Every checksum in it that is wrong, also in what is wrapped; a fragment's transport is not looked at. */
export function wrongChecksums(frame: Uint8Array): string[] {
  return wrongIn(Buffer.from(frame).subarray(ethernetBytes), '')
}

function wrongIn(packet: Buffer, place: string): string[] {
  if ((packet[0] ?? 0) >> 4 === 6)
    return wrongContent(packet[6] ?? 0, packet.subarray(8, 40), packet.subarray(40), place)
  const header = packet.subarray(0, ((packet[0] ?? 0) & 15) * 4)
  const wrong = sum(header) === 0xffff ? [] : [`${place}IPv4 header`]
  if (packet.readUInt16BE(2) !== packet.length) wrong.push(`${place}IPv4 length`)
  if ((packet.readUInt16BE(6) & 0x3fff) !== 0) return wrong
  return [...wrong, ...wrongContent(packet[9] ?? 0, packet.subarray(12, 20), packet.subarray(header.length), place)]
}

function wrongContent(protocol: number, addresses: Buffer, content: Buffer, place: string): string[] {
  if (protocol === ipip || protocol === ipv6) return wrongIn(content, `${place}wrapped `)
  if (protocol === gre) return wrongIn(content.subarray(4), `${place}wrapped `)
  if (protocol === udp && content.readUInt16BE(2) === guePort)
    return [...wrongLength(content, place), ...wrongIn(content.subarray(12), `${place}wrapped `)]
  if (protocol === icmp) return sum(content) === 0xffff ? [] : [`${place}ICMP`]
  if (protocol === udp && content.readUInt16BE(6) === 0) return []
  if (protocol !== tcp && protocol !== udp && protocol !== icmpv6) return [`${place}protocol ${protocol}`]
  const pseudo = Buffer.alloc(8)
  pseudo.writeUInt32BE(content.length, 0)
  pseudo.writeUInt32BE(protocol, 4)
  return sum(Buffer.concat([addresses, pseudo, content])) === 0xffff ? [] : [`${place}protocol ${protocol}`]
}

function wrongLength(content: Buffer, place: string): string[] {
  return content.readUInt16BE(4) === content.length ? [] : [`${place}UDP length`]
}

/** RFC 1071, without the last complement. */
function sum(bytes: Buffer): number {
  let total = 0
  for (let at = 0; at < bytes.length; at += 2)
    total += at + 1 < bytes.length ? bytes.readUInt16BE(at) : (bytes[at] ?? 0) << 8
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000)
  return total
}

function renewIpv4(frame: Buffer): void {
  frame.writeUInt16BE(0, ethernetBytes + 10)
  const header = frame.subarray(ethernetBytes, ethernetBytes + ((frame[ethernetBytes] ?? 0) & 15) * 4)
  frame.writeUInt16BE(~sum(header) & 0xffff, ethernetBytes + 10)
}

function isIpv6(frame: Uint8Array): boolean {
  return ((frame[ethernetBytes] ?? 0) & 0xf0) === 0x60
}
