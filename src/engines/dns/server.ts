/** A real server of a DNS-based service: what answers say of it, and how often they named it first. */
import type { AddressWords, Candidate } from '../../lvs/schedulers/scheduler.ts'
import { familyOf, type RealServer, realServerKey } from '../../lvs/service.ts'
import type { Counters } from '../engine.ts'
import { addressWords } from '../records.ts'
import { encodeRecord } from './codec.ts'

export type MutableCounters = { -readonly [Name in keyof Counters]: number }

export const zeroCounters = (): MutableCounters => ({
  connections: 0,
  packetsIn: 0,
  packetsOut: 0,
  bytesIn: 0,
  bytesOut: 0,
})

/** Parts of a TTL in which answers are counted; one more than they last, so that none is forgotten too early. */
const parts = 8

export class DnsServer implements Candidate {
  server: RealServer
  readonly key: string
  readonly type: 'A' | 'AAAA'
  /** Below the service's name: `10-0-0-1`, `fd00-0-0-0-0-0-0-1`. */
  readonly label: string
  readonly address: AddressWords
  readonly port: number
  lastWeight: number
  /** Answers that named it first and may still be kept by who asked. */
  active = 0
  readonly inactive = 0
  readonly overloaded = false
  readonly isTried = false
  counters = zeroCounters()
  /** How many of them in each part of the TTL. Made when there are any. */
  #recent: number[] | undefined

  constructor(server: RealServer) {
    this.server = plain(server)
    this.key = realServerKey(server)
    this.type = familyOf(server.address) === 'ipv4' ? 'A' : 'AAAA'
    this.address = addressWords(server.address) ?? [0]
    this.label = labelOf(this.type, this.address)
    this.port = server.port
    this.lastWeight = server.weight
  }

  get weight(): number {
    return this.server.weight
  }

  edit(server: RealServer): void {
    this.server = plain(server)
    if (server.weight > 0) this.lastWeight = server.weight
  }

  addressRecord(ttl: number): Buffer {
    return encodeRecord({ type: this.type, ttl, data: this.server.address })
  }

  serviceRecord(ttl: number, zone: string): Buffer {
    const data = {
      priority: 0,
      weight: Math.min(this.weight, 65_535),
      port: this.port,
      target: `${this.label}.${zone}`,
    }
    return encodeRecord({ type: 'SRV', ttl, data })
  }

  /** Named first in an answer given in this part of the time. */
  named(part: number): void {
    this.#recent ??= Array.from({ length: parts + 1 }, () => 0)
    this.active += 1
    const at = part % this.#recent.length
    this.#recent[at] = (this.#recent[at] ?? 0) + 1
  }

  /** Time went on by so many parts, up to `part`: answers that nobody keeps any longer are forgotten. */
  forget(part: number, steps: number): void {
    if (this.#recent === undefined) return
    for (let step = 0; step < Math.min(steps, this.#recent.length); step++) {
      const at = (part - step) % this.#recent.length
      this.active -= this.#recent[at] ?? 0
      this.#recent[at] = 0
    }
  }

  forgetAll(): void {
    this.active = 0
    this.#recent = undefined
  }
}

/** Which part of its time a moment lies in; undefined when answers are not kept at all. */
export function partAt(nowMs: number, ttlSeconds: number): number | undefined {
  return ttlSeconds > 0 ? Math.floor((nowMs * parts) / (ttlSeconds * 1000)) : undefined
}

function labelOf(type: 'A' | 'AAAA', words: AddressWords): string {
  const all = Array.from(words)
  if (type === 'A') return all.flatMap((word) => [24, 16, 8, 0].map((by) => (word >>> by) & 255)).join('-')
  return all.flatMap((word) => [word >>> 16, word & 0xffff].map((group) => group.toString(16))).join('-')
}

/** Only what the model knows: callers may pass richer objects. */
function plain({ address, port, forwarding, weight, upperThreshold, lowerThreshold, tunnel }: RealServer): RealServer {
  const server = { address, port, forwarding, weight, upperThreshold, lowerThreshold }
  return tunnel === undefined ? server : { ...server, tunnel }
}
