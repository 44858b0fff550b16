/** Sockets that are told from where they go out, before they are connected. */
import { errnoName } from './libc.ts'
import { addressWords, sockaddrBytes, writeSockaddr } from './socket-address.ts'
import { bindToInterface, integer, setOption, socketFailure } from './socket-option.ts'
import {
  AF_INET,
  AF_INET6,
  loadSocketCalls,
  pinned,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from './sockets.ts'

/** `mark`: of its packets, for rules of routing and of the firewall (SO_MARK, socket(7)). Left out: as the kernel chooses. */
export type Source = {
  readonly address?: string
  readonly port?: number
  readonly interface?: string
  readonly mark?: number
}

const SO_MARK = 36

/** The descriptor, which is the caller's. @throws InfraError `permission` or `failed` */
export function openBoundSocket(source: Source, family: 'ipv4' | 'ipv6', kind: 'stream' | 'datagram'): number {
  const calls = loadSocketCalls()
  const type = kind === 'stream' ? SOCK_STREAM : SOCK_DGRAM
  const fd = calls.socket(family === 'ipv6' ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw socketFailure(`open a socket: ${errnoName()}`, source.address ?? family)
  try {
    bindSocket(fd, source, family)
    return fd
  } catch (error) {
    calls.close(fd)
    throw error
  }
}

/** @throws InfraError `permission` or `failed` */
export function bindSocket(fd: number, source: Source, family: 'ipv4' | 'ipv6'): void {
  const { address = family === 'ipv6' ? '::' : '0.0.0.0', port = 0, interface: link, mark } = source
  const calls = loadSocketCalls()
  if (mark !== undefined) setOption(fd, SOL_SOCKET, SO_MARK, integer(mark), { what: 'mark packets', subject: address })
  if (link !== undefined) bindToInterface(fd, link, 'go out')
  if (source.address === undefined && port === 0) return
  // A port that is asked for again and again is still in TIME_WAIT.
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, integer(1), { what: 'take a port again', subject: address })
  const sockaddr = pinned(sockaddrBytes)
  const length = writeSockaddr(sockaddr.bytes, 0, addressWords(address), port)
  if (calls.bind(fd, sockaddr.address, length) < 0)
    throw socketFailure(`go out from ${address} port ${port}: ${errnoName()}`, address)
}
