/** Messages on their way from the group to the engine, one handful after the other; more than it may hold are refused. Pure. */
import { joined } from '../wire/joined.ts'
import type { Note } from './calls.ts'

export type Handful = Extract<Note, { readonly kind: 'messages' }>

/** Bytes. */
const mostHeld = 8 * 1024 * 1024
const mostAtOnce = 256 * 1024

export class Inbox {
  #held: Uint8Array[] = []
  #bytes = 0
  /** A handful is out, and has not been taken yet. */
  #isOut = false

  get bytes(): number {
    return this.#bytes
  }

  /** A copy of the message is kept. `false`: there is no room. */
  put(message: Uint8Array): boolean {
    if (this.#bytes + message.length > mostHeld) return false
    // Not `slice`: a Buffer's copies nothing.
    this.#held.push(new Uint8Array(message))
    this.#bytes += message.length
    return true
  }

  /** The next handful, unless one is out or nothing is held. */
  next(): Handful | undefined {
    if (this.#isOut || this.#held.length === 0) return undefined
    let [count, bytes] = [0, 0]
    const ends: number[] = []
    for (const message of this.#held) {
      if (count > 0 && bytes + message.length > mostAtOnce) break
      count += 1
      bytes += message.length
      ends.push(bytes)
    }
    const out = this.#held.splice(0, count)
    this.#bytes -= bytes
    this.#isOut = true
    return { kind: 'messages', bytes: joined(out), ends }
  }

  taken(): void {
    this.#isOut = false
  }
}
