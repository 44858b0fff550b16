/** Memory through which bytes pass: one block to read into, and blocks lent to sides that cannot be written yet. */
import { type Pinned, pinned } from '../../../os/sockets.ts'

export const blockBytes = 256 * 1024
/** When so much is lent to slow receivers, reads become small, so that each of them holds little. */
const plentyLent = 64 * 1024 * 1024
const smallRead = 16 * 1024
const keptBlocks = 16

/** Bytes that wait to be sent. */
export type Held = Pinned & { from: number; to: number }

export class Buffers {
  /** What is read goes here, and is sent from here at once. */
  scratch: Pinned = pinned(blockBytes)
  #free: Pinned[] = []
  #lent = 0

  get readBytes(): number {
    return this.#lent < plentyLent ? blockBytes : smallRead
  }

  /** Keeps scratch bytes [from, to) for later: few are copied, many take the block with them. */
  hold(from: number, to: number): Held {
    const length = to - from
    if (length <= smallRead) {
      const copy = pinned(length)
      this.scratch.bytes.copy(copy.bytes, 0, from, to)
      this.#lent += length
      return { ...copy, from: 0, to: length }
    }
    const held = { ...this.scratch, from, to }
    this.scratch = this.#free.pop() ?? pinned(blockBytes)
    this.#lent += blockBytes
    return held
  }

  /** Takes back what `hold` lent. */
  release({ bytes, address }: Held): void {
    this.#lent -= bytes.length
    if (bytes.length === blockBytes && this.#free.length < keptBlocks) this.#free.push({ bytes, address })
  }
}
