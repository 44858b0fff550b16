/** From lines to blocks, by the tables of keywords: what no table knows is said, as keepalived says it. */
import { type Place, type Report, Unreadable } from './finding.ts'
import { type Keyword, readValue, type Table, type Value } from './keyword.ts'
import type { Line } from './lines.ts'
import { splitBraces, splitCommand, splitWords } from './words.ts'

/** A keyword as it was written: `words` after it, the value that was taken, and what stands in its block. */
export type Entry = {
  readonly keyword: string
  readonly words: readonly string[]
  readonly place: Place
  readonly value: Value
  /** Where its block ends. */
  readonly end: Place
  readonly entries: readonly Entry[]
}

type Token = Line

/** Keepalived counts all braces of the file, also those that nothing expected. */
class Cursor {
  readonly #tokens: readonly Token[]
  #at = 0
  open = 0

  constructor(lines: readonly Line[]) {
    this.#tokens = lines.flatMap(({ text, place }) => splitBraces(text).map((part) => ({ text: part, place })))
  }

  peek(): Token | undefined {
    return this.#tokens[this.#at]
  }

  next(): Token | undefined {
    const token = this.#tokens[this.#at]
    this.#at += 1
    if (token?.text === '{') this.open += 1
    if (token?.text === '}') this.open -= 1
    return token
  }
}

/** @throws Unreadable where keepalived ends, after what stands against it was reported. */
export function readTree(lines: readonly Line[], top: Table, report: Report): readonly Entry[] {
  const cursor = new Cursor(lines)
  const entries: Entry[] = []
  for (let token = cursor.next(); token !== undefined; token = cursor.next()) {
    const { text, place } = token
    if (text === '}') {
      if (cursor.open < 0) {
        cursor.open = 0
        report(5, place, "Extra '}' found")
      }
      report(5, place, "Unknown keyword '}'")
    } else takeLine(token, { table: top, name: '', cursor, entries, report })
  }
  if (cursor.open > 0) report(5, undefined, `There are ${cursor.open} missing '}'s or extra '{'s`)
  return entries
}

type Block = {
  readonly table: Table
  readonly name: string
  readonly cursor: Cursor
  readonly entries: Entry[]
  readonly report: Report
}

function takeLine({ text, place }: Token, block: Block): void {
  const { table, report, entries } = block
  if (text === '{') {
    report(5, place, "Unexpected '{' - ignoring")
    return
  }
  const { words, unterminated } = splitWords(text)
  const [name, ...rest] = words
  const keyword = name === undefined || !Object.hasOwn(table, name) ? undefined : table[name]
  if (unterminated) {
    report(5, place, `Unterminated quote '${text}'`)
    report(5, place, `Unmatched quote: '${text}'`)
  }
  if (name === undefined) return
  if (keyword === undefined) {
    report(5, place, `Unknown keyword '${name}'`)
    return
  }
  if (keyword.kind === 'block' || keyword.kind === 'list') {
    takeBlock(name, rest, keyword, place, block)
    return
  }
  const taken = readValue(keyword, { line: text, words, block: block.name, say: (said) => report(5, place, said) })
  if ('lacks' in taken) lacksWord(text, name, taken.lacks, place, report)
  else if (taken.isTaken)
    entries.push({
      keyword: name,
      words: keyword.kind === 'command' ? splitCommand(text.slice(name.length)).words : rest,
      place,
      value: taken.value,
      end: place,
      entries: [],
    })
}

function takeBlock(
  name: string,
  rest: readonly string[],
  keyword: Extract<Keyword, { kind: 'block' | 'list' }>,
  place: Place,
  { name: owner, cursor, entries, report }: Block,
): void {
  const needs = keyword.needs ?? 0
  if (rest.length < needs) lacksWord(name, name, rest.length + 2, place, report)
  const again = 'twice' in keyword && entries.some((one) => one.keyword === name && one.words[0] === rest[0])
  if (again && 'twice' in keyword)
    report(
      5,
      place,
      (keyword.twice ?? '').replaceAll('@', () => rest[0] ?? ''),
    )
  const opening = cursor.peek()
  if (opening === undefined) return
  if (opening.text === '{') cursor.next()
  else report(5, opening.place, "Missing '{' at beginning of configuration block")
  const inner: Entry[] = []
  const label = rest[0] ?? owner
  const said: Report = again ? () => undefined : report
  let end = place
  for (let token = cursor.next(); token !== undefined; token = cursor.next()) {
    end = token.place
    if (token.text === '}') break
    if (keyword.kind === 'block')
      takeLine(token, { table: keyword.keywords, name: label, cursor, entries: inner, report: said })
    else inner.push(...listed(token, said))
  }
  if (!again) entries.push({ keyword: name, words: rest, place, value: rest[0], end, entries: inner })
}

/** A line of a list: its first word is its keyword. */
function listed({ text, place }: Token, report: Report): readonly Entry[] {
  if (text === '{') report(5, place, "Unexpected '{' - ignoring")
  const [keyword, ...words] = text === '{' ? [] : splitWords(text).words
  return keyword === undefined ? [] : [{ keyword, words, place, value: words[0], end: place, entries: [] }]
}

function lacksWord(line: string, name: string, position: number, place: Place, report: Report): never {
  const first = /^\S+/.exec(line)?.[0] ?? name
  const said = `*** Configuration line starting \`${first}\` is missing a parameter after keyword \`${name}\` at word position ${position}`
  report(2, place, said)
  throw new Unreadable(said)
}

/** The last entry of a keyword. */
export function lastOf(entries: readonly Entry[], keyword: string): Entry | undefined {
  return entries.findLast((entry) => entry.keyword === keyword)
}

export function allOf(entries: readonly Entry[], ...keywords: readonly string[]): readonly Entry[] {
  return entries.filter((entry) => keywords.includes(entry.keyword))
}
