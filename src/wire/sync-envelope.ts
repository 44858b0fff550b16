/**
 * What Batons say to each other on a synchronisation group beside the kernel's messages: those messages sealed, and who
 * asks for all connections. The kernel leaves it: the size that it looks for is 0 here, which is never right.
 *
 * ```
 *  0 'B'  1 sync id  2 size: 0  4 version  5 kind  6 1: sealed  7 zero  8 sender  16 time  24 number  32 content; sealed: tag
 * ```
 */
import { WireError } from './wire-error.ts'

/** Bytes, beside the content. */
export const envelopeBytes = 32
/** Bytes of the tag that ends a sealed one. */
export const tagBytes = 16

const mark = 0x42
const version = 1
const kinds = ['records', 'request', 'complete'] as const

export type Envelope = {
  readonly syncId: number
  /** `records`: a message of the kernel's; `request`: all connections, please; `complete`: those were all. */
  readonly kind: (typeof kinds)[number]
  readonly isSealed: boolean
  /** One life of a sender: 64 bits that no other one has. */
  readonly sender: bigint
  /** Milliseconds since 1970. */
  readonly time: bigint
  /** Counts the sender's datagrams. */
  readonly number: bigint
  /** Without the tag. */
  readonly content: Uint8Array
}

/** Whether it is meant to be one. */
export function isEnvelope(bytes: Uint8Array): boolean {
  return bytes[0] === mark && bytes[2] === 0 && bytes[3] === 0
}

/** Of a sealed one with room for the tag at its end. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const { syncId, kind, isSealed, sender, time, number, content } = envelope
  const bytes = new Uint8Array(envelopeBytes + content.length + (isSealed ? tagBytes : 0))
  const view = new DataView(bytes.buffer)
  bytes.set([mark, syncId, 0, 0, version, kinds.indexOf(kind) + 1, Number(isSealed)])
  view.setBigUint64(8, sender)
  view.setBigUint64(16, time)
  view.setBigUint64(24, number)
  bytes.set(content, envelopeBytes)
  return bytes
}

/** @throws WireError */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  if (!isEnvelope(bytes)) throw new WireError(0, 'no envelope')
  if (bytes.length < envelopeBytes) throw new WireError(bytes.length, 'an envelope that is cut off')
  if (bytes[4] !== version) throw new WireError(4, `an envelope of version ${bytes[4]}`)
  const kind = kinds[(bytes[5] ?? 0) - 1]
  if (kind === undefined) throw new WireError(5, `an envelope of kind ${bytes[5]}`)
  const isSealed = bytes[6] === 1
  if ((bytes[6] ?? 0) > 1 || bytes[7] !== 0) throw new WireError(6, 'an envelope with unknown flags')
  if (isSealed && bytes.length < envelopeBytes + tagBytes) throw new WireError(bytes.length, 'a seal that is cut off')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    syncId: bytes[1] ?? 0,
    kind,
    isSealed,
    sender: view.getBigUint64(8),
    time: view.getBigUint64(16),
    number: view.getBigUint64(24),
    content: bytes.subarray(envelopeBytes, bytes.length - (isSealed ? tagBytes : 0)),
  }
}
