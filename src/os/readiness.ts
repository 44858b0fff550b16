/**
 * Descriptors that Node has no handle for (netlink, raw and packet sockets): who is told when they can be read. One epoll
 * for all of them, waited for on one thread of libuv's pool, so that nobody polls and no packet waits for a timer.
 */
import type { KoffiFunc } from 'koffi'
import { Bug, InfraError } from '../errors.ts'
import { errnoName, libc } from './libc.ts'
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLLIN,
  epollEvent,
  loadSocketCalls,
  pinned,
  SOCK_CLOEXEC,
  type SocketCalls,
} from './sockets.ts'

type EpollWait = (epoll: number, events: number, count: number, timeoutMs: number) => number

const eventsPerWait = 64
/** An end that nobody wakes the thread for is noticed after this long. */
const waitMs = 1000

/**
 * Calls `onReadable` while there is something to read, until it is disposed of: it must read all there is, without
 * waiting. Keeps the process alive, as a socket does. Dispose before the descriptor is closed. @throws InfraError
 */
export function watchReadable(fd: number, onReadable: () => void): Disposable {
  shared ??= new Readiness()
  return shared.watch(fd, onReadable)
}

let shared: Readiness | undefined

class Readiness {
  readonly #calls: SocketCalls = loadSocketCalls()
  readonly #wait: KoffiFunc<EpollWait> = libc().func('int epoll_wait(int, int64_t, int, int)')
  readonly #epoll: number
  readonly #events = pinned(eventsPerWait * epollEvent.bytes)
  /** Readable at once: added for a moment it ends the wait. */
  readonly #alarm: number
  readonly #watched = new Map<number, () => void>()
  #isWaiting = false

  constructor() {
    this.#epoll = this.#calls.epollCreate(SOCK_CLOEXEC)
    this.#alarm = this.#calls.eventfd(1, SOCK_CLOEXEC)
    if (this.#epoll < 0 || this.#alarm < 0)
      throw new InfraError('failed', `wait for sockets: ${errnoName()}`, { subject: 'epoll' })
  }

  watch(fd: number, onReadable: () => void): Disposable {
    if (this.#watched.has(fd)) throw new Bug(`descriptor ${fd} is watched already`)
    this.#control(EPOLL_CTL_DEL, this.#alarm)
    if (this.#control(EPOLL_CTL_ADD, fd) < 0)
      throw new InfraError('failed', `wait for descriptor ${fd}: ${errnoName()}`, { subject: 'epoll' })
    this.#watched.set(fd, onReadable)
    this.#start()
    return {
      [Symbol.dispose]: () => {
        if (this.#watched.get(fd) !== onReadable) return
        this.#watched.delete(fd)
        this.#control(EPOLL_CTL_DEL, fd)
        // So that the process may end now.
        if (this.#watched.size === 0) this.#control(EPOLL_CTL_ADD, this.#alarm)
      },
    }
  }

  #start(): void {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#wait.async(this.#epoll, this.#events.address, eventsPerWait, waitMs, (error: unknown, count: number) => {
      this.#isWaiting = false
      if (error !== null && error !== undefined) throw error
      try {
        this.#tell(count)
      } finally {
        if (this.#watched.size > 0) this.#start()
      }
    })
  }

  #tell(count: number): void {
    const { bytes } = this.#events
    const ready = Array.from({ length: Math.max(count, 0) }, (_, index) =>
      bytes.readInt32LE(index * epollEvent.bytes + epollEvent.data),
    )
    for (const fd of ready) this.#watched.get(fd)?.()
  }

  #control(operation: number, fd: number): number {
    const { bytes, address } = pinned(epollEvent.bytes)
    bytes.writeUInt32LE(EPOLLIN, 0)
    bytes.writeInt32LE(fd, epollEvent.data)
    return this.#calls.epollCtl(this.#epoll, operation, fd, address)
  }
}
