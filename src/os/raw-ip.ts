/** Packets of one IP protocol, with what their headers say: raw(7), ip(7), ipv6(7). */

import { addressFromBytes } from '../lvs/address.ts'
import type { Family } from '../lvs/service.ts'
import { decodeIp, encodeIp, type IpPacket } from '../wire/ip.ts'
import { WireError } from '../wire/wire-error.ts'
import { errnoName } from './libc.ts'
import type { Link } from './links.ts'
import { watchReadable } from './readiness.ts'
import { receiveMessage } from './receive-message.ts'
import { addressWords, sockaddrBytes, sockaddrText, writeSockaddr } from './socket-address.ts'
import { bindToInterface, integer, joinGroup, setOption, socketFailure } from './socket-option.ts'
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  loadSocketCalls,
  type Pinned,
  pinned,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  type SocketCalls,
} from './sockets.ts'

/** A raw socket of this protocol takes whole packets, headers included. */
const IPPROTO_RAW = 255
const IPV6_RECVPKTINFO = 49
const IPV6_PKTINFO = 50
const IPV6_RECVHOPLIMIT = 51
const IPV6_HOPLIMIT = 52
const receiveBytes = 65_536
/** Between two looks at other things: a flood must not hold up everything else. */
const packetsPerTurn = 256

/**
 * Hears packets of `protocol` that come in on one interface, those to `groups` among them, until it is disposed of. Packets
 * that cannot be read are passed over. @throws InfraError
 */
export function hearProtocol(
  options: {
    readonly family: Family
    readonly protocol: number
    readonly link: Link
    readonly groups: readonly string[]
  },
  onPacket: (packet: IpPacket) => void,
): Disposable {
  const { family, protocol, link, groups } = options
  const calls = loadSocketCalls()
  const fd = openRaw(calls, family, protocol)
  try {
    bindToInterface(fd, link.name, 'listen')
    if (family === 'ipv6')
      for (const option of [IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT])
        setOption(fd, IPPROTO_IPV6, option, integer(1), { what: 'listen', subject: link.name })
    for (const group of groups) joinGroup(fd, group, link)
  } catch (error) {
    calls.close(fd)
    throw error
  }
  const memory = pinned(receiveBytes)
  const watch = watchReadable(fd, () => {
    for (let left = packetsPerTurn; left > 0; left--) {
      const packet = family === 'ipv4' ? receiveIpv4(calls, fd, memory) : receiveIpv6(fd, protocol)
      if (packet === 'none') return
      if (packet !== 'unreadable') onPacket(packet)
    }
  })
  return {
    [Symbol.dispose]: () => {
      watch[Symbol.dispose]()
      calls.close(fd)
    },
  }
}

type Got = IpPacket | 'none' | 'unreadable'

/** With its header, raw(7). */
function receiveIpv4(calls: SocketCalls, fd: number, { bytes, address }: Pinned): Got {
  const length = calls.recv(fd, address, receiveBytes, 0)
  // Or it is an error of a packet that was sent: what there is to read is told of again.
  if (length < 0) return 'none'
  try {
    return decodeIp(Uint8Array.from(bytes.subarray(0, length)))
  } catch (error) {
    if (error instanceof WireError) return 'unreadable'
    throw error
  }
}

/** Without it: what it said comes beside. */
function receiveIpv6(fd: number, protocol: number): Got {
  const got = receiveMessage(fd)
  if (got === undefined) return 'none'
  const [information, hops] = [IPV6_PKTINFO, IPV6_HOPLIMIT].map((type) =>
    got.beside.find((one) => one.level === IPPROTO_IPV6 && one.type === type),
  )
  if (information === undefined || hops === undefined) return 'unreadable'
  return {
    source: sockaddrText(got.from, 0),
    destination: addressFromBytes(information.data, 'ipv6'),
    protocol,
    hops: hops.data[0] ?? 0,
    payload: got.payload,
  }
}

export type IpSender = Disposable & {
  /** Through an interface where the address has a scope. undefined, or why it could not be sent, by the errno's name. */
  send(packet: IpPacket, link: Link): string | undefined
}

/** Sends packets whose headers are made here, routed by the kernel. @throws InfraError */
export function openIpSender(family: Family): IpSender {
  const calls = loadSocketCalls()
  const fd = openRaw(calls, family, IPPROTO_RAW)
  const to = pinned(sockaddrBytes)
  return {
    send(packet, link) {
      const bytes = encodeIp(packet)
      const memory = pinned(bytes.length)
      memory.bytes.set(bytes)
      const length = writeSockaddr(to.bytes, 0, addressWords(packet.destination), 0)
      if (packet.destination.startsWith('fe80:')) to.bytes.writeUInt32LE(link.index, 24)
      return calls.sendto(fd, memory.address, bytes.length, 0, to.address, length) < 0 ? errnoName() : undefined
    },
    [Symbol.dispose]: () => void calls.close(fd),
  }
}

function openRaw(calls: SocketCalls, family: Family, protocol: number): number {
  const fd = calls.socket(family === 'ipv6' ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)
  if (fd < 0) throw socketFailure(`open a raw socket: ${errnoName()}`, family)
  return fd
}
