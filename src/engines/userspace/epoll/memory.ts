/** What the threads of the epoll plane share: where servers and services stand, and who hands which client to whom. */

import type { Endpoint } from '../../../lvs/service.ts'
import { sockaddrBytes, sockaddrPort, sockaddrText, writeSockaddr } from '../../../os/socket-address.ts'
import { addressOf } from '../../../os/sockets.ts'
import type { EpollMemory } from '../plane.ts'

/** ```
 *  place, by ledger slot, for servers and services:   0 sockaddr  28 idle seconds  32 PROXY version
 *  handoff, by file descriptor:                       0 what      4 service slot   8 server slot  12 to whom
 *  thread, by number (0: of all):                     0 epoll fd  4 connections
 *  ``` */
const placeBytes = 36
const handoffWords = 4
const threadWords = 2

export const handedNothing = 0
/** A new client, placed on a server, for a pump. */
export const handedNew = 1
/** Its server could not be reached: the acceptor is to place it anew. */
export const handedBack = 2

export type Places = {
  set(slot: number, words: ArrayLike<number>, port: number, idleSeconds: number, proxyVersion: number): void
  /** The bytes of all places; the sockaddr of a slot begins at `offset(slot)`. */
  readonly bytes: Uint8Array
  offset(slot: number): number
  /** As the kernel finds it. */
  address(slot: number): number
  endpoint(slot: number): Endpoint
  idleSeconds(slot: number): number
  proxyVersion(slot: number): number
}

export function openPlaces(memory: EpollMemory): Places {
  const bytes = new Uint8Array(memory.places)
  const words = new Int32Array(memory.places)
  const base = addressOf(bytes)
  return {
    bytes,
    set(slot, address, port, idleSeconds, proxyVersion) {
      const at = slot * placeBytes
      writeSockaddr(bytes, at, address, port)
      words[(at + sockaddrBytes) / 4] = idleSeconds
      words[(at + sockaddrBytes) / 4 + 1] = proxyVersion
    },
    offset: (slot) => slot * placeBytes,
    address: (slot) => base + slot * placeBytes,
    endpoint(slot) {
      const at = slot * placeBytes
      return { address: sockaddrText(bytes, at), port: sockaddrPort(bytes, at) }
    },
    idleSeconds: (slot) => words[(slot * placeBytes + sockaddrBytes) / 4] ?? 0,
    proxyVersion: (slot) => words[(slot * placeBytes + sockaddrBytes) / 4 + 1] ?? 0,
  }
}

export type Handoffs = {
  /** False when this descriptor has no room here: then nobody takes it over. */
  put(fd: number, to: number, what: number, serviceSlot: number, serverSlot: number): boolean
  /** What was handed to this thread with this descriptor, once. */
  take(fd: number, thread: number): number
  serviceSlot(fd: number): number
  serverSlot(fd: number): number
  /** The descriptors handed to a thread that it has not taken. */
  pending(thread: number): number[]
}

export function openHandoffs(memory: EpollMemory): Handoffs {
  const words = new Int32Array(memory.handoffs)
  return {
    put(fd, to, what, serviceSlot, serverSlot) {
      const at = fd * handoffWords
      if (at + handoffWords > words.length) return false
      words[at + 1] = serviceSlot
      words[at + 2] = serverSlot
      words[at + 3] = to
      Atomics.store(words, at, what)
      return true
    },
    take(fd, thread) {
      const at = fd * handoffWords
      if (at >= words.length || Atomics.load(words, at) === handedNothing || words[at + 3] !== thread)
        return handedNothing
      return Atomics.exchange(words, at, handedNothing)
    },
    serviceSlot: (fd) => words[fd * handoffWords + 1] ?? 0,
    serverSlot: (fd) => words[fd * handoffWords + 2] ?? 0,
    pending(thread) {
      const found: number[] = []
      for (let at = 0; at < words.length; at += handoffWords)
        if (words[at] !== handedNothing && words[at + 3] === thread) found.push(at / handoffWords)
      return found
    },
  }
}

export type Threads = {
  readonly count: number
  setEpoll(thread: number, fd: number): void
  epoll(thread: number): number
  addConnection(thread: number, change: number): void
  /** The pump with the fewest connections; of equals the last, so that the acceptor comes last. */
  leastLoaded(): number
  /** From now on nobody may hand anything to the acceptor. */
  stop(): void
  isStopping(): boolean
}

export function openThreads(memory: EpollMemory, count: number): Threads {
  const words = new Int32Array(memory.threads)
  const at = (thread: number): number => thread * threadWords
  const stopping = at(count)
  return {
    count,
    setEpoll: (thread, fd) => void Atomics.store(words, at(thread), fd),
    epoll: (thread) => Atomics.load(words, at(thread)),
    addConnection: (thread, change) => void Atomics.add(words, at(thread) + 1, change),
    leastLoaded() {
      let best = 0
      let least = Number.POSITIVE_INFINITY
      for (let thread = count - 1; thread >= 0; thread--) {
        const load = words[at(thread) + 1] ?? 0
        if (load < least) {
          best = thread
          least = load
        }
      }
      return best
    },
    stop: () => void Atomics.store(words, stopping, 1),
    isStopping: () => Atomics.load(words, stopping) === 1,
  }
}

export function sharedEpollMemory(threads: number, slots = 65_536, descriptors = 65_536): EpollMemory {
  return {
    places: new SharedArrayBuffer(slots * placeBytes),
    handoffs: new SharedArrayBuffer(descriptors * handoffWords * 4),
    threads: new SharedArrayBuffer((threads + 1) * threadWords * 4),
  }
}
