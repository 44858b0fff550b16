/** YAML text into values with places: syntax errors in plain words, aliases, merge keys, doubled keys. */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type ParsedNode,
  parseDocument,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml'
import { type Place, problem, type Report, type SourceEntry, type SourceNode } from './source.ts'
import { type Environment, expandVariables, maskVariables, plainScalar, unmaskVariables } from './variables.ts'
import { type Scan, scanTokens } from './yaml-guard.ts'

/** Aliases can make a short text endless; this many values are enough for anyone. */
const maximumValues = 200_000

type Reading = {
  readonly place: (offset: number) => Place
  readonly report: Report
  readonly environment: Environment
  /** The latest value of each anchor so far, in the text's order. */
  readonly anchors: Map<string, SourceNode>
  readonly sizes: Map<SourceNode, number>
  values: number
}

/** undefined when the text does not parse; why not was reported then. A file without values is an empty map. */
export function readYaml(file: string, text: string, environment: Environment, report: Report): SourceNode | undefined {
  const source = maskVariables(text.startsWith('\ufeff') ? text.slice(1) : text)
  const place = placesIn(file, source)
  const scan = scanTokens(source)
  if (!scan.ok) {
    report(problem(place(scan.offset), scan.message))
    return undefined
  }
  const document = parseDocument(source, { uniqueKeys: false, prettyErrors: false, merge: false })
  const [first] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0])
  if (first !== undefined) {
    report(syntaxError(first, source, scan, place))
    return undefined
  }
  if (document.contents === null) return { kind: 'map', entries: new Map(), place: place(0) }
  const reading = { place, report, environment, anchors: new Map(), sizes: new Map(), values: 0 }
  return readNode(document.contents, reading, undefined)
}

/** From offsets to places. The library's own counter misses lines after some errors. */
function placesIn(file: string, text: string): (offset: number) => Place {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    let [line, beyond] = [0, starts.length]
    while (beyond - line > 1) {
      const middle = (line + beyond) >> 1
      if ((starts[middle] ?? 0) <= offset) line = middle
      else beyond = middle
    }
    return { file, line: line + 1, column: offset - (starts[line] ?? 0) + 1 }
  }
}

/** `emptyPlace`: where a value that is not written counts as being. */
function readNode(node: ParsedNode | null, reading: Reading, emptyPlace: Place | undefined): SourceNode {
  const at = node === null ? undefined : reading.place(node.range[0])
  const place = at ?? emptyPlace ?? reading.place(0)
  if (node === null) return { kind: 'scalar', value: null, place }
  if (isAlias(node)) return readAlias(node, reading, place)
  const before = reading.values
  reading.values += 1
  const read = readWritten(node, reading, place, emptyPlace)
  reading.sizes.set(read, reading.values - before)
  if ('anchor' in node && node.anchor !== undefined) reading.anchors.set(node.anchor, read)
  return read
}

function readWritten(
  node: Exclude<ParsedNode, Alias.Parsed>,
  reading: Reading,
  place: Place,
  emptyPlace: Place | undefined,
): SourceNode {
  if (isMap(node)) return readMap(node, reading, place)
  if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => readNode(item, reading, undefined)), place }
  return readScalar(node, reading, node.source === '' && node.type === 'PLAIN' ? (emptyPlace ?? place) : place)
}

function readScalar(scalar: Scalar.Parsed, reading: Reading, place: Place): SourceNode {
  const value: unknown = scalar.value
  if (typeof value !== 'string')
    return { kind: 'scalar', value: typeof value === 'number' || typeof value === 'boolean' ? value : null, place }
  const text = unmaskVariables(value)
  if (!text.includes('$')) return { kind: 'scalar', value: text, place }
  const { text: expanded, problems } = expandVariables(text, reading.environment)
  for (const { message, hint } of problems) reading.report(problem(place, message, hint))
  // A value that could not be expanded is wrong once, not twice: it goes on as text.
  const isPlain = scalar.type === 'PLAIN' && problems.length === 0
  return { kind: 'scalar', value: isPlain ? plainScalar(expanded) : expanded, place }
}

function readAlias(alias: Alias.Parsed, reading: Reading, place: Place): SourceNode {
  const meant = reading.anchors.get(alias.source)
  const none: SourceNode = { kind: 'scalar', value: null, place }
  if (meant === undefined) {
    const hint = `write &${alias.source} before the value that is meant, above this line; text that begins with * needs quotes`
    reading.report(problem(place, `*${alias.source} refers to nothing`, hint))
    return none
  }
  const size = reading.sizes.get(meant) ?? 1
  if (reading.values + size > maximumValues) {
    if (reading.values < maximumValues) reading.report(problem(place, 'aliases make this file too big'))
    reading.values = maximumValues
    return none
  }
  reading.values += size
  return meant
}

function readMap(map: YAMLMap.Parsed, reading: Reading, place: Place): SourceNode {
  const entries = new Map<string, SourceEntry>()
  const merged: SourceNode[] = []
  for (const { key, value } of map.items) {
    const keyAt = key === null ? place : reading.place(key.range[0])
    const name = keyText(key)
    const read = readNode(value, reading, keyAt)
    const first = name === undefined ? undefined : entries.get(name)
    if (name === undefined) reading.report(problem(keyAt, 'a key must be plain text', 'expected KEY: VALUE'))
    else if (name === '<<' && isScalar(key) && key.type === 'PLAIN') merged.push(read)
    else if (first !== undefined)
      reading.report(
        problem(keyAt, `the key ${name} is given twice: first in line ${first.key.line}`, 'remove one of them'),
      )
    else entries.set(name, { key: keyAt, value: read })
  }
  for (const from of merged) mergeInto(entries, from, reading.report)
  return { kind: 'map', entries, place }
}

/** `<<: *base`: what the map says itself goes before what it takes over. */
function mergeInto(entries: Map<string, SourceEntry>, from: SourceNode, report: Report): void {
  for (const source of from.kind === 'list' ? from.items : [from]) {
    if (source.kind !== 'map')
      report(problem(source.place, '<< takes over a map', 'expected an alias such as <<: *base'))
    else for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry)
  }
}

/** A key as it is written: 1, on and null are names here. */
function keyText(key: ParsedNode | null): string | undefined {
  if (key === null || !isScalar(key)) return undefined
  const text = key.type === 'PLAIN' ? (key.source ?? '') : String(key.value)
  return text === '' ? undefined : unmaskVariables(text)
}

function syntaxError(error: YAMLError, source: string, scan: Scan & { ok: true }, place: (offset: number) => Place) {
  const [offset] = error.pos
  const { unclosed } = scan
  if (error.code === 'MISSING_CHAR' && error.message.includes('quote') && scan.unclosedQuote !== undefined)
    return problem(place(scan.unclosedQuote), 'this quote is never closed')
  if (unclosed !== undefined && unclosed.offset < offset)
    return problem(place(unclosed.offset), `this ${unclosed.bracket} is never closed`, 'expected a closing bracket')
  const line = source.slice(source.lastIndexOf('\n', offset - 1) + 1).split('\n', 1)[0] ?? ''
  if (/\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]:/.test(line))
    return problem(place(offset), 'an IPv6 address in brackets needs quotes here', 'write "[fd00::1]:80"')
  return problem(
    place(offset),
    `this is not valid YAML: ${lowerFirst(unmaskVariables(error.message))}`,
    hints[error.code],
  )
}

const hints: Partial<Record<YAMLError['code'], string>> = {
  BAD_DQ_ESCAPE: 'use single quotes to keep a backslash as it is',
  BAD_INDENT: 'align this line with its neighbours, with spaces',
  BAD_SCALAR_START: 'put the value in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'put a value that contains ": " in quotes, or begin it on a new line',
  MISSING_CHAR: 'expected KEY: VALUE, or a comma between the parts of [ ] and { }',
  MULTILINE_IMPLICIT_KEY: 'expected KEY: VALUE, with a space after the colon',
  MULTIPLE_DOCS: 'one file holds one spec: remove the line ---, or use include:',
  TAB_AS_INDENT: 'indent with spaces',
  TAG_RESOLVE_FAILED: 'tags (!name) are not used here: put text that begins with ! in quotes',
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
