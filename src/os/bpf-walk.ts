/** Walks over large maps beside the event loop: the kernel fills each page on another thread, in the same memory again. */
import { attributeBytes, bpfCallAside, commands, putAddress } from './bpf-call.ts'
import type { BpfMap, MapPage } from './bpf-map.ts'
import { type Pinned, pinned } from './sockets.ts'

export class MapWalk {
  readonly #map: BpfMap
  readonly #room: number
  readonly #attribute: Pinned = pinned(attributeBytes)
  readonly #keys: Pinned
  readonly #values: Pinned
  readonly #begin: Pinned
  readonly #end: Pinned

  /** `room`: entries of a page; more than any bucket of the map holds. */
  constructor(map: BpfMap, room: number) {
    const { keyBytes, valueBytes } = map.info
    this.#map = map
    this.#room = room
    this.#keys = pinned(room * keyBytes)
    this.#values = pinned(room * valueBytes)
    this.#begin = pinned(Math.max(keyBytes, 4))
    this.#end = pinned(Math.max(keyBytes, 4))
  }

  /** As `BpfMap.page`, valid until the next one is asked for; one page at a time. @throws InfraError */
  async page(from: Uint8Array | undefined): Promise<MapPage> {
    const { bytes } = this.#attribute
    bytes.fill(0)
    if (from !== undefined) {
      this.#begin.bytes.set(from)
      putAddress(bytes, 0, this.#begin.bytes)
    }
    putAddress(bytes, 8, this.#end.bytes)
    putAddress(bytes, 16, this.#keys.bytes)
    putAddress(bytes, 24, this.#values.bytes)
    bytes.writeUInt32LE(this.#room, 32)
    bytes.writeUInt32LE(this.#map.fd, 36)
    // The last page fails, too, and why is told only to calls of this thread.
    if ((await bpfCallAside(commands.mapLookupBatch, this.#attribute)) < 0) return this.#map.page(from, this.#room)
    const count = bytes.readUInt32LE(32)
    const { keyBytes, valueBytes } = this.#map.info
    return {
      count,
      keys: this.#keys.bytes.subarray(0, count * keyBytes),
      values: this.#values.bytes.subarray(0, count * valueBytes),
      next: Uint8Array.from(this.#end.bytes),
    }
  }
}
