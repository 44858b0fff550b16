/** Packets as the lab's scripts name them ⇄ Ethernet frames on the guest's interface `client`. */
import { addressNumber, parseAddress } from '../../src/lvs/address.ts'
import type { Packet as EnginePacket, SctpChunk, TransportPacket } from '../../src/lvs/packet.ts'
import type { Endpoint, Protocol } from '../../src/lvs/service.ts'

export type TcpFlag = 'fin' | 'syn' | 'rst' | 'ack'

export type Packet = {
  /** `icmp`: host unreachable, told about another packet; its ports are 0. */
  readonly protocol: Protocol | 'icmp'
  readonly from: Endpoint
  readonly to: Endpoint
  /** Of TCP. */
  readonly flags: readonly TcpFlag[]
  /** Of SCTP. */
  readonly chunks: readonly SctpChunk[]
  readonly payload: string | Uint8Array
  /** Of ICMP. */
  readonly about?: Packet
  /** The firewall mark that the packet has when it reaches the director; 0 = none. */
  readonly mark: number
}

/** What left the guest, outer headers taken off. */
export type Seen =
  | {
      readonly kind: 'packet'
      readonly protocol: Protocol | 'icmp'
      readonly from: Endpoint
      readonly to: Endpoint
      /** The Ethernet address that it was sent to. */
      readonly toMac: string
      /** Where the outermost IP header leads, and what wraps the packet, when something does. */
      readonly outer?: { readonly to: string; readonly tunnel: 'ipip' | 'gre' | 'gue' }
      readonly flags: readonly TcpFlag[]
    }
  /** ICMP: no such port, or (the guest's own stack has no SCTP) no such protocol. */
  | { readonly kind: 'no-port' | 'no-protocol'; readonly from: string; readonly to: string }

/** The firewall marks that packets can have: a mark is told to the guest by its place here, in the TOS field. */
export const marks = [0, 1, 2, 7, 9, 100, 65_536, 4_294_967_295] as const

const protocols = { tcp: 6, udp: 17, sctp: 132, icmp: 1 } as const
const icmpv6 = 58
const flagBits = { fin: 1, syn: 2, rst: 4, ack: 16 } as const
/** RFC 9260 §3.2. */
const chunkTypes: Readonly<Record<SctpChunk, number>> = {
  DATA: 0,
  INIT: 1,
  INIT_ACK: 2,
  ABORT: 6,
  SHUTDOWN: 7,
  SHUTDOWN_ACK: 8,
  ERROR: 9,
  COOKIE_ECHO: 10,
  COOKIE_ACK: 11,
  SHUTDOWN_COMPLETE: 14,
}
const ethernetBytes = 14
const [etherIpv4, etherIpv6] = [0x0800, 0x86dd]

/** The guest's own Ethernet address, and that of all others whose frames come in. */
export const guestMac = '02:00:00:00:00:01'
const peerMac = '02:00:00:00:00:02'

export function encodeFrame(packet: Packet): Uint8Array {
  const etherType = packet.to.address.includes(':') ? etherIpv6 : etherIpv4
  return Buffer.concat([macBytes(guestMac), macBytes(peerMac), uint16(etherType), ipPacket(packet)])
}

function ipPacket(packet: Packet): Buffer {
  const { from, to } = packet
  const addresses = Buffer.concat([addressBytes(from.address), addressBytes(to.address)])
  const segment = segmentOf(packet, addresses)
  const header = to.address.includes(':') ? ipv6Header : ipv4Header
  return Buffer.concat([header(packet, segment.length, addresses), segment])
}

/** The same packet as Baton's engines take it. */
export function enginePacket(packet: Packet): EnginePacket {
  if (packet.protocol !== 'icmp') return transportPacket(packet, packet.protocol)
  const { from, to, mark, about } = packet
  if (about === undefined || about.protocol === 'icmp')
    throw new RangeError('ICMP tells about a packet of another kind')
  const bytes = encodeFrame(packet).length - ethernetBytes
  const told = transportPacket(about, about.protocol)
  return { protocol: 'icmp', source: from.address, destination: to.address, bytes, mark, about: told }
}

function transportPacket(packet: Packet, protocol: Protocol): TransportPacket {
  const { from, to, mark, flags, chunks, payload } = packet
  const bytes = encodeFrame(packet).length - ethernetBytes
  const common = { source: from, destination: to, bytes, mark }
  switch (protocol) {
    case 'tcp':
      return { ...common, protocol, flags: Object.fromEntries(flags.map((flag) => [flag, true])) }
    case 'udp':
      return { ...common, protocol, payload: Buffer.from(payload) }
    case 'sctp':
      return { ...common, protocol, chunks }
  }
}

function tosOf({ mark }: Packet): number {
  const place = (marks as readonly number[]).indexOf(mark)
  if (place < 0) throw new RangeError(`no packet can have the mark ${mark}`)
  return place << 2 // the two bits below are ECN's
}

function ipv4Header(packet: Packet, length: number, addresses: Buffer): Buffer {
  const fixed = Buffer.from([0x45, tosOf(packet), 0, 0, 0, 0, 0x40, 0, 64, protocols[packet.protocol], 0, 0])
  fixed.writeUInt16BE(20 + length, 2)
  const header = Buffer.concat([fixed, addresses])
  header.writeUInt16BE(checksum(header), 10)
  return header
}

function ipv6Header(packet: Packet, length: number, addresses: Buffer): Buffer {
  const fixed = Buffer.from([0x60, 0, 0, 0, 0, 0, packet.protocol === 'icmp' ? icmpv6 : protocols[packet.protocol], 64])
  fixed.writeUInt16BE(0x6000 | (tosOf(packet) << 4), 0)
  fixed.writeUInt16BE(length, 4)
  return Buffer.concat([fixed, addresses])
}

function segmentOf(packet: Packet, addresses: Buffer): Buffer {
  const ports = Buffer.concat([uint16(packet.from.port), uint16(packet.to.port)])
  const payload = Buffer.from(packet.payload)
  switch (packet.protocol) {
    case 'tcp': {
      const flags = packet.flags.reduce((sum, flag) => sum | flagBits[flag], 0)
      const header = Buffer.concat([ports, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0])])
      return withChecksum(Buffer.concat([header, payload]), 16, addresses, protocols.tcp)
    }
    case 'udp':
      return withChecksum(
        Buffer.concat([ports, uint16(8 + payload.length), uint16(0), payload]),
        6,
        addresses,
        protocols.udp,
      )
    case 'sctp': {
      // Verification tag, then a checksum that IPVS makes anew without looking at it; each chunk is a bare header.
      const chunks = packet.chunks.map((chunk) => Buffer.from([chunkTypes[chunk], 0, 0, 4]))
      return Buffer.concat([ports, Buffer.alloc(8), ...chunks])
    }
    case 'icmp':
      return icmpError(packet, addresses)
  }
}

/** Host (IPv6: address) unreachable: RFC 792, RFC 4443 §3.1. */
function icmpError({ about }: Packet, addresses: Buffer): Buffer {
  const isIpv6 = addresses.length === 32
  const head = Buffer.from(isIpv6 ? [1, 3, 0, 0, 0, 0, 0, 0] : [3, 1, 0, 0, 0, 0, 0, 0])
  const error = Buffer.concat([head, about === undefined ? Buffer.alloc(0) : ipPacket(about)])
  if (isIpv6) return withChecksum(error, 2, addresses, icmpv6)
  error.writeUInt16BE(checksum(error), 2)
  return error
}

function withChecksum(segment: Buffer, at: number, addresses: Buffer, protocol: number): Buffer {
  const pseudo = Buffer.concat([addresses, uint16(0), uint16(protocol), uint16(0), uint16(segment.length)])
  segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])) || 0xffff, at)
  return segment
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2)
    sum += at + 1 < bytes.length ? bytes.readUInt16BE(at) : (bytes[at] ?? 0) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  return ~sum & 0xffff
}

/** undefined for what the guest says on its own account: neighbour discovery, router solicitation, listener reports. */
export function decodeFrame(bytes: Uint8Array): Seen | undefined {
  const frame = Buffer.from(bytes)
  const type = frame.readUInt16BE(12)
  if (type !== etherIpv4 && type !== etherIpv6) return undefined
  const toMac = [...frame.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  return seenIn(frame.subarray(ethernetBytes), toMac)
}

function seenIn(packet: Buffer, toMac: string): Seen | undefined {
  const { protocol, from, to, content } = ipOf(packet)
  const inner = wrapped(protocol, content)
  if (inner !== undefined) {
    const seen = seenIn(inner.packet, toMac)
    return seen?.kind === 'packet' ? { ...seen, outer: { to, tunnel: inner.tunnel } } : seen
  }
  const error = icmpErrors[`${protocol} ${content[0]} ${content[1]}`]
  if (error !== undefined) return { kind: error, from, to }
  if (`${protocol} ${content[0]} ${content[1]}` === (from.includes(':') ? '58 1 3' : '1 3 1'))
    return {
      kind: 'packet',
      protocol: 'icmp',
      from: { address: from, port: 0 },
      to: { address: to, port: 0 },
      toMac,
      flags: [],
    }
  const name = (['tcp', 'udp', 'sctp'] as const).find((candidate) => protocols[candidate] === protocol)
  if (name === undefined) return undefined
  const flags = name === 'tcp' ? (content[13] ?? 0) : 0
  return {
    kind: 'packet',
    protocol: name,
    from: { address: from, port: content.readUInt16BE(0) },
    to: { address: to, port: content.readUInt16BE(2) },
    toMac,
    flags: (['fin', 'syn', 'rst', 'ack'] as const).filter((flag) => flags & flagBits[flag]),
  }
}

/** Protocol, type and code. */
const icmpErrors: Readonly<Record<string, 'no-port' | 'no-protocol'>> = {
  '1 3 3': 'no-port',
  '1 3 2': 'no-protocol',
  '58 1 4': 'no-port',
  '58 4 1': 'no-protocol',
}

function ipOf(packet: Buffer): { protocol: number; from: string; to: string; content: Buffer } {
  if (packet[0] !== undefined && packet[0] >> 4 === 6)
    return {
      protocol: packet[6] ?? 0,
      from: addressText(packet.subarray(8, 24)),
      to: addressText(packet.subarray(24, 40)),
      content: packet.subarray(40),
    }
  return {
    protocol: packet[9] ?? 0,
    from: addressText(packet.subarray(12, 16)),
    to: addressText(packet.subarray(16, 20)),
    content: packet.subarray(((packet[0] ?? 0) & 15) * 4),
  }
}

/** The ports that scripts give to GUE real servers begin here; no script sends plain UDP to them. */
export const guePort = 6080

function wrapped(protocol: number, content: Buffer): { tunnel: 'ipip' | 'gre' | 'gue'; packet: Buffer } | undefined {
  if (protocol === 4 || protocol === 41) return { tunnel: 'ipip', packet: content }
  // RFC 2784 §2.1: four bytes more with a checksum.
  if (protocol === 47) return { tunnel: 'gre', packet: content.subarray((content[0] ?? 0) & 0x80 ? 8 : 4) }
  if (protocol !== 17 || content.readUInt16BE(2) !== guePort) return undefined
  // draft-ietf-intarea-gue §3: the length of the optional fields in words, in the low five bits.
  return { tunnel: 'gue', packet: content.subarray(8 + 4 + ((content[8] ?? 0) & 31) * 4) }
}

function addressBytes(address: string): Buffer {
  const number = addressNumber(address)
  if (number === undefined) throw new RangeError(`no address: ${address}`)
  return Buffer.from(number.toString(16).padStart(address.includes(':') ? 32 : 8, '0'), 'hex')
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.')
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16))
  return parseAddress(groups.join(':')) ?? ''
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
