/** What stands in the file: plain values, each with its place. YAML, includes and variables are resolved; no meaning yet. */
import type { Diagnostic } from './diagnostic.ts'

/** Line and column from 1. */
export type Place = { readonly file: string; readonly line: number; readonly column: number }

export type Path = readonly (string | number)[]

export type SourceScalar = {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  readonly place: Place
}
export type SourceList = { readonly kind: 'list'; readonly items: readonly SourceNode[]; readonly place: Place }
export type SourceEntry = { readonly key: Place; readonly value: SourceNode }
export type SourceMap = {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, SourceEntry>
  readonly place: Place
}
export type SourceNode = SourceScalar | SourceList | SourceMap

/** Where a finding goes: gathered, never thrown. */
export type Report = (finding: Diagnostic) => void

export function problem(place: Place, message: string, hint?: string): Diagnostic {
  const { file, line, column } = place
  return { severity: 'error', file, line, column, message, ...(hint === undefined ? {} : { hint }) }
}

export function warning(place: Place, message: string, hint?: string): Diagnostic {
  return { ...problem(place, message, hint), severity: 'warning' }
}

/** The bare values. Own properties only, so that a key `__proto__` is a key like any other. */
export function plainValue(node: SourceNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'list':
      return node.items.map(plainValue)
    case 'map':
      return Object.fromEntries(Array.from(node.entries, ([key, { value }]) => [key, plainValue(value)]))
    default:
      return node satisfies never
  }
}

export function nodeAt(root: SourceNode | undefined, path: Path): SourceNode | undefined {
  return path.reduce<SourceNode | undefined>((node, step) => child(node, step), root)
}

export function child(node: SourceNode | undefined, step: string | number): SourceNode | undefined {
  if (node?.kind === 'map') return node.entries.get(String(step))?.value
  return node?.kind === 'list' && typeof step === 'number' ? node.items[step] : undefined
}

/** The members of the map at this place with their names; nothing when it is no map. */
export function members(node: SourceNode | undefined): readonly (readonly [string, SourceEntry])[] {
  return node?.kind === 'map' ? Array.from(node.entries) : []
}

export function items(node: SourceNode | undefined): readonly SourceNode[] {
  return node?.kind === 'list' ? node.items : []
}

/** What may be written once, or as a list of several: each of them. */
export function oneOrMore(node: SourceNode | undefined): readonly SourceNode[] {
  return node === undefined ? [] : node.kind === 'list' ? node.items : [node]
}

export function textOf(node: SourceNode | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined
}

/** The place of the key that leads to this path; of the value itself where it has no key (list items, the root). */
export function keyPlace(root: SourceNode | undefined, path: Path): Place | undefined {
  const last = path.at(-1)
  const parent = nodeAt(root, path.slice(0, -1))
  if (parent?.kind === 'map' && last !== undefined) return parent.entries.get(String(last))?.key
  return nodeAt(root, path)?.place
}

/** The place of the value or, where nothing is written there, of the nearest key above it. */
export function placeAt(root: SourceNode | undefined, path: Path, file: string): Place {
  const written = nodeAt(root, path)
  if (written !== undefined) return written.place
  for (let length = path.length - 1; length > 0; length--) {
    const place = keyPlace(root, path.slice(0, length))
    if (place !== undefined) return place
  }
  return { file, line: 1, column: 1 }
}
