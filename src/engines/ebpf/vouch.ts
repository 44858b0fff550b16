/**
 * Vouches for the ways out that the program keeps with its flows (bpf/route.h): a generation of them holds while nothing
 * has changed, and for a moment at most, so that an end of this process, or a hang, leaves nothing that is out of date.
 */
import { followNetlink, type NetlinkNews } from '../../os/netlink.ts'
import { decodeNeighbour, neighbourMessages } from '../../wire/neighbour.ts'
import type { NetlinkMessage } from '../../wire/netlink.ts'
import { layouts } from './layout.ts'
import type { SharedArray } from './maps.ts'

/** How long a word holds: ticks come more often. */
const momentNs = 1_000_000_000n
/**
 * What the kernel tells nobody of is learned by asking anew: path MTUs and redirects, and what a link's end takes along
 * after it has been told.
 */
const generationMs = 1000

/** RTNLGRP_…: links, neighbours, addresses, routes, rules and forwarding of IPv4 and IPv6, next hops. */
const groups = [1, 3, 5, 7, 8, 9, 11, 19, 24, 25, 32]
const neighbourTypes: readonly number[] = Object.values(neighbourMessages)

export class Vouch implements Disposable {
  readonly #generation: Uint32Array
  readonly #until: BigUint64Array
  readonly #news: ReturnType<typeof followNetlink>
  /** The hardware address of each neighbour that was told of. */
  readonly #neighbours = new Map<string, string | undefined>()
  #raisedMs = Number.NEGATIVE_INFINITY
  #hasHeard = false

  /** @throws InfraError */
  constructor({ bytes }: SharedArray) {
    const { generation, until } = layouts.vouched.at
    this.#generation = new Uint32Array(bytes.buffer, bytes.byteOffset + generation, 1)
    this.#until = new BigUint64Array(bytes.buffer, bytes.byteOffset + until, 1)
    this.#news = followNetlink('route', groups, (news) => this.#hear(news))
  }

  /** For another moment. */
  tick(nowMs: number): void {
    // News of a link's end come before its routes are gone: what was asked for meanwhile is out of date.
    const isDue = this.#hasHeard || nowMs - this.#raisedMs >= generationMs
    this.#hasHeard = false
    // What waits to be heard comes before the word is given.
    this.#news.read()
    if (isDue) {
      this.#raise()
      this.#raisedMs = nowMs
    }
    Atomics.store(this.#until, 0, process.hrtime.bigint() + momentNs)
  }

  /** From here on each packet asks for itself. */
  [Symbol.dispose](): void {
    this.#news[Symbol.dispose]()
    Atomics.store(this.#until, 0, 0n)
  }

  #hear(news: NetlinkNews): void {
    if (news.kind === 'missed') this.#neighbours.clear()
    else if (news.messages.filter((message) => this.#isChange(message)).length === 0) return
    this.#raise()
    this.#hasHeard = true
  }

  /** Neighbours are told of whenever they are heard from: what counts is another hardware address, or none. */
  #isChange(message: NetlinkMessage): boolean {
    if (!neighbourTypes.includes(message.type)) return true
    const news = decodeNeighbour(message)
    if (news === undefined) return false
    const { key, hardware } = news
    const isChange = !this.#neighbours.has(key) || this.#neighbours.get(key) !== hardware
    if (message.type === neighbourMessages.removed) this.#neighbours.delete(key)
    else this.#neighbours.set(key, hardware)
    return isChange
  }

  /** 0 is what a flow begins with, and the last number that of a way which is being written. */
  #raise(): void {
    const next = ((this.#generation[0] ?? 0) + 1) % 0xffff_ffff
    Atomics.store(this.#generation, 0, Math.max(next, 1))
  }
}
