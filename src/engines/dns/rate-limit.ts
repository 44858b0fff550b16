/**
 * How many answers a network gets over UDP: whoever asks in another's name shall not be able to flood that one. Beyond the
 * limit every other question is answered with TC alone, so that who is really there can ask over TCP. Pure.
 */
import type { AddressWords } from '../../lvs/schedulers/scheduler.ts'

export type Verdict = 'answer' | 'truncate' | 'drop'

/** A fixed number of buckets: networks that share one share its rate, and nobody can fill the memory. */
const buckets = 65_536

export class RateLimit {
  readonly #perSecond: number
  readonly #seed: number
  readonly #left: Float64Array
  readonly #atMs: Float64Array
  #isSlip = false

  /** `seed`: chosen anew by each responder, so that nobody knows whom one shares a bucket with. */
  constructor(perSecond: number, seed: number) {
    this.#perSecond = perSecond
    this.#seed = seed
    this.#left = new Float64Array(buckets).fill(perSecond)
    this.#atMs = new Float64Array(buckets)
  }

  /** One answer for this client; `nowMs` is monotonic. A burst may last a second. */
  take(client: AddressWords, nowMs: number): Verdict {
    const bucket = this.#bucketOf(client)
    const earned = ((nowMs - (this.#atMs[bucket] ?? 0)) * this.#perSecond) / 1000
    const left = Math.min((this.#left[bucket] ?? 0) + earned, this.#perSecond)
    this.#atMs[bucket] = nowMs
    this.#left[bucket] = left >= 1 ? left - 1 : left
    if (left >= 1) return 'answer'
    this.#isSlip = !this.#isSlip
    return this.#isSlip ? 'truncate' : 'drop'
  }

  /** IPv4 by /24, IPv6 by /56: what one customer has. */
  #bucketOf(client: AddressWords): number {
    const [high = 0, low = 0] = [client[0], client[1]]
    const network = client.length === 1 ? [high >>> 8, 0] : [high, low >>> 8]
    let hash = this.#seed
    for (const word of network) {
      hash = Math.imul(hash ^ word, 0x9e37_79b1)
      hash ^= hash >>> 15
    }
    return (Math.imul(hash, 0x85eb_ca6b) >>> 16) % buckets
  }
}
