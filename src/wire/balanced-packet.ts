/** What a client's packet to a service looks like, and what a balancer has made of one: frames ⇄ values. RFC 9293, 768, 2784. */
import { type Endpoint, familyOf } from '../lvs/service.ts'
import { internetChecksum } from './checksum.ts'
import { encodeFrame, etherTypes, macText } from './ethernet.ts'
import { decodeIp, encodeIp, pseudoHeader } from './ip.ts'
import { joined } from './joined.ts'
import { be16, readBe16 } from './netlink.ts'
import { WireError } from './wire-error.ts'

export type ClientPacket = {
  readonly protocol: 'tcp' | 'udp'
  readonly from: Endpoint
  readonly to: Endpoint
  /** Of TCP: it begins a connection, or goes on with one. */
  readonly isFirst: boolean
  /** The Ethernet address of whoever is to take it. */
  readonly toMac: string
}

/** `layers`: a packet, and what is inside of one that wraps or tells of another. */
export type SeenFrame = { readonly fromMac: string; readonly toMac: string; readonly layers: readonly SeenLayer[] }

export type SeenLayer = {
  readonly from: string
  readonly to: string
  /** TTL or hop limit. */
  readonly hops: number
  /** `icmp`: an error that tells of the next layer; a number: of what is not looked into. */
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'ipip' | 'gre' | number
  readonly fromPort?: number
  readonly toPort?: number
}

const ethernetBytes = 14
const clientMac = '02:00:00:00:00:00'
const firstHops = 64
const flags = { syn: 2, ack: 16 } as const
const names: Readonly<Record<number, Exclude<SeenLayer['protocol'], number>>> = {
  1: 'icmp', 4: 'ipip', 6: 'tcp', 17: 'udp', 41: 'ipip', 47: 'gre', 58: 'icmp',
} // biome-ignore format: a list to read at a glance

export function encodeClientPacket(packet: ClientPacket): Uint8Array {
  const { from, to, toMac } = packet
  const protocol = packet.protocol === 'tcp' ? 6 : 17
  const payload = packet.protocol === 'tcp' ? tcpSegment(packet) : joined([ports(packet), be16(8), be16(0)])
  const pseudo = pseudoHeader(from.address, to.address, protocol, payload.length)
  payload.set(be16(internetChecksum(pseudo, payload) || 0xffff), protocol === 6 ? 16 : 6)
  const type = familyOf(to.address) === 'ipv6' ? etherTypes.ipv6 : etherTypes.ipv4
  const ip = encodeIp({ source: from.address, destination: to.address, protocol, hops: firstHops, payload })
  return encodeFrame(toMac, clientMac, type, ip)
}

function tcpSegment(packet: ClientPacket): Uint8Array {
  const rest = Uint8Array.of(
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0x50,
    packet.isFirst ? flags.syn : flags.ack,
    0xff,
    0xff,
    0,
    0,
    0,
    0,
  )
  return joined([ports(packet), rest])
}

function ports({ from, to }: ClientPacket): Uint8Array {
  return joined([be16(from.port), be16(to.port)])
}

/** @throws WireError when it is no packet of IP. */
export function decodeFrame(frame: Uint8Array): SeenFrame {
  if (frame.length < ethernetBytes) throw new WireError(0, 'a whole frame')
  return {
    toMac: macText(frame.subarray(0, 6)),
    fromMac: macText(frame.subarray(6, 12)),
    layers: layersOf(frame.subarray(ethernetBytes)),
  }
}

function layersOf(bytes: Uint8Array): SeenLayer[] {
  const { source: from, destination: to, hops, protocol: number, payload } = decodeIp(bytes)
  const protocol = names[number] ?? number
  const layer: SeenLayer = { from, to, hops, protocol }
  switch (protocol) {
    case 'tcp':
    case 'udp':
      if (payload.length < 4) return [layer]
      // GUE is UDP to whoever does not know its port.
      return [{ ...layer, fromPort: readBe16(payload), toPort: readBe16(payload.subarray(2)) }]
    case 'ipip':
      return [layer, ...layersOf(payload)]
    case 'gre':
      // Four bytes more with a checksum.
      return [layer, ...layersOf(payload.subarray((payload[0] ?? 0) & 0x80 ? 8 : 4))]
    default:
      return [layer]
  }
}
