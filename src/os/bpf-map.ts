/** Maps of eBPF: entries by key, in batches, and as memory that is shared with the program. */
import { Bug, InfraError } from '../errors.ts'
import {
  attribute,
  attributeBytes,
  bpfCall,
  closeFd,
  commands,
  E2BIG,
  ENOENT,
  ENOSPC,
  putAddress,
  steady,
} from './bpf-call.ts'
import { errnoName, koffi, libc } from './libc.ts'
import { pinned } from './sockets.ts'

const BPF_F_MMAPABLE = 1 << 10
const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const pageBytes = 4096

export type MapInfo = {
  readonly keyBytes: number
  readonly valueBytes: number
  readonly maxEntries: number
  readonly isMappable: boolean
}

/** A page of a walk; `next` is where the next one begins, undefined at the end. */
export type MapPage = {
  readonly count: number
  readonly keys: Buffer
  readonly values: Buffer
  readonly next: Uint8Array | undefined
}

export class BpfMap implements Disposable {
  readonly name: string
  readonly fd: number
  readonly info: MapInfo
  /** Bytes of a value as the kernel copies it: of a per-CPU map, one for each. */
  readonly #copied: number
  readonly #key
  readonly #value

  constructor(name: string, fd: number, cpus = 1) {
    this.name = name
    this.fd = fd
    this.info = mapInfo(fd)
    this.#copied = cpus > 1 ? cpus * align(this.info.valueBytes, 8) : this.info.valueBytes
    this.#key = pinned(Math.max(this.info.keyBytes, 4))
    this.#value = pinned(this.#copied)
  }

  /** A copy, or undefined when there is no such entry. */
  lookup(key: Uint8Array): Buffer | undefined {
    this.#key.bytes.set(key)
    const result = this.#element(commands.mapLookup, 0)
    if (result === -ENOENT) return undefined
    this.#must(result, 'look up')
    return Buffer.from(this.#value.bytes)
  }

  /** @throws InfraError `no-space` when it is full. */
  update(key: Uint8Array, value: Uint8Array): void {
    this.#key.bytes.set(key)
    this.#value.bytes.fill(0).set(value)
    const result = this.#element(commands.mapUpdate, 0)
    if (result === -E2BIG)
      throw new InfraError('no-space', `${this.name}: all ${this.info.maxEntries} entries are taken`, {
        subject: this.name,
      })
    this.#must(result, 'update')
  }

  /** The first entries of an array at once. */
  fill(values: Uint8Array): void {
    const count = Math.floor(values.length / this.info.valueBytes)
    if (count === 0) return
    const keys = pinned(4 * count)
    for (let index = 0; index < count; index++) keys.bytes.writeUInt32LE(index, 4 * index)
    const memory = steady(values)
    const result = bpfCall(commands.mapUpdateBatch, (target) => {
      putAddress(target, 16, keys.bytes)
      putAddress(target, 24, memory)
      target.writeUInt32LE(count, 32)
      target.writeUInt32LE(this.fd, 36)
    })
    this.#must(result, 'fill')
  }

  /** Whether it was there. */
  delete(key: Uint8Array): boolean {
    this.#key.bytes.set(key)
    const result = this.#element(commands.mapDelete, 0)
    if (result === -ENOENT) return false
    this.#must(result, 'delete')
    return true
  }

  /** Up to `count` entries; of a hash, those that are there all along come once, others perhaps. */
  page(from: Uint8Array | undefined, count: number): MapPage {
    // A batch must hold a whole bucket.
    for (let room = count; ; room *= 2) {
      const keys = pinned(room * this.info.keyBytes)
      const values = pinned(room * this.#copied)
      const [begin, end] = [pinned(Math.max(this.info.keyBytes, 4)), pinned(Math.max(this.info.keyBytes, 4))]
      if (from !== undefined) begin.bytes.set(from)
      const result = bpfCall(commands.mapLookupBatch, (target) => {
        if (from !== undefined) putAddress(target, 0, begin.bytes)
        putAddress(target, 8, end.bytes)
        putAddress(target, 16, keys.bytes)
        putAddress(target, 24, values.bytes)
        target.writeUInt32LE(room, 32)
        target.writeUInt32LE(this.fd, 36)
      })
      if (result === -ENOSPC) continue
      if (result < 0 && result !== -ENOENT) this.#must(result, 'read')
      const found = attribute.readUInt32LE(32)
      return {
        count: found,
        keys: keys.bytes.subarray(0, found * this.info.keyBytes),
        values: values.bytes.subarray(0, found * this.#copied),
        next: result === -ENOENT ? undefined : end.bytes,
      }
    }
  }

  /** Its values as memory, for as long as the process lives; `stride` bytes from one to the next. */
  mapped(): { readonly bytes: Buffer; readonly stride: number } {
    if (!this.info.isMappable) throw new Bug(`${this.name} cannot be mapped`)
    const stride = align(this.info.valueBytes, 8)
    const length = align(stride * this.info.maxEntries, pageBytes)
    const mmap = libc().func('void *mmap(int64_t, size_t, int, int, int, int64_t)')
    const address: unknown = mmap(0, length, PROT_READ_WRITE, MAP_SHARED, this.fd, 0)
    const failed = koffi().address(address) === 0xffff_ffff_ffff_ffffn
    if (failed) throw new InfraError('failed', `map ${this.name}: ${errnoName()}`, { subject: this.name })
    return { bytes: Buffer.from(koffi().view(address, length)), stride }
  }

  [Symbol.dispose](): void {
    closeFd(this.fd)
  }

  #element(command: number, flags: number): number {
    return bpfCall(command, (target) => {
      target.writeUInt32LE(this.fd, 0)
      putAddress(target, 8, this.#key.bytes)
      if (command !== commands.mapDelete) putAddress(target, 16, this.#value.bytes)
      target.writeBigUInt64LE(BigInt(flags), 24)
    })
  }

  #must(result: number, verb: string): void {
    if (result < 0)
      throw new InfraError('failed', `${verb} in ${this.name}: ${errnoName(-result)}`, { subject: this.name })
  }
}

function mapInfo(fd: number): MapInfo {
  const info = pinned(attributeBytes)
  const result = bpfCall(commands.infoByFd, (target) => {
    target.writeUInt32LE(fd, 0)
    target.writeUInt32LE(info.bytes.length, 4)
    putAddress(target, 8, info.bytes)
  })
  if (result < 0) throw new InfraError('failed', `ask for a map: ${errnoName(-result)}`, { subject: 'eBPF' })
  const [keyBytes = 0, valueBytes = 0, maxEntries = 0, flags = 0] = [8, 12, 16, 20].map((at) =>
    info.bytes.readUInt32LE(at),
  )
  return { keyBytes, valueBytes, maxEntries, isMappable: (flags & BPF_F_MMAPABLE) !== 0 }
}

function align(bytes: number, to: number): number {
  return Math.ceil(bytes / to) * to
}
