/** Datagrams to and from a multicast group on one interface: udp(7), ip(7), ipv6(7). */
import { type Family, familyOf } from '../lvs/service.ts'
import { errnoName } from './libc.ts'
import { watchReadable } from './readiness.ts'
import { addressWords, sockaddrBytes, writeSockaddr } from './socket-address.ts'
import { bindToInterface, IPPROTO_IP, integer, joinGroup, setOption, socketFailure } from './socket-option.ts'
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IPV6,
  loadSocketCalls,
  type Pinned,
  pinned,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from './sockets.ts'

/** Beyond what sysctl net.core.[rw]mem_max allows; needs CAP_NET_ADMIN. */
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const IP_MTU_DISCOVER = 10
const IP_MULTICAST_IF = 32
const IP_MULTICAST_TTL = 33
const IP_MULTICAST_LOOP = 34
const IPV6_MULTICAST_IF = 17
const IPV6_MULTICAST_HOPS = 18
const IPV6_MULTICAST_LOOP = 19
const datagramBytes = 65_536
/** Between two looks at other things: a flood must not hold up everything else. */
const datagramsPerTurn = 256

export type Group = {
  readonly group: string
  readonly port: number
  readonly link: { readonly name: string; readonly index: number }
  /** Of the socket. */
  readonly bufferBytes: number
}

export type GroupSender = Disposable & {
  /** undefined, or why it could not be sent, by the errno's name: `EAGAIN` when more wait than fit. */
  send(datagram: Uint8Array): string | undefined
}

/** Nothing that is sent comes back to this machine. `ttl`: of the datagrams, 1..255. @throws InfraError */
export function openGroupSender(to: Group & { readonly ttl: number }): GroupSender {
  const { link, ttl } = to
  const calls = loadSocketCalls()
  const fd = openSocket(to, 'send to', (family, set) => {
    if (family === 'ipv6') {
      set(IPPROTO_IPV6, IPV6_MULTICAST_IF, integer(link.index))
      set(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, integer(ttl))
      set(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, integer(0))
    } else {
      // struct ip_mreqn: group, an address of ours, interface.
      set(IPPROTO_IP, IP_MULTICAST_IF, Uint8Array.of(...new Uint8Array(8), ...integer(link.index)))
      set(IPPROTO_IP, IP_MULTICAST_TTL, integer(ttl))
      set(IPPROTO_IP, IP_MULTICAST_LOOP, integer(0))
      // What is longer than a packet goes in pieces.
      set(IPPROTO_IP, IP_MTU_DISCOVER, integer(0))
    }
    set(SOL_SOCKET, SO_SNDBUFFORCE, integer(to.bufferBytes))
  })
  const { sockaddr, length } = groupAddress(to)
  const memory = pinned(datagramBytes)
  return {
    send(datagram) {
      memory.bytes.set(datagram)
      const sent = calls.sendto(fd, memory.address, datagram.length, 0, sockaddr.address, length)
      return sent < 0 ? errnoName() : undefined
    },
    [Symbol.dispose]: () => void calls.close(fd),
  }
}

/**
 * Hears what comes to the group on that interface until it is disposed of. The datagram's memory is the next one's:
 * `onDatagram` must not keep it. @throws InfraError `busy` when someone has the port for himself.
 */
export function hearGroup(from: Group, onDatagram: (datagram: Uint8Array) => void): Disposable {
  const calls = loadSocketCalls()
  const fd = openSocket(from, 'hear', (_family, set) => {
    set(SOL_SOCKET, SO_REUSEADDR, integer(1))
    set(SOL_SOCKET, SO_RCVBUFFORCE, integer(from.bufferBytes))
  })
  const memory = pinned(datagramBytes)
  try {
    joinGroup(fd, from.group, from.link)
    const { sockaddr, length } = groupAddress(from)
    if (calls.bind(fd, sockaddr.address, length) < 0) throw failure(from, 'hear')
    const watch = watchReadable(fd, () => {
      for (let left = datagramsPerTurn; left > 0; left--) {
        const received = calls.recv(fd, memory.address, datagramBytes, 0)
        if (received < 0) return
        onDatagram(new Uint8Array(memory.bytes.buffer, memory.bytes.byteOffset, received))
      }
    })
    return {
      [Symbol.dispose]: () => {
        watch[Symbol.dispose]()
        calls.close(fd)
      },
    }
  } catch (error) {
    calls.close(fd)
    throw error
  }
}

type Set = (level: number, name: number, value: Uint8Array) => void

function openSocket(of: Group, what: string, prepare: (family: Family, set: Set) => void): number {
  const calls = loadSocketCalls()
  const family = familyOf(of.group)
  const fd = calls.socket(family === 'ipv6' ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw failure(of, what)
  try {
    bindToInterface(fd, of.link.name, `${what} ${of.group}`)
    prepare(family, (level, name, value) =>
      setOption(fd, level, name, value, { what: `${what} ${of.group}`, subject: of.link.name }),
    )
    return fd
  } catch (error) {
    calls.close(fd)
    throw error
  }
}

function groupAddress({ group, port, link }: Group): { readonly sockaddr: Pinned; readonly length: number } {
  const sockaddr = pinned(sockaddrBytes)
  const length = writeSockaddr(sockaddr.bytes, 0, addressWords(group), port)
  // Groups of a link are told apart by it.
  if (familyOf(group) === 'ipv6') sockaddr.bytes.writeUInt32LE(link.index, 24)
  return { sockaddr, length }
}

function failure({ group, port, link }: Group, what: string): Error {
  return socketFailure(`${what} ${group} port ${port} on ${link.name}: ${errnoName()}`, link.name)
}
