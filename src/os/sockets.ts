/**
 * Sockets and epoll, straight from the C library: one call, one system call, no stream layer.
 * Calls that fail return -1; `errno()` says why. Memory is passed by address: see `pinned`.
 */
import { koffi, libc } from './libc.ts'

export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_LINGER = 13
export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const TCP_QUICKACK = 12
export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26
export const SHUT_WR = 1
export const MSG_NOSIGNAL = 0x4000
/** More follows at once: wait for it before sending a segment that is not full. */
export const MSG_MORE = 0x8000
export const EFD_NONBLOCK = 0o4000

export const EPOLLIN = 0x001
export const EPOLLOUT = 0x004
export const EPOLLERR = 0x008
export const EPOLLHUP = 0x010
export const EPOLLRDHUP = 0x2000
/** As a signed 32-bit number, which is how JavaScript's operators give it. */
export const EPOLLET = 1 << 31
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2

export const EAGAIN = 11
export const ENOMEM = 12
export const ENFILE = 23
export const EMFILE = 24
export const ENOBUFS = 105
export const EINPROGRESS = 115

/** struct epoll_event is packed on x86-64 only (epoll_ctl(2)). */
export const epollEvent = process.arch === 'x64' ? { bytes: 12, data: 4 } : { bytes: 16, data: 8 }

type Address = number
export type SocketCalls = {
  socket(family: number, type: number, protocol: number): number
  bind(fd: number, address: Address, length: number): number
  listen(fd: number, backlog: number): number
  accept4(fd: number, address: Address, length: Address, flags: number): number
  connect(fd: number, address: Address, length: number): number
  shutdown(fd: number, how: number): number
  close(fd: number): number
  recv(fd: number, buffer: Address, length: number, flags: number): number
  send(fd: number, buffer: Address, length: number, flags: number): number
  recvfrom(fd: number, buffer: Address, length: number, flags: number, from: Address, fromLength: Address): number
  sendto(fd: number, buffer: Address, length: number, flags: number, to: Address, toLength: number): number
  setsockopt(fd: number, level: number, name: number, value: Address, length: number): number
  getsockopt(fd: number, level: number, name: number, value: Address, length: Address): number
  getsockname(fd: number, address: Address, length: Address): number
  getpeername(fd: number, address: Address, length: Address): number
  epollCreate(flags: number): number
  epollCtl(epoll: number, operation: number, fd: number, event: Address): number
  epollWait(epoll: number, events: Address, count: number, timeoutMs: number): number
  eventfd(start: number, flags: number): number
  errno(): number
}

let socketCalls: SocketCalls | undefined

/** Looked up once. @throws Error when the FFI library or the C library cannot be loaded here. */
export function loadSocketCalls(): SocketCalls {
  socketCalls ??= findSocketCalls()
  return socketCalls
}

function findSocketCalls(): SocketCalls {
  const c = libc()
  const func = (name: string, parameters: string) => c.func(`int ${name}(${parameters})`)
  const { errno } = koffi()
  return {
    socket: func('socket', 'int, int, int'),
    bind: func('bind', 'int, int64_t, int'),
    listen: func('listen', 'int, int'),
    accept4: func('accept4', 'int, int64_t, int64_t, int'),
    connect: func('connect', 'int, int64_t, int'),
    shutdown: func('shutdown', 'int, int'),
    close: func('close', 'int'),
    recv: func('recv', 'int, int64_t, int64_t, int'),
    send: func('send', 'int, int64_t, int64_t, int'),
    recvfrom: func('recvfrom', 'int, int64_t, int64_t, int, int64_t, int64_t'),
    sendto: func('sendto', 'int, int64_t, int64_t, int, int64_t, int'),
    setsockopt: func('setsockopt', 'int, int, int, int64_t, int'),
    getsockopt: func('getsockopt', 'int, int, int, int64_t, int64_t'),
    getsockname: func('getsockname', 'int, int64_t, int64_t'),
    getpeername: func('getpeername', 'int, int64_t, int64_t'),
    epollCreate: func('epoll_create1', 'int'),
    epollCtl: func('epoll_ctl', 'int, int, int, int64_t'),
    epollWait: func('epoll_wait', 'int, int64_t, int, int'),
    eventfd: func('eventfd', 'unsigned int, int'),
    errno: () => errno(),
  }
}

/** Bytes outside of the garbage collector's reach, with the address at which the kernel finds them. */
export type Pinned = { readonly bytes: Buffer; readonly address: Address }

export function pinned(length: number): Pinned {
  const bytes = Buffer.allocUnsafeSlow(length).fill(0)
  return { bytes, address: addressOf(bytes) }
}

/** Of an array whose memory never moves: never a pooled Buffer's, and the caller keeps the array alive. */
export function addressOf(bytes: Uint8Array): Address {
  return Number(koffi().address(bytes))
}
