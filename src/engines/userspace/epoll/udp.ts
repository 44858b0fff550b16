/**
 * UDP: a socket per service, and one per client towards its real server, all on thread 0. Answers leave through the
 * service's own socket, so that they come from its address.
 */
import type { Flow } from '../../../lvs/schedulers/scheduler.ts'
import type { Endpoint, Service } from '../../../lvs/service.ts'
import {
  isIpv6Sockaddr,
  sockaddrBytes,
  sockaddrLength,
  sockaddrPort,
  sockaddrText,
  sockaddrWords,
} from '../../../os/socket-address.ts'
import {
  AF_INET,
  AF_INET6,
  EAGAIN,
  EPOLLIN,
  MSG_NOSIGNAL,
  pinned,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
} from '../../../os/sockets.ts'
import type { Connection } from '../../engine.ts'
import type { ServerRecord, ServiceRecord, Table } from '../../table.ts'
import { bindSocket } from './acceptor.ts'
import { type Buffers, blockBytes } from './buffers.ts'
import { type Handler, type Thread, watch } from './thread.ts'

const datagramsPerTurn = 64
/** A service that is removed still carries answers under way, for so long after the last. */
const farewellSeconds = 2

export type UdpListener = Handler & {
  readonly protocol: 'udp'
  record: ServiceRecord | undefined
  readonly sessions: ReadonlySet<Session>
  /** Ends idle sessions; of a retired listener also the listener, with its last session. */
  sweep(): void
  /** No new datagrams; the standing sessions get their answers still. The address stays taken until they end. */
  retire(): void
  revive(): void
  isClosed(): boolean
  close(): void
}

export type Session = {
  readonly key: string
  readonly fd: number
  readonly client: Uint8Array
  readonly serviceSlot: number
  readonly on: ServerRecord
  lastMs: number
}

/** @throws InfraError when the address cannot be taken. */
export function listenUdp(thread: Thread, table: Table, buffers: Buffers, service: Service): UdpListener {
  const fd = bindSocket(thread, service)
  const { calls, ledger, places, handlers } = thread
  const peer = pinned(sockaddrBytes + 4)
  const peerLength = peer.address + sockaddrBytes
  const byClient = new Map<string, Session>()
  const sessions = new Set<Session>()
  let isRetired = false
  let isClosed = false
  let serviceSlot = 0
  const flow: Flow = {
    get source() {
      return sockaddrWords(peer.bytes, 0)
    },
    get sourcePort() {
      return sockaddrPort(peer.bytes, 0)
    },
    get destination() {
      return sockaddrWords(places.bytes, places.offset(serviceSlot))
    },
    get destinationPort() {
      return sockaddrPort(places.bytes, places.offset(serviceSlot))
    },
    get atMs() {
      return thread.nowMs
    },
  }

  const end = (session: Session): void => {
    if (!sessions.delete(session)) return
    if (byClient.get(session.key) === session) byClient.delete(session.key)
    ledger.addInactive(session.on.slot, -1)
    handlers[session.fd] = undefined
    calls.close(session.fd)
  }

  const open = (record: ServiceRecord, key: string): Session | undefined => {
    if (sessions.size >= thread.settings.udpSessions) return undefined
    serviceSlot = record.slot
    const on = table.place(record, flow)
    if (on === undefined) return undefined
    const at = places.offset(on.slot)
    const family = isIpv6Sockaddr(places.bytes, at) ? AF_INET6 : AF_INET
    const own = calls.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    const isOpen = own >= 0 && calls.connect(own, places.address(on.slot), sockaddrLength(places.bytes, at)) === 0
    if (!isOpen || !watch(thread, thread.epoll, own, EPOLLIN)) {
      if (own >= 0) calls.close(own)
      ledger.addFailure(on.slot)
      ledger.addConnection(on.slot, -1)
      ledger.addInactive(on.slot, -1)
      return undefined
    }
    const client = Uint8Array.from(peer.bytes.subarray(0, sockaddrBytes))
    const session: Session = { key, fd: own, client, serviceSlot, on, lastMs: thread.nowMs }
    handlers[own] = { onEvents: () => answer(session) }
    sessions.add(session)
    byClient.set(key, session)
    return session
  }

  /** ICMP says that nobody listens there: the client's next datagram is placed anew. */
  const failed = (session: Session): void => {
    ledger.addFailure(session.on.slot)
    end(session)
  }

  const answer = (session: Session): void => {
    for (let left = datagramsPerTurn; left > 0; left--) {
      const { address } = buffers.scratch
      const length = calls.recv(session.fd, address, blockBytes, 0)
      if (length < 0) {
        if (calls.errno() !== EAGAIN) failed(session)
        return
      }
      session.lastMs = thread.nowMs
      ledger.addOut(session.on.slot, length)
      if (isClosed) continue
      peer.bytes.set(session.client)
      calls.sendto(fd, address, length, MSG_NOSIGNAL, peer.address, sockaddrLength(peer.bytes, 0))
    }
  }

  const listener: UdpListener = {
    protocol: 'udp',
    record: undefined,
    sessions,
    onEvents() {
      for (let left = datagramsPerTurn; left > 0; left--) {
        peer.bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
        const { address } = buffers.scratch
        const length = calls.recvfrom(fd, address, blockBytes, 0, peer.address, peerLength)
        if (length < 0) {
          // Else an earlier answer was refused, which is not ours to mend.
          if (calls.errno() === EAGAIN) return
          continue
        }
        if (listener.record === undefined) continue
        const key = peer.bytes.toString('latin1', 2, isIpv6Sockaddr(peer.bytes, 0) ? 24 : 8)
        let session = byClient.get(key)
        // Its server or its service was removed: placed anew.
        if (session === undefined || session.on.isRemoved) session = open(listener.record, key)
        if (session === undefined) continue
        session.lastMs = thread.nowMs
        ledger.addIn(session.on.slot, length)
        if (calls.send(session.fd, address, length, MSG_NOSIGNAL) < 0 && calls.errno() !== EAGAIN) failed(session)
      }
    },
    sweep() {
      for (const session of sessions) {
        const idle = isRetired ? farewellSeconds : places.idleSeconds(session.serviceSlot)
        if (thread.nowMs - session.lastMs >= idle * 1000) end(session)
      }
      if (isRetired && sessions.size === 0) listener.close()
    },
    retire() {
      isRetired = true
      listener.record = undefined
    },
    revive() {
      isRetired = false
    },
    isClosed: () => isClosed,
    close() {
      if (isClosed) return
      isClosed = true
      for (const session of sessions) end(session)
      handlers[fd] = undefined
      calls.close(fd)
    },
  }
  handlers[fd] = listener
  watch(thread, thread.epoll, fd, EPOLLIN)
  return listener
}

export function describeSession(thread: Thread, session: Session): Connection {
  const { places } = thread
  const endpoint = (bytes: Uint8Array, at: number): Endpoint => ({
    address: sockaddrText(bytes, at),
    port: sockaddrPort(bytes, at),
  })
  const left = places.idleSeconds(session.serviceSlot) - (thread.nowMs - session.lastMs) / 1000
  return {
    protocol: 'udp',
    client: endpoint(session.client, 0),
    service: endpoint(places.bytes, places.offset(session.serviceSlot)),
    server: endpoint(places.bytes, places.offset(session.on.slot)),
    state: 'udp',
    expiresSeconds: Math.max(0, Math.round(left)),
  }
}
