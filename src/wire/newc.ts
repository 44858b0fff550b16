/** The cpio "newc" archive that the kernel takes as an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst). */
import { joined } from './joined.ts'
import { WireError } from './wire-error.ts'

export type ArchiveEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'character' | 'block'
      readonly path: string
      readonly mode: number
      readonly major: number
      readonly minor: number
    }

const magic = '070701'
const headerBytes = 110
const trailer = 'TRAILER!!!'

/** File type bits of stat(2). */
const types = { file: 0o100000, directory: 0o040000, symlink: 0o120000, character: 0o020000, block: 0o060000 } as const

/** Everything is owned by root and dated 0, so the same entries always give the same bytes. */
export function encodeArchive(entries: readonly ArchiveEntry[]): Uint8Array {
  const parts: Uint8Array[] = []
  let inode = 1
  for (const entry of entries) {
    const data = entry.kind === 'file' ? entry.content : utf8(entry.kind === 'symlink' ? entry.target : '')
    const permissions = entry.kind === 'symlink' ? 0o777 : entry.mode
    const [major, minor] = 'major' in entry ? [entry.major, entry.minor] : [0, 0]
    parts.push(...record(entry.path, types[entry.kind] | permissions, inode++, data, major, minor))
  }
  parts.push(...record(trailer, 0, 0, new Uint8Array(0), 0, 0))
  return joined(parts)
}

/** @throws WireError on anything that is not such an archive. */
export function decodeArchive(bytes: Uint8Array): ArchiveEntry[] {
  const entries: ArchiveEntry[] = []
  for (let at = 0; ; ) {
    if (at + headerBytes > bytes.length) throw new WireError(at, 'expected a header, the archive ends')
    const header = ascii(bytes.subarray(at, at + headerBytes))
    if (!/^070701[0-9a-fA-F]{104}$/.test(header)) throw new WireError(at, `expected ${magic} and 13 hexadecimal fields`)
    const field = (index: number): number => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16)
    const [mode, size, nameSize] = [field(1), field(6), field(11)]
    const nameEnd = at + headerBytes + nameSize
    const dataStart = padded(nameEnd)
    if (nameSize === 0 || dataStart + size > bytes.length)
      throw new WireError(at, 'a name or content reaches beyond the end')
    const path = new TextDecoder().decode(bytes.subarray(at + headerBytes, nameEnd - 1))
    if (path === trailer) return entries
    const data = bytes.slice(dataStart, dataStart + size)
    entries.push(entryOf(path, mode, data, field(9), field(10), at))
    at = padded(dataStart + size)
  }
}

function entryOf(path: string, mode: number, data: Uint8Array, major: number, minor: number, at: number): ArchiveEntry {
  const permissions = mode & 0o7777
  switch (mode & 0o170000) {
    case types.file:
      return { kind: 'file', path, mode: permissions, content: data }
    case types.directory:
      return { kind: 'directory', path, mode: permissions }
    case types.symlink:
      return { kind: 'symlink', path, target: new TextDecoder().decode(data) }
    case types.character:
      return { kind: 'character', path, mode: permissions, major, minor }
    case types.block:
      return { kind: 'block', path, mode: permissions, major, minor }
    default:
      throw new WireError(at, `unknown file type in mode ${mode.toString(8)}`)
  }
}

function record(
  path: string,
  mode: number,
  inode: number,
  data: Uint8Array,
  major: number,
  minor: number,
): Uint8Array[] {
  const name = utf8(`${path}\0`)
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0]
  const header = utf8(magic + fields.map((value) => value.toString(16).padStart(8, '0')).join(''))
  return [header, name, padding(headerBytes + name.length), data, padding(data.length)]
}

const padded = (length: number): number => (length + 3) & ~3
const padding = (length: number): Uint8Array => new Uint8Array(padded(length) - length)
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
