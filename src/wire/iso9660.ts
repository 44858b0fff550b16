/**
 * ISO 9660 (ECMA-119): a disc of a few files in its root, written; a file of any disc, found. Names are Rock Ridge's where
 * there are such (IEEE P1282, `NM`), since ISO's own have no lower case.
 * ```
 *   sector 16 volume descriptor  17 terminator  18 path table  19 root directory  20… files
 *   record: 0 length  2 sector LE BE  10 size LE BE  25 flags  32 name length  33 name  then the system use area
 * ```
 */
import { WireError } from './wire-error.ts'

export type DiscFile = { readonly name: string; readonly content: Uint8Array }

export const sectorBytes = 2048
const descriptorSector = 16
const pathTableSector = 18
const rootSector = 19
const recordBytes = 33
const directoryFlag = 2

/** A disc with these files in its root and nothing else. The same files always give the same bytes. @throws WireError */
export function encodeDisc(label: string, files: readonly DiscFile[]): Uint8Array {
  const sorted = [...files].sort((a, b) => (isoName(a.name) < isoName(b.name) ? -1 : 1))
  const records = sorted.map(({ name, content }) => ({ name, content, length: recordLength(isoName(name), name) }))
  const ownRecords = [
    { name: [0], system: [...suspMark, ...rockRidge, ...posix(0o40555)] },
    { name: [1], system: posix(0o40555) },
  ]
  const rootLength = records.reduce(
    (total, { length }) => total + length,
    ownRecords.reduce((total, { system }) => total + even(recordBytes + 1 + system.length), 0),
  )
  if (rootLength > sectorBytes) throw new WireError(0, 'more files than one sector of a directory names')
  let sector = rootSector + 1
  const placed = records.map((record) => {
    const at = sector
    sector += Math.max(1, Math.ceil(record.content.length / sectorBytes))
    return { ...record, sector: at }
  })
  const disc = new Uint8Array(sector * sectorBytes)
  writeDescriptor(disc, label, sector)
  disc.set([255, ...ascii('CD001'), 1], (descriptorSector + 1) * sectorBytes)
  // The path table: the root, whose parent it is itself.
  disc.set([1, 0, rootSector, 0, 0, 0, 1, 0, 0, 0], pathTableSector * sectorBytes)
  let at = rootSector * sectorBytes
  for (const own of ownRecords)
    at += writeRecord(disc, at, { ...own, sector: rootSector, size: sectorBytes, flags: directoryFlag })
  for (const { name, content, sector: where } of placed) {
    const record = { name: ascii(isoName(name)), system: fileEntries(name), sector: where, size: content.length }
    at += writeRecord(disc, at, { ...record, flags: 0 })
    disc.set(content, where * sectorBytes)
  }
  return disc
}

/** `SP`: the system use areas are SUSP's (IEEE P1281); it stands in the root's own record. */
const suspMark = [...ascii('SP'), 7, 1, 0xbe, 0xef, 0] as const

/** `ER`: which extension it is. */
const rockRidge = [...ascii('ER'), 18, 1, 10, 0, 0, 1, ...ascii('RRIP_1991A')] as const

/** `PX`: mode, links, user and group, each in both byte orders. */
function posix(mode: number): number[] {
  const entry = new Uint8Array(36)
  entry.set([...ascii('PX'), 36, 1])
  for (const [index, value] of [mode, 1, 0, 0].entries()) bothEndian(entry, 4 + index * 8, value)
  return [...entry]
}

function fileEntries(name: string): number[] {
  const text = new TextEncoder().encode(name)
  return [...ascii('NM'), 5 + text.length, 1, 0, ...text, ...posix(0o100444)]
}

/** Level 2 of ECMA-119: capitals, digits and `_`; a full name stands in Rock Ridge's entry. */
function isoName(name: string): string {
  const [, base = name, extension = ''] = /^(.+?)(?:\.([^.]*))?$/.exec(name) ?? []
  const plain = (text: string): string => text.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
  return `${plain(base).slice(0, 26)}.${plain(extension).slice(0, 3)};1`
}

function recordLength(iso: string, name: string): number {
  return even(even(recordBytes + iso.length) + fileEntries(name).length)
}

type DirectoryRecord = {
  readonly name: readonly number[]
  readonly system: readonly number[]
  readonly sector: number
  readonly size: number
  readonly flags: number
}

function writeRecord(disc: Uint8Array, at: number, { name, system, sector, size, flags }: DirectoryRecord): number {
  const systemAt = even(recordBytes + name.length)
  const length = even(systemAt + system.length)
  disc[at] = length
  bothEndian(disc, at + 2, sector)
  bothEndian(disc, at + 10, size)
  disc[at + 25] = flags
  disc.set([1, 0, 0, 1], at + 28) // the one volume of its set
  disc[at + 32] = name.length
  disc.set(name, at + recordBytes)
  disc.set(system, at + systemAt)
  return length
}

function writeDescriptor(disc: Uint8Array, label: string, sectors: number): void {
  const at = descriptorSector * sectorBytes
  disc.set([1, ...ascii('CD001'), 1], at)
  for (const [offset, length] of [[8, 64], [190, 623]] as const) disc.fill(0x20, at + offset, at + offset + length) // biome-ignore format: a pair is a field
  disc.set(ascii(label.slice(0, 32)), at + 40)
  bothEndian(disc, at + 80, sectors)
  disc.set([1, 0, 0, 1, 1, 0, 0, 1], at + 120)
  disc.set([0, 8, 8, 0], at + 128)
  bothEndian(disc, at + 132, 10)
  new DataView(disc.buffer).setUint32(at + 140, pathTableSector, true)
  writeRecord(disc, at + 156, { name: [0], system: [], sector: rootSector, size: sectorBytes, flags: directoryFlag })
  for (let date = 813; date < 881; date += 17) disc.set(ascii('0'.repeat(16)), at + date)
  disc[at + 881] = 1
}

/** Reads a piece of a disc; less than was asked for when the disc ends. */
export type ReadDisc = (offset: number, length: number) => Promise<Uint8Array>

/** Where a file's content lies on the disc; undefined when there is none of this path. @throws WireError for what is no disc. */
export async function findOnDisc(
  read: ReadDisc,
  path: string,
): Promise<{ readonly offset: number; readonly size: number } | undefined> {
  const descriptor = await read(descriptorSector * sectorBytes, sectorBytes)
  if (descriptor.length < sectorBytes || text(descriptor.subarray(1, 6)) !== 'CD001')
    throw new WireError(descriptorSector * sectorBytes, 'the descriptor of an ISO 9660 volume')
  let found = extentAt(descriptor, 156)
  for (const part of path.split('/').filter((one) => one !== '' && one !== '.')) {
    if ((found.flags & directoryFlag) === 0) return undefined
    const directory = await read(found.offset, found.size)
    const entries = recordsOf(directory)
    const entry =
      entries.find(({ name }) => name === part) ?? entries.find(({ name }) => name.toLowerCase() === part.toLowerCase())
    if (entry === undefined) return undefined
    found = entry
  }
  return (found.flags & directoryFlag) === 0 ? { offset: found.offset, size: found.size } : undefined
}

type Extent = { readonly offset: number; readonly size: number; readonly flags: number }

function extentAt(bytes: Uint8Array, at: number): Extent {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return {
    offset: view.getUint32(at + 2, true) * sectorBytes,
    size: view.getUint32(at + 10, true),
    flags: bytes[at + 25] ?? 0,
  }
}

/** No record crosses the border of a sector: zeros fill what is left of one. */
function recordsOf(directory: Uint8Array): (Extent & { readonly name: string })[] {
  const records: (Extent & { readonly name: string })[] = []
  for (let at = 0; at + recordBytes < directory.length; ) {
    const length = directory[at] ?? 0
    if (length === 0) {
      at = (Math.floor(at / sectorBytes) + 1) * sectorBytes
      continue
    }
    if (length < recordBytes || at + length > directory.length) throw new WireError(at, 'a record of a directory')
    const record = directory.subarray(at, at + length)
    const nameLength = record[32] ?? 0
    const own = text(record.subarray(recordBytes, recordBytes + nameLength))
    const name = rockRidgeName(record.subarray(even(recordBytes + nameLength))) ?? own.replace(/\.?;\d+$/, '')
    // 0 and 1 are the directory itself and the one above it.
    if (nameLength !== 1 || (record[recordBytes] ?? 0) > 1) records.push({ ...extentAt(record, 0), name })
    at += length
  }
  return records
}

function rockRidgeName(system: Uint8Array): string | undefined {
  const parts: Uint8Array[] = []
  for (let at = 0; at + 5 <= system.length; ) {
    const length = system[at + 2] ?? 0
    if (length < 4) break
    if (text(system.subarray(at, at + 2)) === 'NM') parts.push(system.subarray(at + 5, at + length))
    at += length
  }
  return parts.length === 0 ? undefined : parts.map(text).join('')
}

function bothEndian(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer)
  view.setUint32(at, value, true)
  view.setUint32(at + 4, value, false)
}

const even = (length: number): number => length + (length % 2)
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function ascii(word: string): number[] {
  return Array.from(word, (letter) => letter.charCodeAt(0))
}
