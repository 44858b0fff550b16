/**
 * UDP: a socket per service, and one per client towards its real server, all on thread 0. Answers leave through the
 * service's own socket, so that they come from its address.
 */
import type { Flow } from '../../../lvs/schedulers/scheduler.ts'
import type { Service } from '../../../lvs/service.ts'
import {
  isIpv6Sockaddr,
  sockaddrBytes,
  sockaddrLength,
  sockaddrPort,
  sockaddrText,
} from '../../../os/socket-address.ts'
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EPOLLIN,
  MSG_NOSIGNAL,
  type Pinned,
  pinned,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
} from '../../../os/sockets.ts'
import type { Connection } from '../../engine.ts'
import type { ServerRecord, ServiceRecord } from '../../records.ts'
import type { Table } from '../../table.ts'
import { bindSocket } from './acceptor.ts'
import { type Buffers, blockBytes } from './buffers.ts'
import { flowFrom } from './flow.ts'
import { close, type Handler, type Thread, watch } from './thread.ts'

const datagramsPerTurn = 64
/** A service that is removed still carries answers under way, for so long after the last. */
const farewellSeconds = 2

type Session = Handler & {
  readonly key: string
  readonly fd: number
  readonly client: Uint8Array
  readonly serviceSlot: number
  readonly on: ServerRecord
  lastMs: number
}

export class UdpListener implements Handler {
  readonly protocol = 'udp'
  record: ServiceRecord | undefined = undefined
  isClosed = false
  readonly #thread: Thread
  readonly #table: Table
  readonly #buffers: Buffers
  readonly #fd: number
  /** The sender of the datagram at hand, and the room for its length. */
  readonly #peer: Pinned = pinned(sockaddrBytes + 4)
  readonly #place = { slot: 0 }
  readonly #flow: Flow
  readonly #byClient = new Map<string, Session>()
  readonly #sessions = new Set<Session>()
  #isRetired = false

  /** @throws InfraError when the address cannot be taken. */
  constructor(thread: Thread, table: Table, buffers: Buffers, service: Service) {
    this.#thread = thread
    this.#table = table
    this.#buffers = buffers
    this.#flow = flowFrom(thread, this.#peer, this.#place)
    this.#fd = bindSocket(thread, service)
    thread.handlers[this.#fd] = this
    watch(thread, thread.epoll, this.#fd, EPOLLIN)
  }

  onEvents(): void {
    const { calls } = this.#thread
    const { bytes, address: peer } = this.#peer
    for (let left = datagramsPerTurn; left > 0; left--) {
      bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
      const { address } = this.#buffers.scratch
      const length = calls.recvfrom(this.#fd, address, blockBytes, 0, peer, peer + sockaddrBytes)
      if (length >= 0) this.#forward(address, length)
      // Else an earlier answer was refused, which is not ours to mend.
      else if (calls.errno() === EAGAIN) return
    }
  }

  /** Ends idle sessions; of a retired listener also the listener, with its last session. */
  sweep(): void {
    const { nowMs, places } = this.#thread
    for (const session of this.#sessions) {
      const idle = this.#isRetired ? farewellSeconds : places.idleSeconds(session.serviceSlot)
      if (nowMs - session.lastMs >= idle * 1000) this.#end(session)
    }
    if (this.#isRetired && this.#sessions.size === 0) this.close()
  }

  /** No new datagrams; the standing sessions get their answers still. The address stays taken until they end. */
  retire(): void {
    this.#isRetired = true
    this.record = undefined
  }

  revive(): void {
    this.#isRetired = false
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const session of this.#sessions) this.#end(session)
    this.#thread.handlers[this.#fd] = undefined
    this.#thread.calls.close(this.#fd)
  }

  *connections(): Iterable<Connection> {
    const { places, nowMs } = this.#thread
    for (const { client, serviceSlot, on, lastMs } of this.#sessions)
      yield {
        protocol: 'udp',
        client: { address: sockaddrText(client, 0), port: sockaddrPort(client, 0) },
        service: places.endpoint(serviceSlot),
        server: places.endpoint(on.slot),
        state: 'UDP',
        expiresSeconds: Math.max(0, Math.round(places.idleSeconds(serviceSlot) - (nowMs - lastMs) / 1000)),
      }
  }

  #forward(address: number, length: number): void {
    const { calls, ledger, nowMs } = this.#thread
    const { record } = this
    if (record === undefined) return
    const { bytes } = this.#peer
    const key = bytes.toString('latin1', 2, isIpv6Sockaddr(bytes, 0) ? 24 : 8)
    let session = this.#byClient.get(key)
    // Its server or its service was removed: placed anew.
    if (session === undefined || session.on.isRemoved) session = this.#open(record, key)
    if (session === undefined) return
    session.lastMs = nowMs
    ledger.addIn(session.on.slot, length)
    if (calls.send(session.fd, address, length, MSG_NOSIGNAL) < 0 && calls.errno() !== EAGAIN) this.#failed(session)
  }

  #answer(session: Session): void {
    const { calls, ledger, nowMs } = this.#thread
    for (let left = datagramsPerTurn; left > 0; left--) {
      const { address } = this.#buffers.scratch
      const length = calls.recv(session.fd, address, blockBytes, 0)
      if (length < 0) {
        if (calls.errno() !== EAGAIN) this.#failed(session)
        return
      }
      session.lastMs = nowMs
      ledger.addOut(session.on.slot, length)
      this.#peer.bytes.set(session.client)
      calls.sendto(this.#fd, address, length, MSG_NOSIGNAL, this.#peer.address, sockaddrLength(session.client, 0))
    }
  }

  #open(record: ServiceRecord, key: string): Session | undefined {
    const { ledger, settings, nowMs, handlers } = this.#thread
    if (this.#sessions.size >= settings.udpSessions) return undefined
    this.#place.slot = record.slot
    const on = this.#table.place(record, this.#flow)
    if (on === undefined) return undefined
    const fd = this.#connect(on.slot)
    if (fd === undefined) {
      ledger.addFailure(on.slot)
      ledger.addConnection(on.slot, -1)
      ledger.addInactive(on.slot, -1)
      return undefined
    }
    const client = Uint8Array.from(this.#peer.bytes.subarray(0, sockaddrBytes))
    const onEvents = (): void => this.#answer(session)
    const session: Session = { key, fd, client, serviceSlot: record.slot, on, lastMs: nowMs, onEvents }
    handlers[fd] = session
    this.#sessions.add(session)
    this.#byClient.set(key, session)
    return session
  }

  #connect(serverSlot: number): number | undefined {
    const { calls, places, epoll } = this.#thread
    const at = places.offset(serverSlot)
    const family = isIpv6Sockaddr(places.bytes, at) ? AF_INET6 : AF_INET
    const fd = calls.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) return undefined
    const isConnected = calls.connect(fd, places.address(serverSlot), sockaddrLength(places.bytes, at)) === 0
    if (isConnected && watch(this.#thread, epoll, fd, EPOLLIN)) return fd
    calls.close(fd)
    return undefined
  }

  /** ICMP says that nobody listens there: the client's next datagram is placed anew. */
  #failed(session: Session): void {
    this.#thread.ledger.addFailure(session.on.slot)
    this.#end(session)
  }

  #end(session: Session): void {
    if (!this.#sessions.delete(session)) return
    if (this.#byClient.get(session.key) === session) this.#byClient.delete(session.key)
    this.#thread.ledger.addInactive(session.on.slot, -1)
    close(this.#thread, session.fd)
  }
}
