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
import { listenError } from '../../listen-error.ts'
import { addressWords, type ServerRecord, type ServiceRecord } from '../../records.ts'
import type { Scheduling } from '../../scheduling.ts'
import { flowFrom } from './flow.ts'
import { handedNew, type Placed } from './memory.ts'
import type { Relay } from './relay.ts'
import type { Relays } from './relays.ts'
import { closeWithReset, type Handler, setHandler, setIntegerOption, type Thread, watch } from './thread.ts'

const backlog = 4096
const noServers: readonly ServerRecord[] = []
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
  readonly #scheduling: Scheduling
  readonly #relays: Relays
  /** The client at hand, and the room for its length. */
  readonly #peer: Pinned = pinned(sockaddrBytes + 4)
  readonly #at = { slot: 0 }
  readonly #flow: Flow

  constructor(thread: Thread, scheduling: Scheduling, relays: Relays) {
    this.#thread = thread
    this.#scheduling = scheduling
    this.#relays = relays
    this.#flow = flowFrom(thread, this.#peer, this.#at)
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
    setHandler(thread, fd, listener)
    watch(thread, thread.epoll, fd, EPOLLIN)
    return listener
  }

  /** A server could not be reached: the next one, each tried once. */
  placeAgain(relay: Relay, service: ServiceRecord | undefined): void {
    const { ledger, calls, templates } = this.#thread
    const { bytes, address } = this.#peer
    const { templates: placing } = this.#scheduling
    const tried = (relay.tried ??= [])
    tried.push(relay.serverSlot)
    const servers = service?.servers.filter(({ slot }) => tried.includes(slot)) ?? []
    bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
    calls.getpeername(relay.client.fd, address, address + sockaddrBytes)
    this.#at.slot = relay.serviceSlot
    const server = service && placing.place(service, this.#flow, servers)
    templates.release(relay.template)
    relay.template = 0
    ledger.addConnection(relay.serverSlot, -1)
    if (server === undefined) return this.#relays.abort(relay)
    ledger.addActive(relay.serverSlot, -1)
    this.#relays.retry(relay, server.slot, placing.slot)
  }

  #accept(fd: number, service: ServiceRecord | undefined): 'done' | 'exhausted' {
    const { calls } = this.#thread
    const { bytes, address } = this.#peer
    for (let left = clientsPerTurn; left > 0; left--) {
      bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
      const client = calls.accept4(fd, address, address + sockaddrBytes, SOCK_NONBLOCK | SOCK_CLOEXEC)
      if (client >= 0) {
        if (service === undefined) closeWithReset(this.#thread, client)
        else this.#place(client, service)
        continue
      }
      const errno = calls.errno()
      if (errno === EAGAIN) return 'done'
      if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) return 'exhausted'
    }
    return 'done'
  }

  /** Asks the scheduler. When that makes an exception, the client is refused, and the next one is asked for again. */
  #place(client: number, service: ServiceRecord): void {
    try {
      this.#at.slot = service.slot
      const { templates } = this.#scheduling
      const server = templates.place(service, this.#flow, noServers)
      if (server === undefined) return closeWithReset(this.#thread, client)
      const placed = { fd: client, serviceSlot: service.slot, serverSlot: server.slot, template: templates.slot }
      this.#dispatch(placed)
    } catch (error) {
      this.#thread.onFault(error)
      closeWithReset(this.#thread, client)
    }
  }

  /** Hands the client to the thread with the fewest connections. */
  #dispatch(placed: Placed): void {
    const thread = this.#thread
    const { threads, handoffs } = thread
    const to = threads.leastLoaded()
    threads.addConnection(to, 1)
    if (to !== thread.number && handoffs.put(placed, to, handedNew)) {
      if (watch(thread, threads.epoll(to), placed.fd)) return
      handoffs.take(placed.fd, to)
    }
    if (to !== thread.number) {
      threads.addConnection(to, -1)
      threads.addConnection(thread.number, 1)
    }
    if (watch(thread, thread.epoll, placed.fd)) return this.#relays.adopt(placed, 0)
    threads.addConnection(thread.number, -1)
    thread.ledger.addActive(placed.serverSlot, -1)
    thread.templates.release(placed.template)
    closeWithReset(thread, placed.fd)
  }
}
