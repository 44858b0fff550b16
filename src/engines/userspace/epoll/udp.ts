/**
 * UDP: a socket per service, and one per client towards its real server, all on thread 0. Answers leave through the
 * service's own socket, so that they come from its address.
 */
import { callIdOf } from '../../../lvs/call-id.ts'
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
import { isOnePacket, type Scheduling } from '../../scheduling.ts'
import { bindSocket } from './acceptor.ts'
import { type Buffers, blockBytes } from './buffers.ts'
import { flowFrom } from './flow.ts'
import { close, type Handler, setHandler, type Thread, watch } from './thread.ts'

const datagramsPerTurn = 64
/** A service that is removed still carries answers under way, for so long after the last. */
const farewellSeconds = 2
/** Where each datagram is scheduled by itself, an answer is awaited for so long. */
const answerSeconds = 30
const noServers: readonly ServerRecord[] = []

type Session = Handler & {
  readonly key: string
  readonly fd: number
  readonly client: Uint8Array
  readonly serviceSlot: number
  readonly on: ServerRecord
  /** The slot of its persistence template, or 0. */
  readonly template: number
  /** Stands for no connection: it only waits for answers to datagrams that were scheduled one by one. */
  readonly isForAnswers: boolean
  lastMs: number
}

export class UdpListener implements Handler {
  readonly protocol = 'udp'
  record: ServiceRecord | undefined = undefined
  isClosed = false
  readonly #thread: Thread
  readonly #scheduling: Scheduling
  readonly #buffers: Buffers
  readonly #fd: number
  /** The sender of the datagram at hand, and the room for its length. */
  readonly #peer: Pinned = pinned(sockaddrBytes + 4)
  readonly #at = { slot: 0 }
  readonly #flow: Flow
  readonly #byClient = new Map<string, Session>()
  readonly #sessions = new Set<Session>()
  #isRetired = false

  /** @throws InfraError when the address cannot be taken. */
  constructor(thread: Thread, scheduling: Scheduling, buffers: Buffers, service: Service) {
    this.#thread = thread
    this.#scheduling = scheduling
    this.#buffers = buffers
    this.#flow = flowFrom(thread, this.#peer, this.#at)
    this.#fd = bindSocket(thread, service)
    setHandler(thread, this.#fd, this)
    watch(thread, thread.epoll, this.#fd, EPOLLIN)
  }

  onEvents(): void {
    const { calls } = this.#thread
    const { bytes, address: peer } = this.#peer
    for (let left = datagramsPerTurn; left > 0; left--) {
      bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
      const { address } = this.#buffers.scratch
      const length = calls.recvfrom(this.#fd, address, blockBytes, 0, peer, peer + sockaddrBytes)
      if (length >= 0) this.#forward(length)
      // Else an earlier answer was refused, which is not ours to mend.
      else if (calls.errno() === EAGAIN) return
    }
  }

  /** Ends idle sessions, with `orphans` also those of removed servers; of a retired listener at last the listener. */
  sweep(orphans: boolean): void {
    const { nowMs } = this.#thread
    for (const session of this.#sessions) {
      const isOver = nowMs - session.lastMs >= this.#idleSeconds(session) * 1000
      if (isOver || (orphans && session.on.isRemoved)) this.#end(session)
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

  /** Those that stand for a connection. */
  *sessions(): Iterable<Session> {
    for (const session of this.#sessions) if (!session.isForAnswers) yield session
  }

  describe(session: Session): Connection {
    const { places, nowMs } = this.#thread
    const { client, serviceSlot, on, lastMs } = session
    return {
      protocol: 'udp',
      client: { address: sockaddrText(client, 0), port: sockaddrPort(client, 0) },
      service: places.endpoint(serviceSlot),
      server: places.endpoint(on.slot),
      state: 'UDP',
      expiresSeconds: Math.max(0, Math.round(places.idleSeconds(serviceSlot) - (nowMs - lastMs) / 1000)),
    }
  }

  #idleSeconds({ serviceSlot, isForAnswers }: Session): number {
    if (this.#isRetired) return farewellSeconds
    const idle = this.#thread.places.idleSeconds(serviceSlot)
    return isForAnswers ? Math.min(idle, answerSeconds) : idle
  }

  /** The datagram at hand, of this length, goes to its client's server. */
  #forward(length: number): void {
    const { record } = this
    if (record === undefined) return
    try {
      const session = isOnePacket(record) ? this.#scheduled(record, length) : this.#standing(record, length)
      if (session !== undefined) this.#send(session, length)
    } catch (error) {
      // Such as of a scheduler: this datagram is lost, the next one may fare better.
      this.#thread.onFault(error)
    }
  }

  #send(session: Session, length: number): void {
    const { calls, ledger, nowMs } = this.#thread
    session.lastMs = nowMs
    ledger.addIn(session.on.slot, length)
    const sent = calls.send(session.fd, this.#buffers.scratch.address, length, MSG_NOSIGNAL)
    if (sent < 0 && calls.errno() !== EAGAIN) this.#failed(session)
  }

  get #clientKey(): string {
    const { bytes } = this.#peer
    return bytes.toString('latin1', 2, isIpv6Sockaddr(bytes, 0) ? 24 : 8)
  }

  /** The client's session; a new one when it has none, or when its server or service was removed. */
  #standing(record: ServiceRecord, length: number): Session | undefined {
    const key = this.#clientKey
    const session = this.#byClient.get(key)
    if (session !== undefined && !session.on.isRemoved) return session
    if (this.#sessions.size >= this.#thread.settings.udpSessions) return undefined
    const on = this.#place(record, length)
    return on && this.#open(record, key, on, false)
  }

  /** Asks the scheduler for this datagram alone. Answers come back through a session for this client and server. */
  #scheduled(record: ServiceRecord, length: number): Session | undefined {
    const on = this.#place(record, length)
    if (on === undefined) return undefined
    // The connection ends with its only packet.
    this.#thread.templates.release(this.#scheduling.templates.slot)
    const key = `${this.#clientKey} ${on.slot}`
    const session = this.#byClient.get(key)
    // The slot of a server that is gone may be another's now.
    if (session !== undefined && session.on !== on) this.#end(session)
    else if (session !== undefined) {
      // The one used longest ago stands first.
      this.#sessions.delete(session)
      this.#sessions.add(session)
      return session
    }
    const [oldest] = this.#sessions
    if (oldest !== undefined && this.#sessions.size >= this.#thread.settings.udpSessions) this.#end(oldest)
    return this.#open(record, key, on, true)
  }

  #place(record: ServiceRecord, length: number): ServerRecord | undefined {
    this.#at.slot = record.slot
    const { templates } = this.#scheduling
    const isSip = record.service.persistence?.engine === 'sip'
    const callId = isSip ? callIdOf(this.#buffers.scratch.bytes.subarray(0, length)) : undefined
    return templates.place(record, this.#flow, noServers, callId)
  }

  #answer(session: Session): void {
    const { calls, ledger, nowMs, templates } = this.#thread
    for (let left = datagramsPerTurn; left > 0; left--) {
      const { address } = this.#buffers.scratch
      const length = calls.recv(session.fd, address, blockBytes, 0)
      if (length < 0) {
        if (calls.errno() !== EAGAIN) this.#failed(session)
        return
      }
      session.lastMs = nowMs
      templates.assure(session.template)
      if (countsOn(session)) ledger.addOut(session.on.slot, length)
      this.#peer.bytes.set(session.client)
      calls.sendto(this.#fd, address, length, MSG_NOSIGNAL, this.#peer.address, sockaddrLength(session.client, 0))
    }
  }

  #open(record: ServiceRecord, key: string, on: ServerRecord, isForAnswers: boolean): Session | undefined {
    const { ledger, nowMs, templates } = this.#thread
    const template = isForAnswers ? 0 : this.#scheduling.templates.slot
    const fd = this.#connect(on.slot)
    if (fd === undefined) {
      ledger.addFailure(on.slot)
      ledger.addConnection(on.slot, -1)
      if (!isForAnswers) ledger.addInactive(on.slot, -1)
      templates.release(template)
      return undefined
    }
    const client = Uint8Array.from(this.#peer.bytes.subarray(0, sockaddrBytes))
    const session: Session = {
      key,
      fd,
      client,
      serviceSlot: record.slot,
      on,
      template,
      isForAnswers,
      lastMs: nowMs,
      onEvents: () => this.#answer(session),
      onFault: () => this.#end(session),
    }
    setHandler(this.#thread, fd, session)
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
    if (countsOn(session)) this.#thread.ledger.addFailure(session.on.slot)
    this.#end(session)
  }

  #end(session: Session): void {
    if (!this.#sessions.delete(session)) return
    if (this.#byClient.get(session.key) === session) this.#byClient.delete(session.key)
    if (!session.isForAnswers) this.#thread.ledger.addInactive(session.on.slot, -1)
    this.#thread.templates.release(session.template)
    close(this.#thread, session.fd)
  }
}

/** What only waits for answers keeps no hold of its server: once that is removed, its slot may be another's. */
function countsOn({ isForAnswers, on }: Session): boolean {
  return !isForAnswers || !on.isRemoved
}
