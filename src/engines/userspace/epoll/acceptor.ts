/**
 * Thread 0's own work: it accepts every TCP client and asks the scheduler, so that all decisions stand in one order,
 * and hands the client to the thread with the fewest connections.
 */
import type { Flow } from '../../../lvs/schedulers/scheduler.ts'
import type { Service } from '../../../lvs/service.ts'
import { errnoName } from '../../../os/libc.ts'
import { sockaddrBytes, sockaddrPort, sockaddrWords, writeSockaddr } from '../../../os/socket-address.ts'
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLL_CTL_DEL,
  EPOLLIN,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  pinned,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../../os/sockets.ts'
import { addressWords, type ServiceRecord, type Table } from '../../table.ts'
import { listenError } from '../listen-error.ts'
import { handedNew } from './memory.ts'
import type { Relay, Relays } from './relay.ts'
import { closeWithReset, type Handler, type Thread, watch } from './thread.ts'

const backlog = 4096
/** Clients accepted before others get their turn. */
const clientsPerTurn = 64
/** Without descriptors or memory the kernel's queue keeps the clients; it is asked again after so long. */
const exhaustedPauseMs = 100

/** Opens and binds a service's socket, but does not watch it. @throws InfraError when the address cannot be taken. */
export function bindSocket(thread: Thread, service: Service): number {
  const { id } = service
  if (id.kind !== 'address') throw listenError(service, 'EINVAL')
  const { calls, small } = thread
  const words = addressWords(id.address) ?? [0]
  const isTcp = id.protocol === 'tcp'
  const kind = (isTcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC
  const fd = calls.socket(words.length === 1 ? AF_INET : AF_INET6, kind, 0)
  if (fd < 0) throw listenError(service, errnoName(calls.errno()))
  small.bytes.writeInt32LE(1, 0)
  if (words.length > 1) calls.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, small.address, 4)
  if (isTcp) {
    calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, small.address, 4)
    // Accepted sockets inherit it.
    calls.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, small.address, 4)
  }
  const length = writeSockaddr(small.bytes, 0, words, id.port)
  if (calls.bind(fd, small.address, length) < 0 || (isTcp && calls.listen(fd, backlog) < 0)) {
    const errno = errnoName(calls.errno())
    calls.close(fd)
    throw listenError(service, errno)
  }
  return fd
}

export type TcpListener = Handler & {
  readonly protocol: 'tcp'
  record: ServiceRecord | undefined
  tick(): void
  close(): void
}

export type Acceptor = {
  /** @throws InfraError when the address cannot be taken. */
  listen(service: Service): TcpListener
  /** Its server could not be reached: the next one, each tried once. */
  placeAgain(relay: Relay, service: ServiceRecord | undefined): void
}

export function openAcceptor(thread: Thread, table: Table, relays: Relays): Acceptor {
  const { calls, handoffs, threads } = thread
  const peer = pinned(sockaddrBytes + 4)
  const peerLength = peer.address + sockaddrBytes
  let serviceSlot = 0
  const flow: Flow = {
    get source() {
      return sockaddrWords(peer.bytes, 0)
    },
    get sourcePort() {
      return sockaddrPort(peer.bytes, 0)
    },
    get destination() {
      return sockaddrWords(thread.places.bytes, thread.places.offset(serviceSlot))
    },
    get destinationPort() {
      return sockaddrPort(thread.places.bytes, thread.places.offset(serviceSlot))
    },
    get atMs() {
      return thread.nowMs
    },
  }

  const dispatch = (client: number, service: ServiceRecord): void => {
    serviceSlot = service.slot
    const server = table.place(service, flow)
    if (server === undefined) return closeWithReset(thread, client)
    const to = threads.leastLoaded()
    threads.addConnection(to, 1)
    if (to !== thread.number && handoffs.put(client, to, handedNew, service.slot, server.slot)) {
      if (watch(thread, threads.epoll(to), client)) return
      handoffs.take(client)
    }
    if (to !== thread.number) {
      threads.addConnection(to, -1)
      threads.addConnection(thread.number, 1)
    }
    if (watch(thread, thread.epoll, client)) return relays.adopt(client, service.slot, server.slot, 0)
    threads.addConnection(thread.number, -1)
    thread.ledger.addActive(server.slot, -1)
    closeWithReset(thread, client)
  }

  const listen = (service: Service): TcpListener => {
    const fd = bindSocket(thread, service)
    let pausedUntilMs = 0
    const listener: TcpListener = {
      protocol: 'tcp',
      record: undefined,
      onEvents() {
        for (let left = clientsPerTurn; left > 0; left--) {
          peer.bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
          const client = calls.accept4(fd, peer.address, peerLength, SOCK_NONBLOCK | SOCK_CLOEXEC)
          if (client < 0) {
            const errno = calls.errno()
            if (errno === EAGAIN) return
            if (errno !== EMFILE && errno !== ENFILE && errno !== ENOBUFS && errno !== ENOMEM) continue
            calls.epollCtl(thread.epoll, EPOLL_CTL_DEL, fd, thread.small.address)
            pausedUntilMs = thread.nowMs + exhaustedPauseMs
            return
          }
          if (listener.record === undefined) closeWithReset(thread, client)
          else dispatch(client, listener.record)
        }
      },
      tick() {
        if (pausedUntilMs === 0 || thread.nowMs < pausedUntilMs) return
        pausedUntilMs = 0
        watch(thread, thread.epoll, fd, EPOLLIN)
      },
      close() {
        thread.handlers[fd] = undefined
        calls.close(fd)
      },
    }
    thread.handlers[fd] = listener
    watch(thread, thread.epoll, fd, EPOLLIN)
    return listener
  }

  const placeAgain = (relay: Relay, service: ServiceRecord | undefined): void => {
    const { ledger } = thread
    const tried = (relay.tried ??= [])
    tried.push(relay.serverSlot)
    const isTried = ({ slot }: { readonly slot: number }): boolean => tried.includes(slot)
    const marked = service?.servers.filter(isTried) ?? []
    for (const server of marked) server.isTried = true
    peer.bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
    calls.getpeername(relay.client.fd, peer.address, peerLength)
    serviceSlot = relay.serviceSlot
    const server = service && table.place(service, flow)
    for (const server of marked) server.isTried = false
    ledger.addConnection(relay.serverSlot, -1)
    if (server === undefined) return relays.abort(relay)
    ledger.addActive(relay.serverSlot, -1)
    relays.retry(relay, server.slot)
  }

  return { listen, placeAgain }
}
