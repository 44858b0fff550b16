/** Interfaces and addresses in routing netlink, rtnetlink(7) (Linux, include/uapi/linux/if_link.h and if_addr.h). */
import type { AddressWords } from '../formats/iproute/address.ts'
import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import { macBytes, macText } from './ethernet.ts'
import { addressLength } from './ip.ts'
import { joined } from './joined.ts'
import { type Attribute, decodeAttributes, encodeAttributes, readText, readU32, text, u8, u32 } from './netlink.ts'
import { WireError } from './wire-error.ts'

export const routeMessages = {
  newLink: 16, deleteLink: 17, getLink: 18, newAddress: 20, deleteAddress: 21, getAddress: 22,
} as const // biome-ignore format: a list to read at a glance
/** RTNLGRP_…: who wants to hear of changes. */
export const routeGroups = { links: 1, ipv4Addresses: 5, ipv6Addresses: 9 } as const

export type Link = {
  readonly index: number
  readonly name: string
  /** Up, and its cable is in: IFF_UP and IFF_RUNNING. */
  readonly isRunning: boolean
  /** undefined where it is no Ethernet. */
  readonly mac: string | undefined
}

export type InterfaceAddress = {
  readonly interface: number
  readonly address: string
  readonly prefix: number
  /** Two routers' addresses may not be sent from before it is sure that nobody else has them (duplicate detection). */
  readonly isTentative: boolean
  /** IFA_PROTO, who has put it there; 0 where nobody has said. Linux 5.18 and newer. */
  readonly mark: number
}

export type NewAddress = Omit<AddressWords, 'interface' | 'isUntracked'> &
  Pick<InterfaceAddress, 'interface' | 'address' | 'prefix' | 'mark'> & {
    /** The kernel adds a route to its network. */
    readonly hasRoute: boolean
  }

const families = { ipv4: 2, ipv6: 10 } as const
/** ```
 *  struct ifinfomsg  0 family  2 type  4 index  8 flags  12 changed flags
 *  struct ifaddrmsg  0 family  1 prefix length  2 flags  3 scope  4 index
 *  ``` */
const linkBytes = 16
const addressHeaderBytes = 8
const ethernet = 1
const linkFlags = { up: 0x1, running: 0x40 } as const
const linkAttributes = { mac: 1, name: 3, parent: 5, info: 18 } as const
const infoAttributes = { kind: 1, data: 2 } as const
const macvlanMode = { attribute: 1, private: 1 } as const
const addressAttributes = { address: 1, local: 2, label: 3, broadcast: 4, lifetimes: 6, flags: 8, mark: 11 } as const
const addressFlags = {
  nodad: 0x02,
  home: 0x10,
  tentative: 0x40,
  mngtmpaddr: 0x100,
  noprefixroute: 0x200,
  autojoin: 0x400,
} as const
const forEver = 0xffff_ffff

export function linksQuestion(): Uint8Array {
  return new Uint8Array(linkBytes)
}

export function addressesQuestion(): Uint8Array {
  return new Uint8Array(addressHeaderBytes)
}

/** @throws WireError */
export function decodeLink(payload: Uint8Array): Link {
  if (payload.length < linkBytes) throw new WireError(0, 'a whole interface')
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const attributes = decodeAttributes(payload, linkBytes)
  const flags = view.getUint32(8, true)
  const mac = attributes.get(linkAttributes.mac)
  return {
    index: view.getInt32(4, true),
    name: readText(attributes.get(linkAttributes.name) ?? new Uint8Array()),
    isRunning: (flags & linkFlags.up) !== 0 && (flags & linkFlags.running) !== 0,
    mac: view.getUint16(2, true) === ethernet && mac?.length === 6 ? macText(mac) : undefined,
  }
}

/** undefined for other families than IPv4 and IPv6. @throws WireError */
export function decodeAddress(payload: Uint8Array): InterfaceAddress | undefined {
  if (payload.length < addressHeaderBytes) throw new WireError(0, 'a whole address')
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const family = familyNumbered(view.getUint8(0))
  if (family === undefined) return undefined
  const attributes = decodeAttributes(payload, addressHeaderBytes)
  // With a peer, `address` is the peer's.
  const bytes = attributes.get(addressAttributes.local) ?? attributes.get(addressAttributes.address)
  if (bytes?.length !== addressLength(family)) throw new WireError(addressHeaderBytes, 'an address of its family')
  const flags = attributes.get(addressAttributes.flags)
  return {
    interface: view.getUint32(4, true),
    address: addressFromBytes(bytes, family),
    prefix: view.getUint8(1),
    isTentative: ((flags === undefined ? view.getUint8(2) : readU32(flags)) & addressFlags.tentative) !== 0,
    mark: attributes.get(addressAttributes.mark)?.[0] ?? 0,
  }
}

/** At once usable, also over IPv6: nobody is asked whether another has it. */
export function encodeNewAddress(of: NewAddress): Uint8Array {
  const { address, prefix, peer, scope = 0, label, broadcast, preferredSeconds, hasRoute, mark } = of
  const named = [...(of.flags ?? []), 'nodad' as const, ...(hasRoute ? [] : ['noprefixroute' as const])]
  const flags = named.reduce((all, name) => all | addressFlags[name], 0)
  const attributes = encodeAttributes([
    ...ownAndPeer(of),
    ...(label === undefined ? [] : [[addressAttributes.label, text(label)] as const]),
    ...(broadcast === undefined ? [] : [[addressAttributes.broadcast, addressBytes(broadcast)] as const]),
    ...(preferredSeconds === undefined ? [] : [[addressAttributes.lifetimes, lifetimes(preferredSeconds)] as const]),
    [addressAttributes.flags, u32(flags)],
    [addressAttributes.mark, u8(mark)],
  ])
  return joined([
    addressHeader({ interface: of.interface, address, prefix: peer?.prefix ?? prefix, scope }),
    attributes,
  ])
}

type OldAddress = Pick<NewAddress, 'interface' | 'address' | 'prefix' | 'peer'>

export function encodeOldAddress(of: OldAddress): Uint8Array {
  return joined([
    addressHeader({ ...of, prefix: of.peer?.prefix ?? of.prefix, scope: 0 }),
    encodeAttributes(ownAndPeer(of)),
  ])
}

function ownAndPeer({ address, peer }: Pick<OldAddress, 'address' | 'peer'>): Attribute[] {
  return [
    [addressAttributes.local, addressBytes(address)],
    [addressAttributes.address, addressBytes(peer?.address ?? address)],
  ]
}

/** struct ifa_cacheinfo: how long it is preferred, how long it is there, and when it came and changed. */
function lifetimes(preferredSeconds: number): Uint8Array {
  return joined([u32(preferredSeconds), u32(forEver), u32(0), u32(0)])
}

type AddressHeader = Pick<InterfaceAddress, 'interface' | 'address' | 'prefix'> & { readonly scope: number }

function addressHeader(of: AddressHeader): Uint8Array {
  const header = new Uint8Array(addressHeaderBytes)
  header.set([families[familyOf(of.address)], of.prefix, 0, of.scope])
  new DataView(header.buffer).setUint32(4, of.interface, true)
  return header
}

/** An interface of its own Ethernet address on top of another, not up yet; private: those on one parent do not reach each other. */
export function encodeNewMacvlan(name: string, parent: number, mac: string): Uint8Array {
  return joined([
    encodeOldLink(0),
    encodeAttributes([
      [linkAttributes.name, text(name)],
      [linkAttributes.mac, macBytes(mac)],
      [linkAttributes.parent, u32(parent)],
      [
        linkAttributes.info,
        [
          [infoAttributes.kind, text('macvlan')],
          [infoAttributes.data, [[macvlanMode.attribute, u32(macvlanMode.private)]]],
        ],
      ],
    ]),
  ])
}

export function encodeOldLink(index: number): Uint8Array {
  const bytes = new Uint8Array(linkBytes)
  new DataView(bytes.buffer).setInt32(4, index, true)
  return bytes
}

export function encodeLinkUp(index: number): Uint8Array {
  const bytes = encodeOldLink(index)
  const view = new DataView(bytes.buffer)
  view.setUint32(8, linkFlags.up, true)
  view.setUint32(12, linkFlags.up, true)
  return bytes
}

function familyNumbered(number: number): Family | undefined {
  return number === families.ipv4 ? 'ipv4' : number === families.ipv6 ? 'ipv6' : undefined
}
