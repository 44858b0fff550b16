/**
 * Thread 0's own work: it accepts every TCP client and asks the scheduler, so that all decisions stand in one order,
 * and hands the client to the thread with the fewest connections.
 */
import type { Flow } from '../../../lvs/schedulers/scheduler.ts'
import type { Service } from '../../../lvs/service.ts'
import { errnoName } from '../../../os/libc.ts'
import { sockaddrBytes, writeSockaddr } from '../../../os/socket-address.ts'
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
  type Pinned,
  pinned,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from '../../../os/sockets.ts'
import { addressWords, type ServiceRecord } from '../../records.ts'
import type { Table } from '../../table.ts'
import { listenError } from '../listen-error.ts'
import { flowFrom } from './flow.ts'
import { handedNew } from './memory.ts'
import type { Relay } from './relay.ts'
import type { Relays } from './relays.ts'
import { closeWithReset, type Handler, setIntegerOption, type Thread, watch } from './thread.ts'

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
  if (words.length > 1) setIntegerOption(thread, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
  if (isTcp) {
    setIntegerOption(thread, fd, SOL_SOCKET, SO_REUSEADDR, 1)
    // Accepted sockets inherit it.
    setIntegerOption(thread, fd, IPPROTO_TCP, TCP_NODELAY, 1)
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

export class Acceptor {
  readonly #thread: Thread
  readonly #table: Table
  readonly #relays: Relays
  /** The client at hand, and the room for its length. */
  readonly #peer: Pinned = pinned(sockaddrBytes + 4)
  readonly #place = { slot: 0 }
  readonly #flow: Flow

  constructor(thread: Thread, table: Table, relays: Relays) {
    this.#thread = thread
    this.#table = table
    this.#relays = relays
    this.#flow = flowFrom(thread, this.#peer, this.#place)
  }

  /** @throws InfraError when the address cannot be taken. */
  listen(service: Service): TcpListener {
    const thread = this.#thread
    const fd = bindSocket(thread, service)
    let pausedUntilMs = 0
    const listener: TcpListener = {
      protocol: 'tcp',
      record: undefined,
      onEvents: () => {
        if (this.#accept(fd, listener.record) !== 'exhausted') return
        thread.calls.epollCtl(thread.epoll, EPOLL_CTL_DEL, fd, thread.small.address)
        pausedUntilMs = thread.nowMs + exhaustedPauseMs
      },
      tick() {
        if (pausedUntilMs === 0 || thread.nowMs < pausedUntilMs) return
        pausedUntilMs = 0
        watch(thread, thread.epoll, fd, EPOLLIN)
      },
      close() {
        thread.handlers[fd] = undefined
        thread.calls.close(fd)
      },
    }
    thread.handlers[fd] = listener
    watch(thread, thread.epoll, fd, EPOLLIN)
    return listener
  }

  /** A server could not be reached: the next one, each tried once. */
  placeAgain(relay: Relay, service: ServiceRecord | undefined): void {
    const { ledger, calls } = this.#thread
    const { bytes, address } = this.#peer
    const tried = (relay.tried ??= [])
    tried.push(relay.serverSlot)
    const servers = service?.servers.filter(({ slot }) => tried.includes(slot)) ?? []
    bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
    calls.getpeername(relay.client.fd, address, address + sockaddrBytes)
    this.#place.slot = relay.serviceSlot
    const server = service && this.#table.place(service, this.#flow, servers)
    ledger.addConnection(relay.serverSlot, -1)
    if (server === undefined) return this.#relays.abort(relay)
    ledger.addActive(relay.serverSlot, -1)
    this.#relays.retry(relay, server.slot)
  }

  #accept(fd: number, service: ServiceRecord | undefined): 'done' | 'exhausted' {
    const { calls } = this.#thread
    const { bytes, address } = this.#peer
    for (let left = clientsPerTurn; left > 0; left--) {
      bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
      const client = calls.accept4(fd, address, address + sockaddrBytes, SOCK_NONBLOCK | SOCK_CLOEXEC)
      if (client >= 0) {
        if (service === undefined) closeWithReset(this.#thread, client)
        else this.#dispatch(client, service)
        continue
      }
      const errno = calls.errno()
      if (errno === EAGAIN) return 'done'
      if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) return 'exhausted'
    }
    return 'done'
  }

  /** Asks the scheduler, and hands the client to the thread with the fewest connections. */
  #dispatch(client: number, service: ServiceRecord): void {
    const thread = this.#thread
    const { threads, handoffs } = thread
    this.#place.slot = service.slot
    const server = this.#table.place(service, this.#flow)
    if (server === undefined) return closeWithReset(thread, client)
    const to = threads.leastLoaded()
    threads.addConnection(to, 1)
    if (to !== thread.number && handoffs.put(client, to, handedNew, service.slot, server.slot)) {
      if (watch(thread, threads.epoll(to), client)) return
      handoffs.take(client, to)
    }
    if (to !== thread.number) {
      threads.addConnection(to, -1)
      threads.addConnection(thread.number, 1)
    }
    if (watch(thread, thread.epoll, client)) return this.#relays.adopt(client, service.slot, server.slot, 0)
    threads.addConnection(thread.number, -1)
    thread.ledger.addActive(server.slot, -1)
    closeWithReset(thread, client)
  }
}
