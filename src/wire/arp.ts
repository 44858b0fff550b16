/** Gratuitous ARP (RFC 826, RFC 5227 §3): all on the link hear whose Ethernet address an IPv4 address has now. */

import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import { broadcastMac, encodeFrame, etherTypes, macBytes, macText } from './ethernet.ts'
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

export type Arp = {
  readonly operation: 'request' | 'reply'
  readonly sender: { readonly mac: string; readonly address: string }
  readonly target: { readonly mac: string; readonly address: string }
}

const operations = { request: 1, reply: 2 } as const
/** Ethernet, IPv4, and the lengths of their addresses. */
const kind = Uint8Array.of(0, 1, 8, 0, 6, 4)
const arpBytes = 28

/** A request, as keepalived's: some heed no reply that nobody asked for. @throws WireError */
export function gratuitousArp(mac: string, address: string): Uint8Array {
  const arp = encodeArp({
    operation: 'request',
    sender: { mac, address },
    target: { mac: broadcastMac, address },
  })
  return encodeFrame(broadcastMac, mac, etherTypes.arp, arp)
}

/** @throws WireError */
export function encodeArp({ operation, sender, target }: Arp): Uint8Array {
  return joined([
    kind,
    Uint8Array.of(0, operations[operation]),
    macBytes(sender.mac),
    addressBytes(sender.address),
    macBytes(target.mac),
    addressBytes(target.address),
  ])
}

/** @throws WireError when it is not one of IPv4 over Ethernet. */
export function decodeArp(bytes: Uint8Array): Arp {
  if (bytes.length < arpBytes) throw new WireError(0, 'a whole ARP packet')
  if (kind.some((byte, at) => bytes[at] !== byte)) throw new WireError(0, 'ARP for IPv4 over Ethernet')
  const operation = ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0)
  if (operation !== 1 && operation !== 2) throw new WireError(6, 'a request or a reply')
  const party = (at: number): Arp['sender'] => ({
    mac: macText(bytes.subarray(at, at + 6)),
    address: addressFromBytes(bytes.subarray(at + 6), 'ipv4'),
  })
  return { operation: operation === 1 ? 'request' : 'reply', sender: party(8), target: party(18) }
}
