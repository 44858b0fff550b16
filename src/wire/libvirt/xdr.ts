/** XDR (RFC 4506), as far as libvirt uses it: everything is big-endian and takes a multiple of four bytes. */
import { WireError } from '../wire-error.ts'

/** Longer strings and arrays are nothing that libvirt sends (remote_protocol.x: REMOTE_STRING_MAX, the lists' limits). */
export const maxStringBytes = 4 * 1024 * 1024
const maxItems = 1024 * 1024

/** A mark at the beginning is a part of the text. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()

/** Reads values one after the other. Every method throws WireError when they do not stand there. */
export class XdrReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#at
  }

  int(): number {
    return this.#view.getInt32(this.#take(4, 'an int'))
  }

  uint(): number {
    return this.#view.getUint32(this.#take(4, 'an unsigned int'))
  }

  hyper(): bigint {
    return this.#view.getBigInt64(this.#take(8, 'a hyper'))
  }

  uhyper(): bigint {
    return this.#view.getBigUint64(this.#take(8, 'an unsigned hyper'))
  }

  double(): number {
    return this.#view.getFloat64(this.#take(8, 'a double'))
  }

  fixed(length: number): Uint8Array {
    const at = this.#take(aligned(length), `${length} bytes`)
    return this.#bytes.subarray(at, at + length)
  }

  opaque(): Uint8Array {
    const at = this.#at
    const length = this.uint()
    if (length > maxStringBytes) throw new WireError(at, `at most ${maxStringBytes} bytes`)
    return this.fixed(length)
  }

  text(): string {
    return decoder.decode(this.opaque())
  }

  /** How many items follow. */
  count(): number {
    const at = this.#at
    const count = this.uint()
    if (count > maxItems) throw new WireError(at, `at most ${maxItems} items`)
    return count
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new WireError(this.#at, 'the end')
  }

  #take(length: number, what: string): number {
    const at = this.#at
    if (at + length > this.#bytes.length) throw new WireError(at, what)
    this.#at += length
    return at
  }
}

/** Writes values one after the other. */
export class XdrWriter {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  int(value: number): void {
    const at = this.#grow(4)
    this.#view.setInt32(at, value)
  }

  uint(value: number): void {
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
  }

  hyper(value: bigint): void {
    const at = this.#grow(8)
    this.#view.setBigInt64(at, value)
  }

  uhyper(value: bigint): void {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, value)
  }

  double(value: number): void {
    const at = this.#grow(8)
    this.#view.setFloat64(at, value)
  }

  fixed(value: Uint8Array): void {
    const at = this.#grow(aligned(value.length))
    this.#bytes.set(value, at)
  }

  opaque(value: Uint8Array): void {
    this.uint(value.length)
    this.fixed(value)
  }

  text(value: string): void {
    this.opaque(encoder.encode(value))
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  /** Where the next value goes. It may give other `#bytes` and `#view`, so it is asked before these are. */
  #grow(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    return at
  }
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4
}
