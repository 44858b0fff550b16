/** BER, as far as LDAP needs it (X.690; RFC 4511 §5.1: definite lengths only): a tag, a length, a value. */
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

export type BerElement = { readonly tag: number; readonly value: Uint8Array }

export const berTags = { boolean: 0x01, integer: 0x02, octets: 0x04, enumerated: 0x0a, sequence: 0x30 } as const

/** One element; parts are put one after the other. */
export function encodeBer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const value = joined(parts)
  return joined([Uint8Array.of(tag, ...encodeLength(value.length)), value])
}

function encodeLength(length: number): readonly number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 + bytes.length, ...bytes]
}

/** An integer or enumeration, 0 to 2³¹-1. */
export function encodeBerInteger(value: number, tag: number = berTags.integer): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.unshift(rest % 256)
    rest = Math.floor(rest / 256)
  } while (rest > 0)
  // A leading bit would make it negative.
  if ((bytes[0] ?? 0) >= 0x80) bytes.unshift(0)
  return encodeBer(tag, Uint8Array.from(bytes))
}

export function encodeBerText(text: string, tag: number = berTags.octets): Uint8Array {
  return encodeBer(tag, new TextEncoder().encode(text))
}

/** How long an element's length is written, from its second byte: 0 when that is the length itself. */
export function berLengthBytes(second: number): number {
  return second < 0x80 ? 0 : second - 0x80
}

/** The length that these bytes give. @throws WireError for an indefinite one, or one of more than 4 bytes. */
export function decodeBerLength(second: number, more: Uint8Array): number {
  if (second < 0x80) return second
  if (more.length === 0 || more.length > 4) throw new WireError(1, 'a length of 1 to 4 bytes')
  return more.reduce((length, byte) => length * 256 + byte, 0)
}

/** The elements that stand one after the other. @throws WireError when the last one is cut off. */
export function decodeBer(bytes: Uint8Array): readonly BerElement[] {
  const elements: BerElement[] = []
  let at = 0
  while (at < bytes.length) {
    const [tag = 0, second] = bytes.subarray(at, at + 2)
    if (second === undefined) throw new WireError(at, 'a length')
    const begin = at + 2 + berLengthBytes(second)
    const end = begin + decodeBerLength(second, bytes.subarray(at + 2, begin))
    if (end > bytes.length) throw new WireError(at, 'a whole element')
    elements.push({ tag, value: bytes.subarray(begin, end) })
    at = end
  }
  return elements
}

export function decodeBerInteger({ value }: BerElement): number {
  if (value.length === 0 || value.length > 4) throw new WireError(0, 'an integer of 1 to 4 bytes')
  return value.reduce((number, byte) => number * 256 + byte, (value[0] ?? 0) >= 0x80 ? -1 : 0)
}
