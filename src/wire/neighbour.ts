/**
 * What rtnetlink(7) tells of neighbours, the kernel's ARP and NDP entries: RTM_NEWNEIGH and RTM_DELNEIGH.
 *
 * ```
 *  struct ndmsg   0 family  4 interface  8 state  10 flags  11 type
 * ```
 */
import { decodeAttributes, type NetlinkMessage } from './netlink.ts'
import { WireError } from './wire-error.ts'

export const neighbourMessages = { added: 28, removed: 29 } as const
const bytes = 12
const attributes = { address: 1, hardware: 2 } as const
/** Linux's numbers; a bridge's entries come by the same messages. */
const families: readonly number[] = [2, 10]
/** NUD_VALID of net/neighbour.h: its hardware address can be sent to. */
const valid = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80

export type NeighbourNews = {
  /** Interface and address: which neighbour it is. */
  readonly key: string
  /** As hexadecimal digits; undefined: it is not known, or there is no such neighbour any more. */
  readonly hardware: string | undefined
}

/** Undefined: it is about something else. @throws WireError */
export function decodeNeighbour({ type, payload }: NetlinkMessage): NeighbourNews | undefined {
  if (type !== neighbourMessages.added && type !== neighbourMessages.removed) return undefined
  if (payload.length < bytes) throw new WireError(0, 'a whole neighbour')
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const found = decodeAttributes(payload, bytes)
  const address = found.get(attributes.address)
  if (address === undefined || !families.includes(view.getUint8(0))) return undefined
  const isValid = type === neighbourMessages.added && (view.getUint16(8, true) & valid) !== 0
  return {
    key: `${view.getInt32(4, true)} ${digits(address)}`,
    hardware: isValid ? digits(found.get(attributes.hardware) ?? new Uint8Array()) : undefined,
  }
}

function digits(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
