/** One thread of the epoll plane: its epoll, the handlers of its descriptors, and the loop that wakes them. */

import type { Endpoint } from '../../../lvs/service.ts'
import { sockaddrBytes, sockaddrPort, sockaddrText } from '../../../os/socket-address.ts'
import {
  EPOLL_CTL_ADD,
  EPOLLET,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  epollEvent,
  type Pinned,
  pinned,
  SO_LINGER,
  SOCK_CLOEXEC,
  SOL_SOCKET,
  type SocketCalls,
} from '../../../os/sockets.ts'
import type { Ledger } from '../../ledger.ts'
import type { TemplateUse } from '../../template-use.ts'
import type { PlaneSettings } from '../plane.ts'
import type { Handoffs, Places, Threads } from './memory.ts'

/** Edge-triggered, both ways, once and for all: no descriptor is ever modified again. */
const edges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET
const eventsPerWait = 512
const sleepMs = 250
/** Node's own loop turns so often, for what only it does (such as finalizers). */
const turnMs = 1000

export interface Unfinished {
  resume(): void
  onFault(): void
}

export interface Handler {
  onEvents(flags: number): void
  /** Its events made an exception: it goes away alone. Where this is missing, the whole plane does. */
  onFault?(): void
}

export type Thread = {
  readonly number: number
  readonly calls: SocketCalls
  readonly ledger: Ledger
  readonly settings: PlaneSettings
  readonly places: Places
  readonly handoffs: Handoffs
  readonly threads: Threads
  readonly templates: TemplateUse
  readonly epoll: number
  readonly handlers: (Handler | undefined)[]
  /** Work left over for fairness' sake: done again before the thread sleeps. */
  readonly unfinished: Unfinished[]
  /** An exception that cost a connection, and nothing else. */
  readonly onFault: (error: unknown) => void
  /** To be closed when all events of this wake-up are handled: see `close`. */
  readonly doomed: number[]
  /** Monotonic, as of the last wake-up. */
  nowMs: number
  /** Small arguments and results of calls: 64 bytes. */
  readonly small: Pinned
}

export type ThreadParts = Omit<Thread, 'epoll' | 'handlers' | 'unfinished' | 'doomed' | 'nowMs' | 'small'>

export function openThread(parts: ThreadParts): Thread {
  const epoll = parts.calls.epollCreate(SOCK_CLOEXEC)
  if (epoll < 0) throw new Error('epoll_create1 failed')
  parts.threads.setEpoll(parts.number, epoll)
  return { ...parts, epoll, handlers: [], unfinished: [], doomed: [], nowMs: performance.now(), small: pinned(64) }
}

/** Kept dense: an array with gaps would become a slow table. */
export function setHandler({ handlers }: Thread, fd: number, handler: Handler): void {
  while (handlers.length < fd) handlers.push(undefined)
  handlers[fd] = handler
}

/** Adds a descriptor to an epoll, its own or another thread's. False when that failed. */
export function watch(thread: Thread, epoll: number, fd: number, events: number = edges): boolean {
  const { bytes, address } = thread.small
  bytes.writeInt32LE(events | 0, 0)
  bytes.writeInt32LE(fd, epollEvent.data)
  return thread.calls.epollCtl(epoll, EPOLL_CTL_ADD, fd, address) === 0
}

/**
 * Forgets a connection's socket and closes it after the events at hand: were its number taken again before, by any
 * thread, an event still waiting for the old socket would be taken for the new one's.
 */
export function close(thread: Thread, fd: number): void {
  thread.handlers[fd] = undefined
  thread.doomed.push(fd)
}

/** The same, and the peer sees a reset. */
export function closeWithReset(thread: Thread, fd: number): void {
  const { bytes, address } = thread.small
  bytes.writeInt32LE(1, 0)
  bytes.writeInt32LE(0, 4)
  thread.calls.setsockopt(fd, SOL_SOCKET, SO_LINGER, address, 8)
  close(thread, fd)
}

export function closeDoomed({ doomed, calls }: Thread): void {
  for (const fd of doomed) calls.close(fd)
  doomed.length = 0
}

/** setsockopt of an int. Failures do not matter: such options only make things faster. */
export function setIntegerOption(
  { calls, small }: Thread,
  fd: number,
  level: number,
  name: number,
  value: number,
): void {
  small.bytes.writeInt32LE(value, 0)
  calls.setsockopt(fd, level, name, small.address, 4)
}

/** A socket's own end or its peer's; zeros when it is not connected any more. */
export function endpointOf({ calls, small }: Thread, fd: number, which: 'own' | 'peer'): Endpoint {
  const { bytes, address } = small
  bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
  const length = address + sockaddrBytes
  const outcome = which === 'own' ? calls.getsockname(fd, address, length) : calls.getpeername(fd, address, length)
  if (outcome < 0) return { address: '0.0.0.0', port: 0 }
  return { address: sockaddrText(bytes, 0), port: sockaddrPort(bytes, 0) }
}

export type LoopHooks = {
  /** A descriptor without a handler has an event: another thread may have handed it over. */
  onStranger(fd: number, flags: number): void
  /** A few times a second. */
  onTick(): void
  /** False ends the loop. */
  isRunning(): boolean
}

/** An exception ends the connection that made it, and no other. */
function handle(thread: Thread, handler: Handler, flags: number): void {
  try {
    handler.onEvents(flags)
  } catch (error) {
    if (handler.onFault === undefined) throw error
    thread.onFault(error)
    handler.onFault()
  }
}

function resume(thread: Thread, work: Unfinished): void {
  try {
    work.resume()
  } catch (error) {
    thread.onFault(error)
    work.onFault()
  }
}

/** Runs until the hooks say that it is over; returns a promise of that. */
export function runLoop(thread: Thread, hooks: LoopHooks): Promise<void> {
  const events = pinned(eventsPerWait * epollEvent.bytes)
  const words = new Int32Array(events.bytes.buffer, 0, (eventsPerWait * epollEvent.bytes) / 4)
  const stride = epollEvent.bytes / 4
  const data = epollEvent.data / 4
  const { calls, handlers, unfinished } = thread
  let nextTick = thread.nowMs + sleepMs

  const step = (): void => {
    const count = calls.epollWait(thread.epoll, events.address, eventsPerWait, unfinished.length > 0 ? 0 : sleepMs)
    thread.nowMs = performance.now()
    for (let at = 0; at < count; at++) {
      const flags = words[at * stride] ?? 0
      const fd = words[at * stride + data] ?? 0
      const handler = handlers[fd]
      if (handler === undefined) hooks.onStranger(fd, flags)
      else handle(thread, handler, flags)
    }
    if (unfinished.length > 0) for (const work of unfinished.splice(0)) resume(thread, work)
    if (thread.nowMs >= nextTick) {
      nextTick = thread.nowMs + sleepMs
      hooks.onTick()
    }
    if (thread.doomed.length > 0) closeDoomed(thread)
  }

  return new Promise((resolve, reject) => {
    const turn = (): void => {
      try {
        const end = performance.now() + turnMs
        while (hooks.isRunning() && thread.nowMs < end) step()
        if (hooks.isRunning()) setImmediate(turn)
        else resolve()
      } catch (error) {
        reject(error)
      }
    }
    turn()
  })
}
