/** BPF type information (Linux, Documentation/bpf/btf.rst), as far as it tells how structures are laid out. */
import { WireError } from './wire-error.ts'

export type BtfStruct = {
  readonly bytes: number
  /** Where each member begins, in bytes. */
  readonly members: ReadonlyMap<string, number>
}

const magic = 0xeb9f
const headerBytes = 24
const structKind = 4
/** Bytes that follow a type's own 12: fixed, and for each of its parts. */
const tails: readonly (readonly [number, number])[] = [
  [0, 0], [4, 0], [0, 0], [12, 0], [0, 12], [0, 12], [0, 8], [0, 0], [0, 0], [0, 0],
  [0, 0], [0, 0], [0, 0], [0, 8], [4, 0], [0, 12], [0, 0], [4, 0], [0, 0], [0, 12],
] // biome-ignore format: a list to read at a glance

/** Structures by their names. @throws WireError where it is none. */
export function decodeBtf(bytes: Uint8Array): ReadonlyMap<string, BtfStruct> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < headerBytes || view.getUint16(0, true) !== magic) throw new WireError(0, 'the magic number of BTF')
  const begin = view.getUint32(4, true)
  const types = { from: begin + view.getUint32(8, true), bytes: view.getUint32(12, true) }
  const strings = begin + view.getUint32(16, true)
  if (types.from + types.bytes > bytes.length || strings > bytes.length) throw new WireError(8, 'sections that fit in')
  const text = (offset: number): string => textAt(bytes, strings + offset)
  const structs = new Map<string, BtfStruct>()
  for (let at = types.from; at < types.from + types.bytes; ) {
    const info = view.getUint32(at + 4, true)
    const kind = (info >>> 24) & 31
    const count = info & 0xffff
    const [fixed, each] = tails[kind] ?? []
    if (fixed === undefined || each === undefined) throw new WireError(at + 4, 'a kind of type that is known')
    const parts = at + 12 + fixed
    if (parts + each * count > bytes.length) throw new WireError(at, 'a whole type')
    const partAt = (index: number): number => parts + each * index
    if (kind === structKind) {
      const members = new Map<string, number>()
      for (let index = 0; index < count; index++)
        members.set(text(view.getUint32(partAt(index), true)), (view.getUint32(partAt(index) + 8, true) & 0xffffff) / 8)
      structs.set(text(view.getUint32(at, true)), { bytes: view.getUint32(at + 8, true), members })
    }
    at = parts + each * count
  }
  return structs
}

/** A section of a 64-bit little-endian ELF file, or undefined when it has none of that name. @throws WireError */
export function elfSection(bytes: Uint8Array, name: string): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201)
    throw new WireError(0, 'a 64-bit little-endian ELF file')
  const table = Number(view.getBigUint64(40, true))
  const [entryBytes, count, namesAt] = [58, 60, 62].map((at) => view.getUint16(at, true))
  if (entryBytes === undefined || count === undefined || namesAt === undefined) return undefined
  if (table + entryBytes * count > bytes.length) throw new WireError(40, 'a section table that fits in')
  const section = (index: number): { readonly name: number; readonly bytes: Uint8Array } => {
    const at = table + entryBytes * index
    const [from, length] = [24, 32].map((offset) => Number(view.getBigUint64(at + offset, true)))
    return { name: view.getUint32(at, true), bytes: bytes.subarray(from, (from ?? 0) + (length ?? 0)) }
  }
  const names = section(namesAt).bytes
  for (let index = 0; index < count; index++) {
    const found = section(index)
    if (textAt(names, found.name) === name) return found.bytes
  }
  return undefined
}

function textAt(bytes: Uint8Array, from: number): string {
  const end = bytes.indexOf(0, from)
  return new TextDecoder().decode(bytes.subarray(from, end < 0 ? bytes.length : end))
}
