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

/** A brace, or what stands between two of them on a line. */
export type Token = Line

export function tokensOf(lines: readonly Line[]): readonly Token[] {
  return lines.flatMap(({ text, place }) => splitBraces(text).map((part) => ({ text: part, place })))
}

/** Keepalived counts all braces of the file, also those that nothing expected. */
class Cursor {
  readonly #tokens: readonly Token[]
  #at = 0
  open = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  peek(): Token | undefined {
    return this.#tokens[this.#at]
  }

  next(report: Report): Token | undefined {
    const token = this.#tokens[this.#at]
    this.#at += 1
    if (token?.text === '{') this.open += 1
    if (token?.text === '}') this.open -= 1
    if (this.open < 0 && token !== undefined) {
      this.open = 0
      report(5, token.place, "Extra '}' found")
    }
    return token
  }

  /** All up to the brace that ends the block, that which opens it left out. Where it ends; undefined: there was nothing. */
  passThrough(report: Report, onToken: (token: Token) => void): Place | undefined {
    if (this.peek()?.text === '{') this.next(report)
    let end: Place | undefined
    for (let token = this.next(report); token !== undefined; token = this.next(report)) {
      end = token.place
      if (token.text === '}') break
      onToken(token)
    }
    return end
  }

  /** Over a block by its braces, if there is one. */
  passOver(report: Report): void {
    if (this.peek()?.text !== '{') return
    let depth = 0
    for (let token = this.next(report); token !== undefined; token = this.next(report)) {
      if (token.text === '{') depth += 1
      if (token.text === '}') depth -= 1
      if (depth === 0) return
    }
  }
}

/**
 * What one of keepalived's processes reads: each goes through the whole file, with its own keywords. The blocks of `others` it
 * passes over by their braces, so that one brace too few or too many is met in as many places.
 * @throws Unreadable where keepalived ends, after what stands against it was reported.
 */
export function readTree(tokens: readonly Token[], own: Table, others: Table, report: Report): readonly Entry[] {
  const cursor = new Cursor(tokens)
  const entries: Entry[] = []
  for (let token = cursor.next(report); token !== undefined; token = cursor.next(report)) {
    const { text, place } = token
    const name = splitWords(text).words[0] ?? ''
    if (text === '}') report(5, place, "Unknown keyword '}'")
    else if (!Object.hasOwn(own, name) && Object.hasOwn(others, name)) cursor.passOver(report)
    else takeLine(token, { table: own, name: '', cursor, entries, report })
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
  if (keyword.kind === 'block') return takeBlock({ name, rest, place }, keyword, block)
  if (keyword.kind === 'list') return takeList({ name, rest, place }, keyword, block)
  const taken = readValue(keyword, { line: text, words, block: block.name, say: (said) => report(5, place, said) })
  const written = keyword.kind === 'command' ? splitCommand(text.slice(name.length)).words : rest
  const once = keyword.kind === 'command' && entries.some((one) => one.keyword === name) ? keyword.once : undefined
  if ('lacks' in taken) lacksWord(text, name, taken.lacks, place, report)
  else if (once !== undefined) report(5, place, inWords(once, block.name, written))
  else if (taken.isTaken)
    entries.push({
      keyword: name,
      words: written,
      place,
      value: taken.value,
      end: place,
      entries: [],
    })
}

function mustOpen(cursor: Cursor, report: Report): void {
  const opening = cursor.peek()
  if (opening !== undefined && opening.text !== '{')
    report(5, opening.place, "Missing '{' at beginning of configuration block")
}

type Named = { readonly name: string; readonly rest: readonly string[]; readonly place: Place }

function takeBlock({ name, rest, place }: Named, keyword: Extract<Keyword, { kind: 'block' }>, block: Block): void {
  const { name: owner, cursor, entries, report } = block
  const isNameless = keyword.nameless !== undefined && rest.length !== 1
  if (isNameless) {
    report(5, place, keyword.nameless ?? '')
    if (cursor.peek()?.text === '{') {
      cursor.passOver(report)
      return
    }
  } else mustHave(rest, keyword.needs, name, place, report)
  if (keyword.isPassedOver?.(rest) === true) {
    mustOpen(cursor, report)
    cursor.passOver(report)
    entries.push({ keyword: name, words: rest, place, value: rest[0], end: place, entries: [] })
    return
  }
  const { twice } = keyword
  const isAgain = twice !== undefined && entries.some((one) => one.keyword === name && one.words[0] === rest[0])
  if (isAgain) report(5, place, inWords(twice, rest[0] ?? '', rest))
  if (cursor.peek() === undefined) return
  mustOpen(cursor, report)
  // A nameless one goes on with the one before it.
  const before = isNameless ? lastOf(entries, name) : undefined
  const inner: Entry[] = []
  const label = (before?.words ?? rest)[0] ?? (isNameless ? '(null)' : owner)
  // What a second one of a name has is read, and nothing is said of it.
  const within = { table: keyword.keywords, name: label, cursor, entries: inner, report: isAgain ? () => {} : report }
  const end = cursor.passThrough(report, (token) => takeLine(token, within)) ?? place
  if (before !== undefined) entries[entries.lastIndexOf(before)] = { ...before, entries: [...before.entries, ...inner] }
  else if (!isAgain && !isNameless)
    entries.push({ keyword: name, words: rest, place, value: rest[0], end, entries: inner })
}

function takeList({ name, rest, place }: Named, keyword: Extract<Keyword, { kind: 'list' }>, block: Block): void {
  const { name: owner, cursor, entries, report } = block
  const { needs = 0, isStrict = false, once } = keyword
  mustHave(rest, needs, name, place, report)
  const extra = rest[needs]
  const opening = cursor.peek()
  if (isStrict && (extra !== undefined || opening?.text !== '{'))
    endReading('is missing a parameter at word position 1', '***MISSING ***', opening?.place ?? place, report)
  if (extra !== undefined) report(5, place, `Block ${name} has extra parameters ${extra} ...`)
  if (opening === undefined) return
  const inner: Entry[] = []
  const take = (one: Entry): void => {
    if (once !== undefined && inner.some(({ keyword }) => keyword === one.keyword))
      report(5, one.place, inWords(once, rest[0] ?? owner, [one.keyword]))
    else inner.push(one)
  }
  const end = cursor.passThrough(report, (token) => listed(token).forEach(take)) ?? place
  entries.push({ keyword: name, words: rest, place, value: rest[0], end, entries: inner })
}

function mustHave(rest: readonly string[], needs = 0, name: string, place: Place, report: Report): void {
  if (rest.length < needs) lacksWord(name, name, rest.length + 2, place, report)
}

function inWords(message: string, owner: string, words: readonly string[]): string {
  return message.replaceAll('@', () => owner).replaceAll('$', () => words.join(' '))
}

/** A line of a list: its first word is its keyword, a brace that opens too. */
function listed({ text, place }: Token): readonly Entry[] {
  const [keyword, ...words] = splitWords(text).words
  return keyword === undefined ? [] : [{ keyword, words, place, value: words[0], end: place, entries: [] }]
}

/** @throws Unreadable, after it was reported. */
export function lacksWord(line: string, name: string, position: number, place: Place, report: Report): never {
  const first = /^\S+/.exec(line)?.[0] ?? name
  return endReading(
    `is missing a parameter after keyword \`${name}\` at word position ${position}`,
    first,
    place,
    report,
  )
}

function endReading(why: string, first: string, place: Place, report: Report): never {
  const said = `*** Configuration line starting \`${first}\` ${why}`
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
