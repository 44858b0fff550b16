/**
 * What comes from the group, and what of it is let in. Looks at each datagram as a whole: its records are read by who
 * takes them. Whatever comes, it remembers no more than before.
 */
import { decodeEnvelope, type Envelope, isEnvelope } from '../wire/sync-envelope.ts'
import { WireError } from '../wire/wire-error.ts'
import type { Refusal } from './refusals.ts'
import { ReplayGuard } from './replay.ts'
import { isSealedBy } from './seal.ts'

export type Admitted =
  | { readonly kind: 'records'; readonly message: Uint8Array }
  | { readonly kind: 'request' | 'complete' }
  | { readonly kind: 'refused'; readonly reason: Refusal }

export class Gate {
  readonly #syncId: number
  readonly #key: Uint8Array | undefined
  readonly #heard = new ReplayGuard()

  /** `syncId` 0 lets in all, as the kernel's backup does. */
  constructor(syncId: number, key: Uint8Array | undefined) {
    this.#syncId = syncId
    this.#key = key
  }

  /** `now`: milliseconds since 1970. The message shares the datagram's memory. */
  admit(datagram: Uint8Array, now: bigint): Admitted {
    if (isEnvelope(datagram)) return this.#open(datagram, now)
    if (this.#key !== undefined) return refused('unsealed')
    return this.#records(datagram)
  }

  #open(datagram: Uint8Array, now: bigint): Admitted {
    let envelope: Envelope
    try {
      envelope = decodeEnvelope(datagram)
    } catch (error) {
      if (error instanceof WireError) return refused('malformed')
      throw error
    }
    const { kind, isSealed, content } = envelope
    if (this.#key === undefined && isSealed) return refused('seal')
    if (this.#key !== undefined) {
      if (!isSealed) return refused('unsealed')
      if (!isSealedBy(datagram, this.#key)) return refused('seal')
      if (!this.#heard.admits(envelope, now)) return refused('replayed')
    }
    if (!this.#isOurs(envelope.syncId)) return refused('sync-id')
    return kind === 'records' ? this.#records(content) : { kind }
  }

  #records(message: Uint8Array): Admitted {
    const size = ((message[2] ?? 0) << 8) | (message[3] ?? 0)
    if (message.length < 4 || size !== message.length) return refused('malformed')
    return this.#isOurs(message[1] ?? 0) ? { kind: 'records', message } : refused('sync-id')
  }

  #isOurs(syncId: number): boolean {
    return this.#syncId === 0 || syncId === this.#syncId
  }
}

function refused(reason: Refusal): Admitted {
  return { kind: 'refused', reason }
}
