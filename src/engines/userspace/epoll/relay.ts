/**
 * A TCP connection as two sockets, and the bytes between them.
 *
 * Readiness is learnt from edges and kept as flags; a read that comes back short has emptied the socket. What cannot be
 * sent is held, one block per side at most, and its source is not read until it is gone: that is the back-pressure.
 */

import type { Endpoint } from '../../../lvs/service.ts'
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
  EINPROGRESS,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  IPPROTO_TCP,
  MSG_MORE,
  MSG_NOSIGNAL,
  SHUT_WR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  TCP_NODELAY,
  TCP_QUICKACK,
} from '../../../os/sockets.ts'
import type { Connection, ConnectionState } from '../../engine.ts'
import { encodeProxyHeader } from '../proxy-protocol.ts'
import type { Buffers, Held } from './buffers.ts'
import { closeWithReset, type Handler, type Thread, watch } from './thread.ts'

/** Full blocks moved for one side before the others get their turn. */
const blocksPerTurn = 8

/** Taken over; the first event will say whether the client has spoken already. */
const fresh = 0
const connecting = 1
const established = 2
const halfClosed = 3
const closing = 4
const gone = 5
const stateNames: readonly ConnectionState[] = ['syn-sent', 'syn-sent', 'established', 'fin-wait', 'closing']

export type Relays = {
  /** Takes a client over and connects it to its server, on which it is counted already, as on this thread. */
  adopt(client: number, serviceSlot: number, serverSlot: number, flags: number): void
  /** Takes back a client whose server could not be reached; it is connected by `retry`. */
  readopt(client: number, serviceSlot: number, serverSlot: number, flags: number): Relay
  /** Connects once more, elsewhere. */
  retry(relay: Relay, serverSlot: number): void
  /** Gives the client away: forgets it, but closes nothing and counts nothing. */
  release(relay: Relay): void
  /** A broken side breaks the other, so that a cut transfer never looks complete. */
  abort(relay: Relay): void
  /** Ends what has been silent, or has been connecting, for too long. */
  sweep(): void
  readonly all: readonly Relay[]
  describe(relay: Relay): Connection
}

/** What becomes of a client whose server cannot be reached; the failure is counted, the connection still is, too. */
export type OnUnreachable = (relay: Relay) => void

/** One socket of a relay. A class, so that all have one shape and one method: this is the hot path. */
export class Side implements Handler {
  fd: number
  readonly relay: Relay
  readonly isClient: boolean
  peer: Side = this
  /** An edge said so, and no read has emptied the socket since. */
  canRead = false
  /** The other end has sent its FIN: read up to it. */
  hasHungUp = false
  /** Read up to its FIN. */
  isEnded = false
  /** Waits to be sent here. */
  held: Held | undefined = undefined
  readonly #pump: Pump

  constructor(relay: Relay, fd: number, isClient: boolean, pump: Pump) {
    this.relay = relay
    this.fd = fd
    this.isClient = isClient
    this.#pump = pump
  }

  onEvents(flags: number): void {
    this.#pump.onEvents(this, flags)
  }

  /** After a turn that ended for fairness' sake. */
  resume(): void {
    if (this.relay.stage !== gone) this.#pump.move(this)
  }
}

export class Relay {
  readonly client: Side
  readonly server: Side
  readonly serviceSlot: number
  serverSlot: number
  stage = fresh
  lastMs: number
  /** Where it stands in the list of all. */
  index = 0
  /** Slots of servers that could not be reached. */
  tried: number[] | undefined = undefined

  constructor(client: number, serviceSlot: number, serverSlot: number, nowMs: number, pump: Pump) {
    this.client = new Side(this, client, true, pump)
    this.server = new Side(this, -1, false, pump)
    this.client.peer = this.server
    this.server.peer = this.client
    this.serviceSlot = serviceSlot
    this.serverSlot = serverSlot
    this.lastMs = nowMs
  }
}

type Pump = { onEvents(side: Side, flags: number): void; move(from: Side): void }

export function openRelays(thread: Thread, buffers: Buffers, onUnreachable: OnUnreachable): Relays {
  const { calls, handlers, ledger, places } = thread
  const all: Relay[] = []

  const onEvents = (side: Side, flags: number): void => {
    const { relay } = side
    if (relay.stage <= connecting) {
      if (!side.isClient) {
        if ((flags & (EPOLLERR | EPOLLHUP)) !== 0) return unreachable(relay)
        if ((flags & EPOLLOUT) === 0) return
        establish(relay)
      } else if ((flags & EPOLLERR) !== 0) return abort(relay)
    } else if ((flags & EPOLLERR) !== 0) return broken(side)

    if (relay.stage === fresh) {
      note(side, flags)
      return connect(relay)
    }
    if (note(side, flags) && relay.stage > connecting) move(side)
    if (side.held !== undefined && (flags & EPOLLOUT) !== 0 && relay.stage !== gone) flush(side)
  }

  /** What came before the reset is still delivered. */
  const broken = (side: Side): void => {
    side.canRead = true
    move(side)
    abort(side.relay)
  }

  const note = (side: Side, flags: number): boolean => {
    if ((flags & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) === 0) return false
    side.canRead = true
    if ((flags & (EPOLLRDHUP | EPOLLHUP)) !== 0) side.hasHungUp = true
    return true
  }

  /** Moves what one side has said to the other, as far as both allow. */
  const move = (from: Side): void => {
    const to = from.peer
    const { relay } = from
    if (to.held !== undefined) return
    for (let turn = blocksPerTurn; from.canRead; ) {
      const room = buffers.readBytes
      const { address } = buffers.scratch
      const length = calls.recv(from.fd, address, room, 0)
      if (length <= 0) {
        from.canRead = false
        if (length === 0) ended(from)
        else if (calls.errno() !== EAGAIN) abort(relay)
        return
      }
      relay.lastMs = thread.nowMs
      if (from.isClient) ledger.addIn(relay.serverSlot, length)
      else ledger.addOut(relay.serverSlot, length)
      const isEmpty = length < room && !from.hasHungUp
      if (isEmpty) from.canRead = false
      // The FIN that follows at once goes out in the same segment.
      const sent = calls.send(to.fd, address, length, from.hasHungUp ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL)
      if (sent !== length) {
        if (sent < 0 && calls.errno() !== EAGAIN) return abort(relay)
        to.held = buffers.hold(Math.max(sent, 0), length)
        return
      }
      if (isEmpty) return
      turn -= 1
      if (turn === 0) return void thread.unfinished.push(from)
    }
  }

  /** A side can be written again: first what it was kept waiting for, then more. */
  const flush = (to: Side): void => {
    const { held, relay, peer: from } = to
    if (held === undefined) return
    const sent = calls.send(to.fd, held.address + held.from, held.to - held.from, MSG_NOSIGNAL)
    if (sent < 0) {
      if (calls.errno() !== EAGAIN) abort(relay)
      return
    }
    relay.lastMs = thread.nowMs
    held.from += sent
    if (held.from < held.to) return
    to.held = undefined
    buffers.release(held)
    if (from.isEnded) farewell(from)
    else move(from)
  }

  const ended = (from: Side): void => {
    const { relay } = from
    from.isEnded = true
    if (relay.stage === established) {
      relay.stage = halfClosed
      ledger.addActive(relay.serverSlot, -1)
      ledger.addInactive(relay.serverSlot, 1)
    } else relay.stage = closing
    if (from.peer.held === undefined) farewell(from)
  }

  /** All that `from` has said is delivered: says its goodbye, or ends the relay when both have. */
  const farewell = (from: Side): void => {
    const to = from.peer
    if (to.isEnded && from.held === undefined) close(from.relay)
    else calls.shutdown(to.fd, SHUT_WR)
  }

  const connect = (relay: Relay): void => {
    const at = places.offset(relay.serverSlot)
    const family = isIpv6Sockaddr(places.bytes, at) ? AF_INET6 : AF_INET
    const fd = calls.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    // Out of descriptors: the server is not to blame, and no other would do.
    if (fd < 0) return abort(relay)
    relay.server.fd = fd
    relay.stage = connecting
    thread.small.bytes.writeInt32LE(1, 0)
    calls.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, thread.small.address, 4)
    if (relay.client.canRead) {
      // What the client has said will follow the handshake at once: its last ACK need not go alone.
      thread.small.bytes.writeInt32LE(0, 0)
      calls.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, thread.small.address, 4)
    }
    const outcome = calls.connect(fd, places.address(relay.serverSlot), sockaddrLength(places.bytes, at))
    if (outcome < 0 && calls.errno() !== EINPROGRESS) {
      // Not at once: many servers that fail so would nest deeply.
      const resume = (): void => {
        if (relay.stage === connecting) unreachable(relay)
      }
      return void thread.unfinished.push({ resume })
    }
    handlers[fd] = relay.server
    if (!watch(thread, thread.epoll, fd)) abort(relay)
  }

  const establish = (relay: Relay): void => {
    relay.stage = established
    relay.lastMs = thread.nowMs
    const version = places.proxyVersion(relay.serviceSlot)
    if (version !== 0) introduce(relay, version === 1 ? 'v1' : 'v2')
    move(relay.client)
  }

  const introduce = (relay: Relay, version: 'v1' | 'v2'): void => {
    const header = encodeProxyHeader(version, endpointOf(relay.client.fd, 'peer'), endpointOf(relay.client.fd, 'own'))
    buffers.scratch.bytes.set(header)
    const sent = calls.send(relay.server.fd, buffers.scratch.address, header.length, MSG_NOSIGNAL)
    if (sent < header.length) relay.server.held = buffers.hold(Math.max(sent, 0), header.length)
  }

  const unreachable = (relay: Relay): void => {
    dropServer(relay)
    ledger.addFailure(relay.serverSlot)
    onUnreachable(relay)
  }

  const dropServer = ({ server }: Relay): void => {
    if (server.fd < 0) return
    handlers[server.fd] = undefined
    calls.close(server.fd)
    server.fd = -1
  }

  const forget = (relay: Relay): void => {
    relay.stage = gone
    thread.threads.addConnection(thread.number, -1)
    const last = all.pop()
    if (last !== undefined && last !== relay) {
      all[relay.index] = last
      last.index = relay.index
    }
    for (const side of [relay.client, relay.server]) {
      if (side.held !== undefined) buffers.release(side.held)
      side.held = undefined
      if (side.fd >= 0) handlers[side.fd] = undefined
    }
  }

  const uncount = ({ stage, serverSlot }: Relay): void => {
    if (stage <= established) ledger.addActive(serverSlot, -1)
    else ledger.addInactive(serverSlot, -1)
  }

  const close = (relay: Relay): void => {
    if (relay.stage === gone) return
    uncount(relay)
    forget(relay)
    calls.close(relay.client.fd)
    if (relay.server.fd >= 0) calls.close(relay.server.fd)
  }

  const abort = (relay: Relay): void => {
    if (relay.stage === gone) return
    uncount(relay)
    forget(relay)
    closeWithReset(thread, relay.client.fd)
    if (relay.server.fd >= 0) closeWithReset(thread, relay.server.fd)
  }

  const endpointOf = (fd: number, which: 'own' | 'peer'): Endpoint => {
    const { bytes, address } = thread.small
    bytes.writeInt32LE(sockaddrBytes, 32)
    if (which === 'own') calls.getsockname(fd, address, address + 32)
    else if (calls.getpeername(fd, address, address + 32) < 0) return { address: '0.0.0.0', port: 0 }
    return { address: sockaddrText(bytes, 0), port: sockaddrPort(bytes, 0) }
  }

  const placeOf = (slot: number): Endpoint => {
    const at = places.offset(slot)
    return { address: sockaddrText(places.bytes, at), port: sockaddrPort(places.bytes, at) }
  }

  const pump: Pump = { onEvents, move }
  const take = (client: number, serviceSlot: number, serverSlot: number): Relay => {
    const relay = new Relay(client, serviceSlot, serverSlot, thread.nowMs, pump)
    relay.index = all.push(relay) - 1
    handlers[client] = relay.client
    return relay
  }
  return {
    all,
    adopt(client, serviceSlot, serverSlot, flags) {
      const relay = take(client, serviceSlot, serverSlot)
      if (flags !== 0) onEvents(relay.client, flags)
    },
    readopt(client, serviceSlot, serverSlot, flags) {
      thread.threads.addConnection(thread.number, 1)
      const relay = take(client, serviceSlot, serverSlot)
      note(relay.client, flags)
      return relay
    },
    retry(relay, serverSlot) {
      relay.serverSlot = serverSlot
      relay.lastMs = thread.nowMs
      connect(relay)
    },
    release: forget,
    abort,
    sweep() {
      for (let at = all.length - 1; at >= 0; at--) {
        const relay = all[at]
        if (relay === undefined) continue
        const silentMs = thread.nowMs - relay.lastMs
        if (relay.stage <= connecting) {
          if (silentMs >= thread.settings.connectTimeoutMs) unreachable(relay)
        } else if (silentMs >= places.idleSeconds(relay.serviceSlot) * 1000) close(relay)
      }
    },
    describe(relay) {
      const left = places.idleSeconds(relay.serviceSlot) - (thread.nowMs - relay.lastMs) / 1000
      return {
        protocol: 'tcp',
        client: endpointOf(relay.client.fd, 'peer'),
        service: placeOf(relay.serviceSlot),
        server: placeOf(relay.serverSlot),
        state: stateNames[relay.stage] ?? 'closing',
        expiresSeconds: Math.max(0, Math.round(left)),
      }
    },
  }
}
