/**
 * A connector on system calls: five of them a check, no stream, no handle, and no event loop to wake for each. What has
 * been decided is looked for by turns, soon after something began and then ever less often.
 */
import { addressNumber } from '../lvs/address.ts'
import { type Endpoint, formatEndpoint } from '../lvs/service.ts'
import { errnoName } from '../os/libc.ts'
import { addressWords, isIpv6Sockaddr, sockaddrBytes, sockaddrLength, writeSockaddr } from '../os/socket-address.ts'
import {
  AF_INET,
  AF_INET6,
  EINPROGRESS,
  EPOLL_CTL_ADD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLOUT,
  epollEvent,
  IPPROTO_TCP,
  loadSocketCalls,
  pinned,
  SO_ERROR,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  type SocketCalls,
  TCP_QUICKACK,
} from '../os/sockets.ts'
import { failedBy, up } from './checks/verdict.ts'
import type { ConnectAttempt, ConnectListener, Connector } from './connector.ts'

const eventsPerLook = 512
/** Between looks: doubled from the first to the last, and begun anew with each new connection. */
const looksMs = { first: 1, last: 8 }
const EINVAL = 22

/** @throws Error when the FFI library or the C library cannot be loaded here. */
export function epollConnector(): Connector {
  return new EpollConnector(loadSocketCalls())
}

class EpollConnector implements Connector {
  readonly kind = 'epoll'
  readonly #calls: SocketCalls
  readonly #epoll: number
  readonly #small = pinned(sockaddrBytes)
  readonly #events = pinned(eventsPerLook * epollEvent.bytes)
  /** struct linger: on, for no time. */
  readonly #reset = pinned(8)
  readonly #zero = pinned(4)
  readonly #open = new Map<number, Attempt>()
  /** A target is connected to again and again: its address is written once. */
  readonly #addresses = new WeakMap<Endpoint, Uint8Array>()
  #timer: NodeJS.Timeout | undefined
  #pauseMs = 0
  #isLookDue = false

  constructor(calls: SocketCalls) {
    this.#calls = calls
    this.#reset.bytes.writeInt32LE(1, 0)
    this.#epoll = calls.epollCreate(SOCK_CLOEXEC)
    if (this.#epoll < 0) throw new Error(`epoll_create1: ${errnoName(calls.errno())}`)
  }

  connect(target: Endpoint, listener: ConnectListener): ConnectAttempt {
    const attempt = new Attempt(this, target, listener)
    const outcome = this.#begin(target, attempt)
    if (outcome === undefined) {
      this.#open.set(attempt.fd, attempt)
      this.#lookSoon()
    } else setImmediate(() => attempt.end(outcome))
    return attempt
  }

  close(attempt: Attempt): void {
    if (attempt.fd < 0) return
    this.#open.delete(attempt.fd)
    // Nobody else has this descriptor: closing it takes it out of the epoll.
    this.#calls.close(attempt.fd)
    attempt.fd = -1
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    for (const attempt of this.#open.values()) attempt.cancel()
    this.#calls.close(this.#epoll)
  }

  /** The errno of what failed at once, 0 when it connected at once. */
  #begin(target: Endpoint, attempt: Attempt): number | undefined {
    const calls = this.#calls
    const peer = this.#addressOf(target)
    if (peer === undefined) return EINVAL
    const isIpv6 = isIpv6Sockaddr(peer, 0)
    const fd = calls.socket(isIpv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) return calls.errno()
    attempt.fd = fd
    const { bytes, address } = this.#small
    calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#reset.address, 8)
    // The answer to our SYN is enough: the reset takes the place of the last ACK, and the server's program is not woken.
    calls.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, this.#zero.address, 4)
    bytes.set(peer)
    if (calls.connect(fd, address, sockaddrLength(peer, 0)) === 0) return 0
    const errno = calls.errno()
    if (errno !== EINPROGRESS) return errno
    bytes.writeInt32LE(EPOLLOUT, 0)
    bytes.writeInt32LE(fd, epollEvent.data)
    return calls.epollCtl(this.#epoll, EPOLL_CTL_ADD, fd, address) === 0 ? undefined : calls.errno()
  }

  #addressOf(target: Endpoint): Uint8Array | undefined {
    const known = this.#addresses.get(target)
    if (known !== undefined) return known
    if (addressNumber(target.address) === undefined) return undefined
    const bytes = new Uint8Array(sockaddrBytes)
    writeSockaddr(bytes, 0, addressWords(target.address), target.port)
    this.#addresses.set(target, bytes)
    return bytes
  }

  /** Once for all that begin in this turn. On the way through loopback all of it is decided by then. */
  #lookSoon(): void {
    if (this.#isLookDue) return
    this.#isLookDue = true
    setImmediate(() => {
      this.#isLookDue = false
      clearTimeout(this.#timer)
      this.#pauseMs = looksMs.first
      this.#look()
    })
  }

  #look(): void {
    this.settle()
    if (this.#open.size === 0) return
    this.#timer = setTimeout(() => this.#look(), this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, looksMs.last)
  }

  settle(): void {
    const { bytes, address } = this.#events
    for (let count = eventsPerLook; count === eventsPerLook; ) {
      count = this.#open.size === 0 ? 0 : this.#calls.epollWait(this.#epoll, address, eventsPerLook, 0)
      for (let at = 0; at < count * epollEvent.bytes; at += epollEvent.bytes) {
        const attempt = this.#open.get(bytes.readInt32LE(at + epollEvent.data))
        const hasFailed = (bytes.readInt32LE(at) & (EPOLLERR | EPOLLHUP)) !== 0
        attempt?.end(hasFailed ? this.#errorOf(attempt.fd) : 0)
      }
    }
  }

  #errorOf(fd: number): number {
    const { bytes, address } = this.#small
    bytes.writeInt32LE(4, 4)
    return this.#calls.getsockopt(fd, SOL_SOCKET, SO_ERROR, address, address + 4) < 0 ? EINVAL : bytes.readInt32LE(0)
  }
}

class Attempt implements ConnectAttempt {
  fd = -1
  readonly #connector: EpollConnector
  readonly #target: Endpoint
  readonly #listener: ConnectListener
  #isOver = false

  constructor(connector: EpollConnector, target: Endpoint, listener: ConnectListener) {
    this.#connector = connector
    this.#target = target
    this.#listener = listener
  }

  end(errno: number): void {
    if (this.#isOver) return
    this.cancel()
    this.#listener.onConnectEnd(errno === 0 ? connected : failedBy(formatEndpoint(this.#target), errnoName(errno)))
  }

  settle(): void {
    if (!this.#isOver) this.#connector.settle()
  }

  cancel(): void {
    this.#isOver = true
    this.#connector.close(this)
  }
}

const connected = up('connected')
