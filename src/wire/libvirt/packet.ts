/**
 * Packets of libvirt's RPC (src/rpc/virnetprotocol.x), all in network order:
 * ```
 *   0 length of all  4 program  8 version  12 procedure  16 type  20 serial  24 status  28 payload
 * ```
 */
import { joined } from '../joined.ts'
import { WireError } from '../wire-error.ts'

const lengthBytes = 4
const headerBytes = 28
/** VIR_NET_MESSAGE_MAX and the length itself; what says more is not libvirt. */
const maxPacketBytes = 32 * 1024 * 1024 + lengthBytes
/** What libvirt itself sends in one packet of a stream. */
export const maxStreamBytes = 262_120

export const programs = { remote: 0x20008086, qemu: 0x20008087, keepalive: 0x6b656570 } as const
export const keepaliveProcedures = { ping: 1, pong: 2 } as const
export const packetTypes = { call: 0, reply: 1, message: 2, stream: 3 } as const
export const statuses = { ok: 0, error: 1, continue: 2 } as const

export type Packet = {
  readonly program: number
  readonly procedure: number
  readonly type: number
  /** A reply's and a stream's are those of their call; 0 for what comes unasked. */
  readonly serial: number
  readonly status: number
  readonly payload: Uint8Array
}

export function encodePacket({ program, procedure, type, serial, status, payload }: Packet): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length)
  const view = new DataView(bytes.buffer)
  for (const [index, field] of [bytes.length, program, 1, procedure, type, serial, status].entries())
    view.setUint32(index * 4, field)
  bytes.set(payload, headerBytes)
  return bytes
}

/** Pieces of a packet that is not complete yet. */
export type PacketBuffer = { readonly pieces: readonly Uint8Array[]; readonly length: number; readonly wanted: number }

export const emptyPacketBuffer: PacketBuffer = { pieces: [], length: 0, wanted: lengthBytes }

/** Takes the next piece of the stream; gives the packets that it completes. @throws WireError for anything but packets. */
export function feedPackets(
  buffer: PacketBuffer,
  chunk: Uint8Array,
): { readonly buffer: PacketBuffer; readonly packets: readonly Packet[] } {
  const held: PacketBuffer = {
    pieces: [...buffer.pieces, chunk],
    length: buffer.length + chunk.length,
    wanted: buffer.wanted,
  }
  // Pieces of a large packet are only joined once it is there.
  if (held.length < held.wanted) return { buffer: held, packets: [] }
  const bytes = joined(held.pieces)
  const view = new DataView(bytes.buffer)
  const packets: Packet[] = []
  let at = 0
  let wanted = lengthBytes
  while (at + lengthBytes <= bytes.length) {
    wanted = view.getUint32(at)
    if (wanted < headerBytes || wanted > maxPacketBytes) throw new WireError(at, 'the length of a packet')
    if (at + wanted > bytes.length) break
    packets.push(decodePacket(view, bytes, at, wanted))
    at += wanted
    wanted = lengthBytes
  }
  const rest = bytes.subarray(at)
  return { buffer: { pieces: rest.length === 0 ? [] : [rest], length: rest.length, wanted }, packets }
}

function decodePacket(view: DataView, bytes: Uint8Array, at: number, length: number): Packet {
  if (view.getUint32(at + 8) !== 1) throw new WireError(at + 8, 'version 1')
  return {
    program: view.getUint32(at + 4),
    procedure: view.getUint32(at + 12),
    type: view.getUint32(at + 16),
    serial: view.getUint32(at + 20),
    status: view.getUint32(at + 24),
    payload: bytes.subarray(at + headerBytes, at + length),
  }
}
