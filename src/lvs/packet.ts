/** Packets as a director sees them, and what becomes of them: the same for every engine that takes packets. Plain data. */
import type { Endpoint, Forwarding, Tunnel } from './service.ts'

/** Of a TCP header; all false when left out, as in a packet that carries none of them. */
export type TcpFlags = {
  readonly syn?: boolean
  readonly ack?: boolean
  readonly fin?: boolean
  readonly rst?: boolean
}

/** RFC 9260 §3.2, by name. All others count as DATA. */
export const sctpChunks = [
  'DATA', 'INIT', 'INIT_ACK', 'COOKIE_ECHO', 'COOKIE_ACK', 'SHUTDOWN', 'SHUTDOWN_ACK', 'SHUTDOWN_COMPLETE', 'ERROR', 'ABORT',
] as const // biome-ignore format: a list to read at a glance
export type SctpChunk = (typeof sctpChunks)[number]

type Transport =
  | { readonly protocol: 'tcp'; readonly flags: TcpFlags }
  /** `payload`: what a persistence engine reads. */
  | { readonly protocol: 'udp'; readonly payload?: Uint8Array }
  /** In the order in which they stand in the packet. */
  | { readonly protocol: 'sctp'; readonly chunks: readonly SctpChunk[] }

export type TransportPacket = Transport & {
  readonly source: Endpoint
  readonly destination: Endpoint
  /** Length of the IP packet, header included. */
  readonly bytes: number
  /** The firewall mark that it bears when it reaches IPVS; 0 or left out: none. */
  readonly mark?: number
}

/** An ICMP error (unreachable, time exceeded, …) that tells of a packet sent before. */
export type IcmpPacket = {
  readonly protocol: 'icmp'
  /** Who sends it, and to whom. */
  readonly source: string
  readonly destination: string
  readonly bytes: number
  readonly mark?: number
  /** The packet it tells of: its head, as it was on the wire. */
  readonly about: TransportPacket
}

export type Packet = TransportPacket | IcmpPacket

export type Verdict =
  /** On to a real server. `to.port` is the port there; the packet's own port is rewritten with masq only. */
  | {
      readonly kind: 'forward'
      readonly by: Forwarding
      readonly to: Endpoint
      readonly tunnel?: Tunnel
      /** The packet that asked for a new connection entry. */
      readonly isNew: boolean
    }
  /** cache_bypass: on to where it was going anyway. */
  | { readonly kind: 'bypass'; readonly isNew: boolean }
  /** From a real server back to its client, as if from the service. */
  | { readonly kind: 'reply'; readonly from: Endpoint; readonly to: Endpoint }
  /** Not IPVS's business: to the local stack, or forwarded as any packet. */
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  /** Dropped, and its sender is told: ICMP port unreachable (IPv4 type 3 code 3, IPv6 type 1 code 4). */
  | { readonly kind: 'unreachable' }
