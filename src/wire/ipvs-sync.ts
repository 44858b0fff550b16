/**
 * The connection synchronisation protocol of Linux's IPVS (net/netfilter/ipvs/ip_vs_sync.c): version 1 written and read,
 * version 0 read. Datagrams come from anybody: what is wrong with one is a value, never an exception.
 */
import { joined } from './joined.ts'

/** Bits of `flags` that matter here (include/uapi/linux/ip_vs.h). */
export const syncFlags = {
  forwarding: 0x7, sync: 0x20, hashed: 0x40, noOutput: 0x80, inactive: 0x100, sequences: 0x600, noClientPort: 0x800,
  template: 0x1000, onePacket: 0x2000,
} as const // biome-ignore format: a list to read at a glance

/** How sequence numbers are moved in one direction: by `delta` from `initial` on, by `previousDelta` before. */
export type SequenceShift = { readonly initial: number; readonly delta: number; readonly previousDelta: number }

/** A connection or a persistence template. Addresses are 4 or 16 bytes in network order, all of one length. */
export type SyncRecord = {
  /** 0: a template of a firewall mark. */
  readonly protocol: number
  readonly flags: number
  /** The kernel's code of the protocol's state; of a template bit 0: assured. */
  readonly state: number
  readonly client: Uint8Array
  readonly service: Uint8Array
  readonly server: Uint8Array
  readonly clientPort: number
  readonly servicePort: number
  readonly serverPort: number
  readonly mark: number
  /** Seconds; 0: the receiver's default of that state. */
  readonly timeout: number
  readonly sequences?: { readonly in: SequenceShift; readonly out: SequenceShift }
  readonly engine?: { readonly name: string; readonly data: Uint8Array }
}

/** `flaws`: records that could not be read, and what was wrong; what stands before them is good. */
export type SyncMessage =
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'message'
      readonly version: 0 | 1
      readonly syncId: number
      readonly records: readonly SyncRecord[]
      readonly flaws: readonly string[]
    }

/**
 * ```
 *  header 1:  0 zero  1 sync id  2 size  4 records  5 version 1  6 zero
 *  record 1:  0 type  1 protocol  2 version and length  4 flags  8 state  10 client port  12 service port
 *             14 server port  16 mark  20 timeout  24 client, service, server; then options
 *  header 0:  0 records  1 sync id  2 size
 *  record 0:  0 zero  1 protocol  2 client port  4 service port  6 server port  8 client  12 service  16 server
 *             20 flags  22 state; then, with the flags of sequences, two of them
 * ```
 */
const headerBytes = 8
const fixedBytes = 24
const oldHeaderBytes = 4
const oldRecordBytes = 24
const sequenceBytes = 24
const mostRecords = 255
const lengthMask = 0xfff
const typeIpv6 = 1
const options = { sequences: 1, engineData: 2, engineName: 3, ignorable: 0x40 } as const
const longestEngineData = 255
const longestEngineName = 16

/** Of one record with its options, without what aligns it. */
export function encodeRecord(record: SyncRecord): Uint8Array {
  const { client, service, server, sequences, engine } = record
  const parts = [
    client,
    service,
    server,
    ...(sequences === undefined ? [] : [option(options.sequences, encodeSequences(sequences))]),
    ...(engine === undefined
      ? []
      : [option(options.engineData, engine.data), option(options.engineName, new TextEncoder().encode(engine.name))]),
  ]
  const bytes = joined([new Uint8Array(fixedBytes), ...parts])
  const view = viewOf(bytes)
  bytes[0] = client.length === 16 ? typeIpv6 : 0
  bytes[1] = record.protocol
  view.setUint16(2, bytes.length & lengthMask)
  view.setUint32(4, record.flags & ~syncFlags.hashed)
  view.setUint16(8, record.state)
  view.setUint16(10, record.clientPort)
  view.setUint16(12, record.servicePort)
  view.setUint16(14, record.serverPort)
  view.setUint32(16, record.mark)
  view.setUint32(20, record.timeout)
  return bytes
}

/** Fills one datagram after the other. */
export class SyncWriter {
  readonly #syncId: number
  readonly #maxBytes: number
  /** With what aligns each before it: after the last one there is nothing. */
  #parts: Uint8Array[] = []
  #count = 0
  #length = headerBytes
  /** Records that fit into no datagram. */
  leftOut = 0

  /** `maxBytes`: of the UDP payload. */
  constructor(syncId: number, maxBytes: number) {
    this.#syncId = syncId
    this.#maxBytes = maxBytes
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** The datagram that was full already, if there was one. A record that fits into none is left out. */
  add(record: SyncRecord): Uint8Array | undefined {
    const bytes = encodeRecord(record)
    if (headerBytes + bytes.length > this.#maxBytes) {
      this.leftOut += 1
      return undefined
    }
    const isFull = aligned(this.#length) + bytes.length > this.#maxBytes || this.#count === mostRecords
    const full = isFull ? this.take() : undefined
    this.#parts.push(new Uint8Array(aligned(this.#length) - this.#length), bytes)
    this.#count += 1
    this.#length = aligned(this.#length) + bytes.length
    return full
  }

  /** What has been gathered, or undefined. */
  take(): Uint8Array | undefined {
    if (this.isEmpty) return undefined
    const datagram = joined([new Uint8Array(headerBytes), ...this.#parts])
    const view = viewOf(datagram)
    datagram[1] = this.#syncId
    view.setUint16(2, datagram.length)
    datagram[4] = this.#count
    datagram[5] = 1
    this.#parts = []
    this.#count = 0
    this.#length = headerBytes
    return datagram
  }
}

export function decodeSync(bytes: Uint8Array): SyncMessage {
  if (bytes.length < oldHeaderBytes) return { kind: 'refused', reason: 'shorter than a header' }
  const view = viewOf(bytes)
  const size = view.getUint16(2)
  if (size !== bytes.length) return { kind: 'refused', reason: `a size of ${size} in ${bytes.length} bytes` }
  const syncId = bytes[1] ?? 0
  const isNew = bytes.length >= headerBytes && bytes[0] === 0 && bytes[5] === 1 && view.getUint16(6) === 0
  const reader = isNew ? readRecords(bytes, bytes[4] ?? 0) : readOldRecords(bytes, bytes[0] ?? 0)
  return { kind: 'message', version: isNew ? 1 : 0, syncId, ...reader }
}

type Read = { readonly records: SyncRecord[]; readonly flaws: string[] }

/** A flaw of one record; `ends` the message when what follows cannot be found. */
class Flaw {
  readonly reason: string
  readonly ends: boolean

  constructor(reason: string, ends: boolean) {
    this.reason = reason
    this.ends = ends
  }
}

function readRecords(bytes: Uint8Array, count: number): Read {
  const read: Read = { records: [], flaws: [] }
  const view = viewOf(bytes)
  let at = headerBytes
  for (let number = 1; number <= count; number++) {
    const length = at + 4 <= bytes.length ? view.getUint16(at + 2) : 0
    const record = decodeRecord(bytes, view, at, length)
    if (record instanceof Flaw) read.flaws.push(`record ${number}: ${record.reason}`)
    else read.records.push(record)
    if (record instanceof Flaw && record.ends) break
    at = aligned(at + (length & lengthMask))
  }
  return read
}

/** A backup is told a hundred thousand of them in a second: by places in the message, without a view of each. */
function decodeRecord(bytes: Uint8Array, view: DataView, at: number, lengthAndVersion: number): SyncRecord | Flaw {
  const length = lengthAndVersion & lengthMask
  if (lengthAndVersion !== length) return new Flaw('of a version that is not 0', true)
  if (length < fixedBytes || at + length > bytes.length) return new Flaw('longer than the message', true)
  const type = bytes[at] ?? 0
  if (type > typeIpv6) return new Flaw(`of type ${type}`, true)
  const width = type === typeIpv6 ? 16 : 4
  const optionsAt = fixedBytes + 3 * width
  if (length < optionsAt) return new Flaw('too short for its addresses', true)
  const record = {
    protocol: bytes[at + 1] ?? 0,
    flags: view.getUint32(at + 4),
    state: view.getUint16(at + 8),
    client: copied(bytes, at + fixedBytes, width),
    service: copied(bytes, at + fixedBytes + width, width),
    server: copied(bytes, at + fixedBytes + 2 * width, width),
    clientPort: view.getUint16(at + 10),
    servicePort: view.getUint16(at + 12),
    serverPort: view.getUint16(at + 14),
    mark: view.getUint32(at + 16),
    timeout: view.getUint32(at + 20),
  }
  if (length === optionsAt) return record
  const found = decodeOptions(bytes.subarray(at + optionsAt, at + length))
  return found instanceof Flaw ? found : { ...record, ...found }
}

/** Several times as fast as `slice` for so few. */
function copied(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const copy = new Uint8Array(length)
  for (let index = 0; index < length; index++) copy[index] = bytes[at + index] ?? 0
  return copy
}

function decodeOptions(bytes: Uint8Array): Pick<SyncRecord, 'sequences' | 'engine'> | Flaw {
  const found = new Map<number, Uint8Array>()
  let unknown: number | undefined
  for (let at = 0; at < bytes.length; ) {
    const [type = 0, length = 0] = [bytes[at], bytes[at + 1]]
    if (length === 0 || at + 2 + length > bytes.length) return new Flaw('an option that is cut off', true)
    const value = bytes.slice(at + 2, at + 2 + length)
    const kind = type & ~options.ignorable
    if (found.has(kind)) return new Flaw(`option ${kind} twice`, true)
    const isKnown = kind === options.sequences || kind === options.engineData || kind === options.engineName
    if (kind === options.sequences && length !== sequenceBytes) return new Flaw('sequences of a wrong length', true)
    if (kind === options.engineName && length > longestEngineName) return new Flaw('too long a name of an engine', true)
    if (!isKnown && (type & options.ignorable) === 0) unknown ??= kind
    found.set(kind, value)
    at += 2 + length
  }
  if (unknown !== undefined) return new Flaw(`option ${unknown}, which must be understood`, false)
  const [sequences, data, name] = [options.sequences, options.engineData, options.engineName].map((kind) =>
    found.get(kind),
  )
  if ((data === undefined) !== (name === undefined)) return new Flaw('an engine without its name or its data', false)
  return {
    ...(sequences === undefined ? {} : { sequences: decodeSequences(sequences) }),
    ...(data === undefined || name === undefined ? {} : { engine: { name: new TextDecoder().decode(name), data } }),
  }
}

/** Sequences are in the order of the sender's machine there: they cannot be read, and are left out. */
function readOldRecords(bytes: Uint8Array, count: number): Read {
  const read: Read = { records: [], flaws: [] }
  let at = oldHeaderBytes
  for (let number = 1; number <= count; number++) {
    if (at + oldRecordBytes > bytes.length) {
      read.flaws.push(`record ${number}: longer than the message`)
      break
    }
    const own = bytes.subarray(at, at + oldRecordBytes)
    const view = viewOf(own)
    const flags = view.getUint16(20)
    read.records.push({
      protocol: own[1] ?? 0,
      flags,
      state: view.getUint16(22),
      client: own.slice(8, 12),
      service: own.slice(12, 16),
      server: own.slice(16, 20),
      clientPort: view.getUint16(2),
      servicePort: view.getUint16(4),
      serverPort: view.getUint16(6),
      mark: 0,
      timeout: 0,
    })
    at += oldRecordBytes + ((flags & syncFlags.sequences) === 0 ? 0 : sequenceBytes)
  }
  return read
}

function option(type: number, value: Uint8Array): Uint8Array {
  return joined([Uint8Array.of(type, value.length), value.subarray(0, longestEngineData)])
}

function encodeSequences(sequences: NonNullable<SyncRecord['sequences']>): Uint8Array {
  const bytes = new Uint8Array(sequenceBytes)
  const view = viewOf(bytes)
  for (const [at, { initial, delta, previousDelta }] of [sequences.in, sequences.out].entries())
    for (const [word, value] of [initial, delta, previousDelta].entries()) view.setUint32(12 * at + 4 * word, value)
  return bytes
}

function decodeSequences(bytes: Uint8Array): NonNullable<SyncRecord['sequences']> {
  const view = viewOf(bytes)
  const shift = (at: number): SequenceShift => ({
    initial: view.getUint32(at),
    delta: view.getUint32(at + 4),
    previousDelta: view.getUint32(at + 8),
  })
  return { in: shift(0), out: shift(12) }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function aligned(length: number): number {
  return (length + 3) & ~3
}
