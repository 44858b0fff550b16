/**
 * The TCP connections of one thread, and the bytes between their two sockets.
 *
 * Readiness is learnt from edges and kept as flags; a read that comes back short has emptied the socket. What cannot be
 * sent is held, one block per side at most, and its source is not read until it is gone: that is the back-pressure.
 */
import { isIpv6Sockaddr, sockaddrLength } from '../../../os/socket-address.ts'
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
import type { Connection } from '../../engine.ts'
import { encodeProxyHeader } from '../../proxy-protocol.ts'
import type { Buffers } from './buffers.ts'
import type { Placed } from './memory.ts'
import { type Pump, Relay, type Side, stage, stageStates } from './relay.ts'
import { close, closeWithReset, endpointOf, setHandler, setIntegerOption, type Thread, watch } from './thread.ts'

/** Full blocks moved for one side before the others get their turn. */
const blocksPerTurn = 8
/** Of the list of all, looked at in one sweep; but so many at least. */
const sweepShare = 4
const sweptAtLeast = 512
const readable = EPOLLIN | EPOLLRDHUP | EPOLLHUP

/** What becomes of a client whose server cannot be reached: the failure is counted, and the connection is still. */
export type OnUnreachable = (relay: Relay) => void

export class Relays implements Pump {
  readonly all: Relay[] = []
  readonly #thread: Thread
  readonly #buffers: Buffers
  readonly #onUnreachable: OnUnreachable
  /** Those that are being connected: few, and looked at in every sweep. */
  readonly #connecting = new Set<Relay>()
  /** Where the next sweep begins, downwards. */
  #sweepAt = 0
  #endings = 0

  constructor(thread: Thread, buffers: Buffers, onUnreachable: OnUnreachable) {
    this.#thread = thread
    this.#buffers = buffers
    this.#onUnreachable = onUnreachable
  }

  /** Takes a client over and connects it to its server, on which it is counted already, as on this thread. */
  adopt(placed: Placed, flags: number): void {
    const relay = this.#add(placed)
    if (this.#thread.places.isEnding(placed.serverSlot)) return this.abort(relay)
    if (flags !== 0) this.onEvents(relay.client, flags)
  }

  /** Takes back a client whose server could not be reached; it is connected by `retry`. */
  readopt(placed: Placed, flags: number): Relay {
    this.#thread.threads.addConnection(this.#thread.number, 1)
    const relay = this.#add(placed)
    note(relay.client, flags)
    return relay
  }

  /** Connects once more, elsewhere. */
  retry(relay: Relay, serverSlot: number, template: number): void {
    relay.serverSlot = serverSlot
    relay.template = template
    this.#connecting.add(relay)
    relay.lastMs = this.#thread.nowMs
    this.#connect(relay)
  }

  /** Gives the client away: forgets it, but closes nothing and counts nothing. */
  release(relay: Relay): void {
    this.#forget(relay)
  }

  /** A broken side breaks the other, so that a cut transfer never looks complete. */
  abort(relay: Relay): void {
    if (relay.stage === stage.gone) return
    this.#uncount(relay)
    this.#forget(relay)
    closeWithReset(this.#thread, relay.client.fd)
    if (relay.server.fd >= 0) closeWithReset(this.#thread, relay.server.fd)
  }

  /**
   * Ends what has been connecting or silent for too long, and what leads to a removed server when that is to end. The
   * silent ones are looked at a part at a time.
   */
  sweep(): void {
    const { nowMs, settings, threads } = this.#thread
    for (const relay of this.#connecting)
      if (nowMs - relay.lastMs >= settings.connectTimeoutMs) this.#unreachable(relay)
    if (threads.endings() !== this.#endings) this.#endOrphans(threads.endings())
    // Downwards: a relay that goes away leaves its place to one that has been looked at.
    const last = this.all.length - 1
    let at = this.#sweepAt > last ? last : this.#sweepAt
    for (let left = Math.max(this.all.length / sweepShare, sweptAtLeast); left > 0 && at >= 0; left--, at--) {
      const relay = this.all[at]
      if (relay !== undefined && relay.stage > stage.connecting && this.#leftMs(relay) <= 0) this.#close(relay)
    }
    this.#sweepAt = at < 0 ? Number.MAX_SAFE_INTEGER : at
  }

  describe(relay: Relay): Connection {
    const { places } = this.#thread
    return {
      protocol: 'tcp',
      client: endpointOf(this.#thread, relay.client.fd, 'peer'),
      service: places.endpoint(relay.serviceSlot),
      server: places.endpoint(relay.serverSlot),
      state: stageStates[relay.stage],
      expiresSeconds: Math.max(0, Math.round(this.#leftMs(relay) / 1000)),
    }
  }

  onEvents(side: Side, flags: number): void {
    const { relay } = side
    if (relay.stage <= stage.connecting) {
      if (!side.isClient) {
        if ((flags & (EPOLLERR | EPOLLHUP)) !== 0) return this.#unreachable(relay)
        if ((flags & EPOLLOUT) === 0) return
        this.#establish(relay)
      } else if ((flags & EPOLLERR) !== 0) return this.abort(relay)
    } else if ((flags & EPOLLERR) !== 0) return this.#broken(side)

    const isReadable = note(side, flags)
    if (relay.stage === stage.fresh) return this.#connect(relay)
    if (isReadable && relay.stage > stage.connecting) this.move(side)
    if (side.held !== undefined && (flags & EPOLLOUT) !== 0) this.#flush(side)
  }

  /** Moves what one side has said to the other, as far as both allow. */
  move(from: Side): void {
    const to = from.peer
    const { relay } = from
    const { calls, ledger } = this.#thread
    if (to.held !== undefined) return
    for (let turn = blocksPerTurn; from.canRead; ) {
      const room = this.#buffers.readBytes
      const { address } = this.#buffers.scratch
      const length = calls.recv(from.fd, address, room, 0)
      if (length <= 0) {
        from.canRead = false
        if (length === 0) this.#ended(from)
        else if (calls.errno() !== EAGAIN) this.abort(relay)
        return
      }
      relay.lastMs = this.#thread.nowMs
      if (from.isClient) ledger.addIn(relay.serverSlot, length)
      else ledger.addOut(relay.serverSlot, length)
      const isEmpty = length < room && !from.hasHungUp
      if (isEmpty) from.canRead = false
      // The FIN that follows at once goes out in the same segment.
      const sent = calls.send(to.fd, address, length, from.hasHungUp ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL)
      if (sent !== length) {
        if (sent < 0 && calls.errno() !== EAGAIN) return this.abort(relay)
        to.held = this.#buffers.hold(Math.max(sent, 0), length)
        return
      }
      if (isEmpty) return
      turn -= 1
      if (turn === 0) return void this.#thread.unfinished.push(from)
    }
  }

  /** A side can be written again: first what it was kept waiting for, then more. */
  #flush(to: Side): void {
    const { held, relay } = to
    const { calls, nowMs } = this.#thread
    if (held === undefined) return
    const sent = calls.send(to.fd, held.address + held.from, held.to - held.from, MSG_NOSIGNAL)
    if (sent < 0) {
      if (calls.errno() !== EAGAIN) this.abort(relay)
      return
    }
    relay.lastMs = nowMs
    held.from += sent
    if (held.from < held.to) return
    to.held = undefined
    this.#buffers.release(held)
    this.move(to.peer)
  }

  /** Nothing is read while something is held: all that `from` has said is delivered. */
  #ended(from: Side): void {
    const { relay } = from
    from.isEnded = true
    if (relay.stage === stage.established) {
      relay.stage = stage.halfClosed
      this.#thread.ledger.addActive(relay.serverSlot, -1)
      this.#thread.ledger.addInactive(relay.serverSlot, 1)
    } else relay.stage = stage.closing
    if (from.peer.isEnded) this.#close(relay)
    else this.#thread.calls.shutdown(from.peer.fd, SHUT_WR)
  }

  /** What came before the reset is still delivered. */
  #broken(side: Side): void {
    side.canRead = true
    this.move(side)
    this.abort(side.relay)
  }

  #connect(relay: Relay): void {
    const thread = this.#thread
    const { calls, places } = thread
    const at = places.offset(relay.serverSlot)
    const family = isIpv6Sockaddr(places.bytes, at) ? AF_INET6 : AF_INET
    const fd = calls.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    // Out of descriptors: the server is not to blame, and no other would do.
    if (fd < 0) return this.abort(relay)
    relay.server.fd = fd
    relay.stage = stage.connecting
    setIntegerOption(thread, fd, IPPROTO_TCP, TCP_NODELAY, 1)
    // What the client has said will follow the handshake at once: its last ACK need not go alone.
    if (relay.client.canRead) setIntegerOption(thread, fd, IPPROTO_TCP, TCP_QUICKACK, 0)
    const outcome = calls.connect(fd, places.address(relay.serverSlot), sockaddrLength(places.bytes, at))
    if (outcome < 0 && calls.errno() !== EINPROGRESS) {
      // Not at once: many servers that fail so would nest deeply.
      const resume = (): void => {
        if (relay.stage === stage.connecting) this.#unreachable(relay)
      }
      return void thread.unfinished.push({ resume, onFault: () => this.abort(relay) })
    }
    setHandler(thread, fd, relay.server)
    if (!watch(thread, thread.epoll, fd)) this.abort(relay)
  }

  #establish(relay: Relay): void {
    relay.stage = stage.established
    relay.lastMs = this.#thread.nowMs
    this.#connecting.delete(relay)
    this.#thread.templates.assure(relay.template)
    const version = this.#thread.places.proxyVersion(relay.serviceSlot)
    if (version !== 0) this.#introduce(relay, version === 1 ? 'v1' : 'v2')
    this.move(relay.client)
  }

  #introduce({ client, server }: Relay, version: 'v1' | 'v2'): void {
    const thread = this.#thread
    const { scratch } = this.#buffers
    const header = encodeProxyHeader(
      version,
      endpointOf(thread, client.fd, 'peer'),
      endpointOf(thread, client.fd, 'own'),
    )
    scratch.bytes.set(header)
    const sent = thread.calls.send(server.fd, scratch.address, header.length, MSG_NOSIGNAL)
    if (sent < header.length) server.held = this.#buffers.hold(Math.max(sent, 0), header.length)
  }

  #unreachable(relay: Relay): void {
    const { server } = relay
    if (server.fd >= 0) {
      close(this.#thread, server.fd)
      server.fd = -1
    }
    this.#connecting.delete(relay)
    this.#thread.ledger.addFailure(relay.serverSlot)
    this.#onUnreachable(relay)
  }

  /** Until it has been silent for too long. */
  #leftMs({ stage: at, serviceSlot, lastMs }: Relay): number {
    const { places, nowMs } = this.#thread
    const seconds = at <= stage.established ? places.idleSeconds(serviceSlot) : places.finSeconds(serviceSlot)
    return seconds * 1000 - (nowMs - lastMs)
  }

  #endOrphans(endings: number): void {
    this.#endings = endings
    for (let at = this.all.length - 1; at >= 0; at--) {
      const relay = this.all[at]
      if (relay !== undefined && this.#thread.places.isEnding(relay.serverSlot)) this.abort(relay)
    }
  }

  /** Both sides have ended, or nothing has moved for too long. */
  #close(relay: Relay): void {
    this.#uncount(relay)
    this.#forget(relay)
    close(this.#thread, relay.client.fd)
    if (relay.server.fd >= 0) close(this.#thread, relay.server.fd)
  }

  #add(placed: Placed): Relay {
    const relay = new Relay(placed, this.#thread.nowMs, this)
    relay.index = this.all.push(relay) - 1
    this.#connecting.add(relay)
    setHandler(this.#thread, placed.fd, relay.client)
    return relay
  }

  #uncount(relay: Relay): void {
    if (relay.stage <= stage.established) this.#thread.ledger.addActive(relay.serverSlot, -1)
    else this.#thread.ledger.addInactive(relay.serverSlot, -1)
    this.#thread.templates.release(relay.template)
  }

  #forget(relay: Relay): void {
    relay.stage = stage.gone
    this.#connecting.delete(relay)
    this.#thread.threads.addConnection(this.#thread.number, -1)
    const last = this.all.pop()
    if (last !== undefined && last !== relay) {
      this.all[relay.index] = last
      last.index = relay.index
    }
    this.#drop(relay.client)
    this.#drop(relay.server)
  }

  #drop(side: Side): void {
    if (side.held !== undefined) this.#buffers.release(side.held)
    side.held = undefined
    if (side.fd >= 0) this.#thread.handlers[side.fd] = undefined
  }
}

/** Keeps what the edges say; true when the side may be read. */
function note(side: Side, flags: number): boolean {
  if ((flags & readable) === 0) return false
  side.canRead = true
  if ((flags & (EPOLLRDHUP | EPOLLHUP)) !== 0) side.hasHungUp = true
  return true
}
