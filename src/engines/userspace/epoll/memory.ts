/** What the threads of the epoll plane share: where servers and services stand, and who hands which client to whom. */

import type { Endpoint } from '../../../lvs/service.ts'
import { sockaddrBytes, sockaddrPort, sockaddrText, writeSockaddr } from '../../../os/socket-address.ts'
import { addressOf } from '../../../os/sockets.ts'
import { ledgerSlots } from '../../ledger.ts'
import type { EpollMemory } from '../plane.ts'

/** ```
 *  place, by ledger slot, for servers and services:   0 sockaddr  28 idle seconds  32 the same when half closed
 *                                                     36 PROXY version  40 whether its connections are to end
 *  handoff, by file descriptor:                       0 what      4 service slot   8 server slot  12 to whom  16 template
 *  thread, by number (last: of all):                  0 epoll fd  4 connections    (0 stopping   4 endings)
 *  ``` */
const placeBytes = 44
const handoffWords = 5
const threadWords = 2
/** Words of a place after its sockaddr. */
const word = {
  idle: sockaddrBytes / 4,
  fin: sockaddrBytes / 4 + 1,
  proxy: sockaddrBytes / 4 + 2,
  ending: sockaddrBytes / 4 + 3,
}

export const handedNothing = 0
/** A new client, placed on a server, for a pump. */
export const handedNew = 1
/** Its server could not be reached: the acceptor is to place it anew. */
export const handedBack = 2

/** Of a service: how long its connections may be silent, and the PROXY protocol's version (0: none). */
export type PlaceRules = { readonly idleSeconds: number; readonly finSeconds: number; readonly proxyVersion: number }

export type Places = {
  set(slot: number, words: ArrayLike<number>, port: number, rules?: PlaceRules): void
  /** The bytes of all places; the sockaddr of a slot begins at `offset(slot)`. */
  readonly bytes: Uint8Array
  offset(slot: number): number
  /** As the kernel finds it. */
  address(slot: number): number
  endpoint(slot: number): Endpoint
  idleSeconds(slot: number): number
  finSeconds(slot: number): number
  proxyVersion(slot: number): number
  /** Of a server that was removed: its connections end at once. Lasts until the slot is set again. */
  end(slot: number): void
  isEnding(slot: number): boolean
}

export function openPlaces(memory: EpollMemory): Places {
  const bytes = new Uint8Array(memory.places)
  const words = new Int32Array(memory.places)
  const base = addressOf(bytes)
  const wordAt = (slot: number, which: number): number => (slot * placeBytes) / 4 + which
  return {
    bytes,
    set(slot, address, port, rules = noRules) {
      writeSockaddr(bytes, slot * placeBytes, address, port)
      words[wordAt(slot, word.idle)] = rules.idleSeconds
      words[wordAt(slot, word.fin)] = rules.finSeconds
      words[wordAt(slot, word.proxy)] = rules.proxyVersion
      words[wordAt(slot, word.ending)] = 0
    },
    offset: (slot) => slot * placeBytes,
    address: (slot) => base + slot * placeBytes,
    endpoint(slot) {
      const at = slot * placeBytes
      return { address: sockaddrText(bytes, at), port: sockaddrPort(bytes, at) }
    },
    idleSeconds: (slot) => words[wordAt(slot, word.idle)] ?? 0,
    finSeconds: (slot) => words[wordAt(slot, word.fin)] ?? 0,
    proxyVersion: (slot) => words[wordAt(slot, word.proxy)] ?? 0,
    end: (slot) => void Atomics.store(words, wordAt(slot, word.ending), 1),
    isEnding: (slot) => Atomics.load(words, wordAt(slot, word.ending)) === 1,
  }
}

const noRules: PlaceRules = { idleSeconds: 0, finSeconds: 0, proxyVersion: 0 }

/** A client with what the scheduler has decided about it. */
export type Placed = {
  readonly fd: number
  readonly serviceSlot: number
  readonly serverSlot: number
  readonly template: number
}

export type Handoffs = {
  /** False when this descriptor has no room here: then nobody takes it over. */
  put(client: Placed, to: number, what: number): boolean
  /** What was handed to this thread with this descriptor, once. */
  take(fd: number, thread: number): number
  /** What was taken with it. */
  placed(fd: number): Placed
  /** The descriptors handed to a thread that it has not taken. */
  pending(thread: number): number[]
}

export function openHandoffs(memory: EpollMemory): Handoffs {
  const words = new Int32Array(memory.handoffs)
  return {
    put({ fd, serviceSlot, serverSlot, template }, to, what) {
      const at = fd * handoffWords
      if (at + handoffWords > words.length) return false
      words[at + 1] = serviceSlot
      words[at + 2] = serverSlot
      words[at + 3] = to
      words[at + 4] = template
      Atomics.store(words, at, what)
      return true
    },
    take(fd, thread) {
      const at = fd * handoffWords
      if (at >= words.length || Atomics.load(words, at) === handedNothing || words[at + 3] !== thread)
        return handedNothing
      return Atomics.exchange(words, at, handedNothing)
    },
    placed(fd) {
      const at = fd * handoffWords
      return { fd, serviceSlot: words[at + 1] ?? 0, serverSlot: words[at + 2] ?? 0, template: words[at + 4] ?? 0 }
    },
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
  /** Says that connections of removed servers are to end, and how often that was said. */
  sayEndings(): void
  endings(): number
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
    sayEndings: () => void Atomics.add(words, stopping + 1, 1),
    endings: () => Atomics.load(words, stopping + 1),
  }
}

/** Untouched pages cost nothing. */
export function sharedEpollMemory(threads: number, slots = ledgerSlots, descriptors = 1_048_576): EpollMemory {
  return {
    places: new SharedArrayBuffer(slots * placeBytes),
    handoffs: new SharedArrayBuffer(descriptors * handoffWords * 4),
    threads: new SharedArrayBuffer((threads + 1) * threadWords * 4),
  }
}
