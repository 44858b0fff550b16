/** Ethernet frames (IEEE 802.3, RFC 894) and the addresses that groups have there. */
import { addressBytes } from '../lvs/address.ts'
import { familyOf } from '../lvs/service.ts'
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

export const etherTypes = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const
export const broadcastMac = 'ff:ff:ff:ff:ff:ff'

/** `02:00:00:00:00:0a`. @throws WireError when it is none. */
export function macBytes(mac: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/iu.test(mac)) throw new WireError(0, `an Ethernet address, not ${mac}`)
  return Uint8Array.from(mac.split(':'), (pair) => Number.parseInt(pair, 16))
}

/** Of 6 bytes. */
export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** Where a group's packets go: RFC 1112 §6.4, RFC 2464 §7. */
export function groupMac(group: string): string {
  const bytes = addressBytes(group)
  if (familyOf(group) === 'ipv6') return macText(Uint8Array.of(0x33, 0x33, ...bytes.subarray(12)))
  const [, second = 0, third = 0, fourth = 0] = bytes
  return macText(Uint8Array.of(0x01, 0x00, 0x5e, second & 0x7f, third, fourth))
}

/** @throws WireError when an address is none. */
export function encodeFrame(to: string, from: string, type: number, payload: Uint8Array): Uint8Array {
  return joined([macBytes(to), macBytes(from), Uint8Array.of(type >> 8, type & 255), payload])
}
