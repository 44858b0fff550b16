/**
 * Which of a sender's numbered datagrams have been heard already, as RFC 4303 §3.4.3 does it: late ones are taken within
 * a window, each once. Senders that have been silent for longer than a datagram is good for are forgotten. Pure.
 */
import type { Envelope } from '../wire/sync-envelope.ts'

/** A datagram is good for so long by its sender's clock, before or after ours. */
export const toleranceMs = 60_000n
const windowBits = 1024n
const windowMask = (1n << windowBits) - 1n
/** More at once are not told apart: those whose key is known are few. */
const mostSenders = 64

type Sender = { highest: bigint; seen: bigint; lastTime: bigint }

export class ReplayGuard {
  readonly #senders = new Map<bigint, Sender>()

  get senders(): number {
    return this.#senders.size
  }

  /** Whether it is new. Only for datagrams whose seal is good: it is remembered. `now`: milliseconds since 1970. */
  admits({ sender, time, number }: Pick<Envelope, 'sender' | 'time' | 'number'>, now: bigint): boolean {
    if (time < now - toleranceMs || time > now + toleranceMs) return false
    const known = this.#senders.get(sender) ?? this.#begin(sender, now)
    if (known === undefined) return false
    const behind = known.highest - number
    if (behind >= windowBits || (behind >= 0n && (known.seen & (1n << behind)) !== 0n)) return false
    if (behind >= 0n) known.seen |= 1n << behind
    else {
      known.seen = -behind >= windowBits ? 1n : ((known.seen << -behind) | 1n) & windowMask
      known.highest = number
    }
    if (time > known.lastTime) known.lastTime = time
    return true
  }

  /** undefined when there are too many. */
  #begin(sender: bigint, now: bigint): Sender | undefined {
    // What they have sent is too old to be heard again.
    for (const [id, { lastTime }] of this.#senders) if (lastTime < now - toleranceMs) this.#senders.delete(id)
    if (this.#senders.size >= mostSenders) return undefined
    const fresh = { highest: -1n, seen: 0n, lastTime: 0n }
    this.#senders.set(sender, fresh)
    return fresh
  }
}
