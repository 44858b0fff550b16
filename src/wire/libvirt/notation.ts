/**
 * The notation in which `procedures.ts` writes what goes over the wire, its codec, and its types: words with spaces
 * between, `?` for what may be absent, `[]` for a list.
 */
import { WireError } from '../wire-error.ts'
import { XdrReader, XdrWriter } from './xdr.ts'

/** A typed parameter (remote_typed_param): statistics and tunables come as lists of them. */
export type TypedValue = number | bigint | string | boolean
export type TypedParameter = { readonly field: string; readonly value: TypedValue }

/** `i` int, `u` unsigned int, `I` hyper, `U` unsigned hyper, `S` string, `UUID` as text, `bytes` opaque. */
type Scalars = { i: number; u: number; I: bigint; U: bigint; S: string; UUID: string; bytes: Uint8Array }

/** The structures of remote_protocol.x that procedures share: their fields in order. */
export const structures = {
  dom: { name: 'S', uuid: 'UUID', id: 'i' },
  net: { name: 'S', uuid: 'UUID' },
  pool: { name: 'S', uuid: 'UUID' },
  vol: { pool: 'S', name: 'S', key: 'S' },
  snap: { name: 'S', dom: 'dom' },
  statistics: { dom: 'dom', values: 'param[]' },
  memoryStat: { tag: 'i', value: 'U' },
  address: { type: 'i', address: 'S', prefix: 'u' },
  interface: { name: 'S', mac: 'S?', addresses: 'address[]' },
  lease: { interface: 'S', expiry: 'I', type: 'i', mac: 'S?', iaid: 'S?', address: 'S', prefix: 'u', hostname: 'S?', clientId: 'S?' },
  error: { code: 'i', domain: 'i', message: 'S?', level: 'i', dom: 'dom?', str1: 'S?', str2: 'S?', str3: 'S?', int1: 'i', int2: 'i', net: 'net?' },
} as const // biome-ignore format: a list to read at a glance

type Structures = typeof structures

/** What a word stands for. */
export type Value<W extends string> = W extends `${infer T}[]`
  ? readonly Value<T>[]
  : W extends `${infer T}?`
    ? Value<T> | undefined
    : W extends 'param'
      ? TypedParameter
      : W extends keyof Scalars
        ? Scalars[W]
        : W extends keyof Structures
          ? { readonly [F in keyof Structures[W]]: Value<Structures[W][F] & string> }
          : never

/** What a line of words stands for: their values in order. */
export type Values<L extends string> = L extends ''
  ? []
  : L extends `${infer W} ${infer Rest}`
    ? [Value<W>, ...Values<Rest>]
    : [Value<L>]

export function encodeValues<L extends string>(line: L, values: Values<L>): Uint8Array {
  const writer = new XdrWriter()
  for (const [index, word] of wordsOf(line).entries()) write(writer, word, values[index])
  return writer.finish()
}

/** @throws WireError when the bytes are anything but these values. */
export function decodeValues<L extends string>(line: L, bytes: Uint8Array): Values<L> {
  const reader = new XdrReader(bytes)
  const values = wordsOf(line).map((word) => read(reader, word))
  reader.end()
  return values as Values<L>
}

function wordsOf(line: string): readonly string[] {
  return line === '' ? [] : line.split(' ')
}

function write(writer: XdrWriter, word: string, value: unknown): void {
  if (word.endsWith('[]')) {
    const items = value as readonly unknown[]
    writer.uint(items.length)
    for (const item of items) write(writer, word.slice(0, -2), item)
  } else if (word.endsWith('?')) {
    writer.uint(value === undefined ? 0 : 1)
    if (value !== undefined) write(writer, word.slice(0, -1), value)
  } else {
    const fields = fieldsOf(word)
    if (fields === undefined) writeScalar(writer, word, value)
    else for (const [name, type] of fields) write(writer, type, (value as Record<string, unknown>)[name])
  }
}

function writeScalar(writer: XdrWriter, word: string, value: unknown): void {
  switch (word as keyof Scalars | 'param') {
    case 'i':
      return writer.int(value as number)
    case 'u':
      return writer.uint(value as number)
    case 'I':
      return writer.hyper(value as bigint)
    case 'U':
      return writer.uhyper(value as bigint)
    case 'S':
      return writer.text(value as string)
    case 'UUID':
      return writer.fixed(uuidBytes(value as string))
    case 'bytes':
      return writer.opaque(value as Uint8Array)
    case 'param':
      return writeParameter(writer, value as TypedParameter)
  }
}

function read(reader: XdrReader, word: string): unknown {
  if (word.endsWith('[]')) return Array.from({ length: reader.count() }, () => read(reader, word.slice(0, -2)))
  if (word.endsWith('?')) return isPresent(reader) ? read(reader, word.slice(0, -1)) : undefined
  const fields = fieldsOf(word)
  if (fields === undefined) return readScalar(reader, word)
  return Object.fromEntries(fields.map(([name, type]) => [name, read(reader, type)]))
}

function readScalar(reader: XdrReader, word: string): unknown {
  switch (word as keyof Scalars | 'param') {
    case 'i':
      return reader.int()
    case 'u':
      return reader.uint()
    case 'I':
      return reader.hyper()
    case 'U':
      return reader.uhyper()
    case 'S':
      return reader.text()
    case 'UUID':
      return uuidText(reader.fixed(16))
    case 'bytes':
      return reader.opaque()
    case 'param':
      return readParameter(reader)
  }
}

function isPresent(reader: XdrReader): boolean {
  const at = reader.offset
  const flag = reader.uint()
  if (flag > 1) throw new WireError(at, '0 or 1: whether a value follows')
  return flag === 1
}

const known = new Map(Object.entries(structures).map(([name, fields]) => [name, Object.entries(fields)]))

function fieldsOf(word: string): readonly (readonly [name: string, type: string])[] | undefined {
  return known.get(word)
}

/** VIR_TYPED_PARAM_*: int 1, uint 2, llong 3, ullong 4, double 5, boolean 6, string 7. Numbers we send are of 64 bits. */
function writeParameter(writer: XdrWriter, { field, value }: TypedParameter): void {
  writer.text(field)
  if (typeof value === 'number') {
    writer.uint(5)
    writer.double(value)
  } else if (typeof value === 'bigint') {
    writer.uint(value < 0n ? 3 : 4)
    if (value < 0n) writer.hyper(value)
    else writer.uhyper(value)
  } else if (typeof value === 'boolean') {
    writer.uint(6)
    writer.int(value ? 1 : 0)
  } else {
    writer.uint(7)
    writer.text(value)
  }
}

function readParameter(reader: XdrReader): TypedParameter {
  const field = reader.text()
  const at = reader.offset
  const type = reader.uint()
  switch (type) {
    case 1:
      return { field, value: BigInt(reader.int()) }
    case 2:
      return { field, value: BigInt(reader.uint()) }
    case 3:
      return { field, value: reader.hyper() }
    case 4:
      return { field, value: reader.uhyper() }
    case 5:
      return { field, value: reader.double() }
    case 6:
      return { field, value: reader.int() !== 0 }
    case 7:
      return { field, value: reader.text() }
    default:
      throw new WireError(at, 'a type of parameter, 1 to 7')
  }
}

function uuidText(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

function uuidBytes(text: string): Uint8Array {
  const hex = text.replaceAll('-', '')
  return Uint8Array.from({ length: 16 }, (_, at) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16))
}
