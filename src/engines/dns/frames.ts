/** Messages over TCP, each after its length in two bytes (RFC 1035 §4.2.2), however the stream was cut. */

export class Frames {
  #rest: Buffer = Buffer.alloc(0)

  /** More of the stream. */
  push(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
  }

  /** The next message that is there as a whole. */
  next(): Buffer | undefined {
    if (this.#rest.length < 2) return undefined
    const end = 2 + this.#rest.readUInt16BE(0)
    if (this.#rest.length < end) return undefined
    const message = this.#rest.subarray(2, end)
    this.#rest = this.#rest.subarray(end)
    return message
  }

  /** Bytes that wait for the rest of their message, or for their turn. */
  get waiting(): number {
    return this.#rest.length
  }
}

export function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(2 + message.length)
  framed.writeUInt16BE(message.length, 0)
  message.copy(framed, 2)
  return framed
}
