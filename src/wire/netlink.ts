/**
 * Netlink (RFC 3549 §2; Linux, Documentation/userspace-api/netlink): messages and attributes. Numbers are in the order of
 * the machine, which is little-endian wherever Baton runs, unless an attribute says otherwise.
 */
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

/**
 * ```
 *  struct nlmsghdr   0 length  4 type  6 flags  8 sequence  12 port
 *  struct nlattr     0 length  2 type
 * ```
 */
const headerBytes = 16
const attributeHeaderBytes = 4
const nested = 0x8000
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const typeMask = 0x3fff

export const messageTypes = { noop: 1, error: 2, done: 3, overrun: 4 } as const
export const messageFlags = {
  request: 0x1, multi: 0x2, ack: 0x4, interrupted: 0x10, root: 0x100, match: 0x200, dump: 0x300,
  replace: 0x100, exclusive: 0x200, create: 0x400, append: 0x800,
} as const // biome-ignore format: a list to read at a glance

export type NetlinkMessage = {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  /** Who it is for, or from; 0: the kernel. */
  readonly port: number
  readonly payload: Uint8Array
}

/** A value, or attributes inside of it. */
export type Attribute = readonly [type: number, value: Uint8Array | readonly Attribute[]]

/** By type; of several of one type the last. */
export type Attributes = ReadonlyMap<number, Uint8Array>

export function encodeMessage({ type, flags, sequence, port, payload }: NetlinkMessage): Uint8Array {
  const bytes = new Uint8Array(headerBytes + payload.length)
  const view = viewOf(bytes)
  view.setUint32(0, bytes.length, true)
  view.setUint16(4, type, true)
  view.setUint16(6, flags, true)
  view.setUint32(8, sequence, true)
  view.setUint32(12, port, true)
  bytes.set(payload, headerBytes)
  return bytes
}

/** The messages of one datagram. @throws WireError when one is cut off. */
export function decodeMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = viewOf(bytes)
  const messages: NetlinkMessage[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + headerBytes > bytes.length) throw new WireError(at, 'a whole message header')
    const length = view.getUint32(at, true)
    if (length < headerBytes || at + length > bytes.length) throw new WireError(at, 'the length of a whole message')
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      port: view.getUint32(at + 12, true),
      payload: bytes.subarray(at + headerBytes, at + length),
    })
    at += aligned(length)
  }
  return messages
}

/** The errno that an error message tells of: 0 for an acknowledgement. @throws WireError */
export function decodeErrno(payload: Uint8Array): number {
  if (payload.length < 4) throw new WireError(0, 'an error number')
  return -viewOf(payload).getInt32(0, true)
}

export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return joined(attributes.map(encodeAttribute))
}

function encodeAttribute([type, value]: Attribute): Uint8Array {
  const isNested = !(value instanceof Uint8Array)
  const content = isNested ? encodeAttributes(value) : value
  const bytes = new Uint8Array(aligned(attributeHeaderBytes + content.length))
  const view = viewOf(bytes)
  view.setUint16(0, attributeHeaderBytes + content.length, true)
  view.setUint16(2, isNested ? type | nested : type, true)
  bytes.set(content, attributeHeaderBytes)
  return bytes
}

/** @throws WireError when one is cut off. */
export function decodeAttributes(bytes: Uint8Array, from = 0): Attributes {
  const view = viewOf(bytes)
  const attributes = new Map<number, Uint8Array>()
  // Less than a header is what aligns the last one.
  for (let at = from; at + attributeHeaderBytes <= bytes.length; ) {
    const length = view.getUint16(at, true)
    if (length < attributeHeaderBytes || at + length > bytes.length)
      throw new WireError(at, 'the length of a whole attribute')
    attributes.set(view.getUint16(at + 2, true) & typeMask, bytes.subarray(at + attributeHeaderBytes, at + length))
    at += aligned(length)
  }
  return attributes
}

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value)
}

export function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2)
  viewOf(bytes).setUint16(0, value, true)
  return bytes
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  viewOf(bytes).setUint32(0, value, true)
  return bytes
}

/** In network order. */
export function be16(value: number): Uint8Array {
  const bytes = new Uint8Array(2)
  viewOf(bytes).setUint16(0, value)
  return bytes
}

/** In network order. */
export function be32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  viewOf(bytes).setUint32(0, value)
  return bytes
}

/** With the zero at its end. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`)
}

/** @throws WireError when it is shorter. */
export function readU16(bytes: Uint8Array): number {
  return sized(bytes, 2).getUint16(0, true)
}

/** @throws WireError when it is shorter. */
export function readU32(bytes: Uint8Array): number {
  return sized(bytes, 4).getUint32(0, true)
}

/** As a number: exact up to 2⁵³. @throws WireError when it is shorter. */
export function readU64(bytes: Uint8Array): number {
  return Number(sized(bytes, 8).getBigUint64(0, true))
}

/** In network order. @throws WireError when it is shorter. */
export function readBe16(bytes: Uint8Array): number {
  return sized(bytes, 2).getUint16(0)
}

/** Up to the zero, or all of it. */
export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}

function sized(bytes: Uint8Array, length: number): DataView {
  if (bytes.length < length) throw new WireError(0, `an attribute of ${length} bytes`)
  return viewOf(bytes)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4
}
