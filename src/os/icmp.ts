/** ICMP echo: datagram sockets, which need no privilege where the kernel allows them (icmp(7)), else raw ones. */

import { randomInt } from 'node:crypto'
import { internetChecksum } from '../wire/checksum.ts'
import { bindSocket, type Source } from './bound-socket.ts'
import { errnoName } from './libc.ts'
import { addressWords, sockaddrBytes, writeSockaddr } from './socket-address.ts'
import {
  AF_INET,
  AF_INET6,
  loadSocketCalls,
  pinned,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  type SocketCalls,
} from './sockets.ts'

const IPPROTO_ICMP = 1
const IPPROTO_ICMPV6 = 58
const headerBytes = 8
/** RFC 792, RFC 4443 §4. */
const types = { ipv4: { request: 8, reply: 0 }, ipv6: { request: 128, reply: 129 } }

export interface EchoSocket {
  /** Whether the kernel let us have it without privilege. */
  readonly kind: 'datagram' | 'raw'
  /** @throws Error with the errno's name. */
  send(sequence: number, payload: Uint8Array): void
  /** Whether a reply with this sequence and payload has come. Never waits. @throws Error with the errno's name. */
  receive(sequence: number, payload: Uint8Array): boolean
  close(): void
}

let loaded: SocketCalls | undefined

/** A socket for echoes with one address. @throws Error when neither kind of socket may be opened, saying both reasons. */
export function openEchoSocket(address: string, from?: Source): EchoSocket {
  loaded ??= loadSocketCalls()
  const calls = loaded
  const isIpv6 = address.includes(':')
  const [family, protocol] = isIpv6 ? [AF_INET6, IPPROTO_ICMPV6] : [AF_INET, IPPROTO_ICMP]
  const flags = SOCK_NONBLOCK | SOCK_CLOEXEC
  let kind: EchoSocket['kind'] = 'datagram'
  let fd = calls.socket(family, SOCK_DGRAM | flags, protocol)
  if (fd < 0) {
    const first = errnoName()
    kind = 'raw'
    fd = calls.socket(family, SOCK_RAW | flags, protocol)
    if (fd < 0)
      throw new Error(
        `no ICMP here: sysctl net.ipv4.ping_group_range does not take in this user's group (${first}), and raw sockets need CAP_NET_RAW (${errnoName()})`,
      )
  }
  if (from !== undefined) {
    try {
      bindSocket(fd, { ...from, port: 0 }, isIpv6 ? 'ipv6' : 'ipv4')
    } catch (error) {
      calls.close(fd)
      throw error
    }
  }
  const peer = pinned(sockaddrBytes)
  const length = writeSockaddr(peer.bytes, 0, addressWords(address), 0)
  // Connected, it hears this address only, and of the errors that come back.
  if (calls.connect(fd, peer.address, length) < 0) {
    const why = errnoName()
    calls.close(fd)
    throw new Error(why)
  }
  return echoSocket(calls, fd, kind, isIpv6)
}

function echoSocket(calls: SocketCalls, fd: number, kind: EchoSocket['kind'], isIpv6: boolean): EchoSocket {
  const { request, reply } = isIpv6 ? types.ipv6 : types.ipv4
  // The kernel puts a number of its own in its place on a datagram socket.
  const identifier = randomInt(65_536)
  const incoming = pinned(65_535)
  let isOpen = true
  return {
    kind,
    send(sequence, payload) {
      const packet = pinned(headerBytes + payload.length)
      packet.bytes[0] = request
      packet.bytes.writeUInt16BE(identifier, 4)
      packet.bytes.writeUInt16BE(sequence, 6)
      packet.bytes.set(payload, headerBytes)
      // ICMPv6's covers the addresses, so the kernel makes it (RFC 3542 §3.1); a datagram socket's it makes, too.
      if (!isIpv6) packet.bytes.writeUInt16BE(internetChecksum(packet.bytes), 2)
      if (calls.send(fd, packet.address, packet.bytes.length, 0) < 0) throw new Error(errnoName())
    },
    receive(sequence, payload) {
      for (;;) {
        const length = calls.recv(fd, incoming.address, incoming.bytes.length, 0)
        if (length < 0) {
          const why = errnoName()
          if (why === 'EAGAIN' || why === 'EWOULDBLOCK') return false
          if (why !== 'EINTR') throw new Error(why)
          continue
        }
        // A raw IPv4 socket gives the IP header, too (raw(7)).
        const skip = kind === 'raw' && !isIpv6 ? 4 * ((incoming.bytes[0] ?? 0) & 15) : 0
        const packet = incoming.bytes.subarray(skip, length)
        const isOurs =
          packet.length === headerBytes + payload.length &&
          packet[0] === reply &&
          (kind === 'datagram' || packet.readUInt16BE(4) === identifier) &&
          packet.readUInt16BE(6) === sequence
        if (isOurs && packet.subarray(headerBytes).equals(payload)) return true
      }
    },
    close() {
      if (isOpen) calls.close(fd)
      isOpen = false
    },
  }
}
