/**
 * Datagrams of our own, sealed with a key where there is one: HMAC-SHA-256 (RFC 2104), cut to 128 bits (RFC 4868), over
 * all that stands before it. The kernel's protocol has no such thing.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Envelope, encodeEnvelope, tagBytes } from '../wire/sync-envelope.ts'

/** What a sender says of itself: a number that no other life has, and how many it has sent. */
export class Sealer {
  readonly #syncId: number
  readonly #key: Uint8Array | undefined
  readonly #sender: bigint
  #number = 0n

  constructor(options: { readonly syncId: number; readonly key: Uint8Array | undefined; readonly sender: bigint }) {
    this.#syncId = options.syncId
    this.#key = options.key
    this.#sender = options.sender
  }

  /** A message of the kernel's as it goes out: as it is, or sealed where there is a key. */
  records(message: Uint8Array, now: bigint): Uint8Array {
    return this.#key === undefined ? message : this.seal('records', message, now)
  }

  /** `now`: milliseconds since 1970. */
  seal(kind: Envelope['kind'], content: Uint8Array, now: bigint): Uint8Array {
    const number = this.#number++
    const isSealed = this.#key !== undefined
    const bytes = encodeEnvelope({
      syncId: this.#syncId,
      kind,
      isSealed,
      sender: this.#sender,
      time: now,
      number,
      content,
    })
    if (this.#key !== undefined) bytes.set(tagOf(bytes, this.#key), bytes.length - tagBytes)
    return bytes
  }
}

export function isSealedBy(bytes: Uint8Array, key: Uint8Array): boolean {
  return timingSafeEqual(tagOf(bytes, key), bytes.subarray(bytes.length - tagBytes))
}

function tagOf(bytes: Uint8Array, key: Uint8Array): Uint8Array {
  const whole = createHmac('sha256', key)
    .update(bytes.subarray(0, bytes.length - tagBytes))
    .digest()
  return whole.subarray(0, tagBytes)
}
