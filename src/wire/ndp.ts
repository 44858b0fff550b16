/** Unsolicited neighbour advertisements (RFC 4861 §4.4, §7.2.6): what gratuitous ARP is for IPv6. */
import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import { internetChecksum } from './checksum.ts'
import { encodeFrame, etherTypes, groupMac, macBytes, macText } from './ethernet.ts'
import { encodeIp, pseudoHeader } from './ip.ts'
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

export type NeighbourAdvertisement = {
  readonly address: string
  readonly mac: string
  /** Whether the sender forwards packets: clients drop a router that says that it is none (RFC 9568 §8.2.3). */
  readonly isRouter: boolean
}

const ICMPV6 = 58
const advertisementType = 136
const flags = { router: 0x80, override: 0x20 } as const
const targetLinkLayerAddress = 2
const advertisementBytes = 32
const allNodes = 'ff02::1'

/** A frame to all on the link, from the address itself. @throws WireError */
export function unsolicitedAdvertisement(advertisement: NeighbourAdvertisement): Uint8Array {
  const { address, mac } = advertisement
  const payload = encodeAdvertisement(advertisement, address, allNodes)
  // RFC 4861 §4.4: heard only with hop limit 255, so that it comes from the link.
  const packet = encodeIp({ source: address, destination: allNodes, protocol: ICMPV6, hops: 255, payload })
  return encodeFrame(groupMac(allNodes), mac, etherTypes.ipv6, packet)
}

/** @throws WireError */
export function encodeAdvertisement(
  { address, mac, isRouter }: NeighbourAdvertisement,
  source: string,
  destination: string,
): Uint8Array {
  const bytes = joined([
    Uint8Array.of(advertisementType, 0, 0, 0, flags.override | (isRouter ? flags.router : 0), 0, 0, 0),
    addressBytes(address),
    Uint8Array.of(targetLinkLayerAddress, 1),
    macBytes(mac),
  ])
  const sum = internetChecksum(pseudoHeader(source, destination, ICMPV6, bytes.length), bytes)
  new DataView(bytes.buffer).setUint16(2, sum)
  return bytes
}

/** @throws WireError when it is not one with the sender's Ethernet address. The checksum is not looked at. */
export function decodeAdvertisement(bytes: Uint8Array): NeighbourAdvertisement {
  if (bytes.length < advertisementBytes || bytes[0] !== advertisementType)
    throw new WireError(0, 'a neighbour advertisement with an Ethernet address')
  if (bytes[24] !== targetLinkLayerAddress || bytes[25] !== 1) throw new WireError(24, "the target's Ethernet address")
  return {
    address: addressFromBytes(bytes.subarray(8), 'ipv6'),
    mac: macText(bytes.subarray(26, 32)),
    isRouter: ((bytes[4] ?? 0) & flags.router) !== 0,
  }
}
