/** xl.cfg as the assignments that it makes, in order; and what xl would refuse, each at its place. Pure. */
import { type Place, type Token, tokens } from './lexer.ts'

export type XlValue = string | number | readonly XlValue[]

export type Assignment = {
  readonly key: string
  readonly operator: '=' | '+='
  readonly value: XlValue
  /** All of it, and its value alone. */
  readonly place: Place
  readonly valuePlace: Place
}

export type XlProblem = {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly hint?: string
}

export type ParsedXlCfg = {
  readonly assignments: readonly Assignment[]
  readonly problems: readonly XlProblem[]
}

const deepest = 32

export function parseXlCfg(text: string): ParsedXlCfg {
  const parser = new Parser(text)
  const assignments: Assignment[] = []
  const problems: XlProblem[] = []
  while (!parser.isAtEnd())
    try {
      const found = parser.statement()
      if (found !== undefined) assignments.push(found)
    } catch (error) {
      if (!(error instanceof Misplaced)) throw error
      problems.push(error.problem)
      parser.skipStatement()
    }
  return { assignments, problems }
}

/** Found where it does not belong; never leaves this file. */
class Misplaced extends Error {
  readonly problem: XlProblem

  constructor(token: Token, expected: string, hint?: string) {
    super(expected)
    const { line, column } = token
    const isWrong = token.kind === 'wrong'
    const why = hint ?? (isWrong ? token.hint : undefined)
    this.problem = {
      line,
      column,
      message: isWrong ? token.message : `expected ${expected}, not ${nameOf(token)}`,
      ...(why === undefined ? {} : { hint: why }),
    }
  }
}

class Parser {
  readonly #tokens: Token[]
  #at = 0
  /** In how many lists we are: there a line's end is nothing. */
  #depth = 0

  constructor(text: string) {
    this.#tokens = [...tokens(text)].filter(({ kind }) => kind !== 'trivia')
  }

  isAtEnd(): boolean {
    return this.#peek().kind === 'end'
  }

  /** undefined for a line without one. @throws Misplaced */
  statement(): Assignment | undefined {
    this.#depth = 0
    const first = this.#next()
    if (isEnd(first)) return undefined
    if (first.kind !== 'key') throw new Misplaced(first, 'a key in lower-case letters')
    const operator = this.#next()
    if (operator.kind !== 'mark' || (operator.text !== '=' && operator.text !== '+='))
      throw new Misplaced(operator, `= or += after ${first.text}`)
    const valueAt = this.#peek()
    const value = this.#value()
    const last = this.#tokens[this.#at - 1] ?? valueAt
    const after = this.#peek()
    if (!isEnd(after)) throw new Misplaced(after, `the end of the line or ; after the value of ${first.text}`)
    if (after.kind !== 'end') this.#at += 1
    return {
      key: first.text,
      operator: operator.text,
      value,
      place: { ...placeOf(first), to: last.to },
      valuePlace: { ...placeOf(valueAt), to: last.to },
    }
  }

  /** What is wrong in one statement says nothing of the next. */
  skipStatement(): void {
    const before = this.#tokens[this.#at - 1]
    if (before !== undefined && isEnd(before) && this.#depth === 0) return
    while (!isEnd(this.#peek())) this.#at += 1
    if (!this.isAtEnd()) this.#at += 1
  }

  #value(): XlValue {
    const token = this.#next()
    if (token.kind === 'string' || token.kind === 'number') return token.value
    if (token.kind === 'mark' && token.text === '[') return this.#list(token)
    if (token.kind === 'key')
      throw new Misplaced(token, 'a value', `put quotes around ${token.text}; yes and no are written 1 and 0`)
    throw new Misplaced(token, 'a string in quotes, a number or a list')
  }

  #list(open: Token): readonly XlValue[] {
    if (this.#depth === deepest) throw new Misplaced(open, `lists in no more than ${deepest} others`)
    this.#depth += 1
    const items: XlValue[] = []
    for (let mayFollow = true; ; ) {
      const token = this.#peekInList()
      if (token.kind === 'end' || this.#beginsAssignment())
        throw new Misplaced(token, `] for the list that begins in line ${open.line}`)
      const isMark = token.kind === 'mark'
      if (isMark && token.text === ']') break
      if (isMark && token.text === ',' && !mayFollow) {
        this.#at += 1
        mayFollow = true
        continue
      }
      if (!mayFollow) throw new Misplaced(token, ', or ] in the list')
      items.push(this.#value())
      mayFollow = false
    }
    this.#at += 1
    this.#depth -= 1
    return items
  }

  /** Where a list was never ended, the next line shows it. */
  #beginsAssignment(): boolean {
    const [key, operator] = this.#tokens.slice(this.#at, this.#at + 2)
    return key?.kind === 'key' && operator?.kind === 'mark' && (operator.text === '=' || operator.text === '+=')
  }

  #peek(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new Error('beyond the end')
    return token
  }

  #peekInList(): Token {
    while (isNewline(this.#peek())) this.#at += 1
    return this.#peek()
  }

  /** The end is never passed. */
  #next(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#at += 1
    return token
  }
}

function isNewline(token: Token): boolean {
  return token.kind === 'mark' && token.text === '\n'
}

function isEnd(token: Token): boolean {
  return token.kind === 'end' || isNewline(token) || (token.kind === 'mark' && token.text === ';')
}

function placeOf({ from, to, line, column }: Token): Place {
  return { from, to, line, column }
}

function nameOf(token: Token): string {
  switch (token.kind) {
    case 'key':
      return token.text
    case 'mark':
      return token.text === '\n' ? 'the end of the line' : token.text
    case 'string':
      return JSON.stringify(token.value)
    case 'number':
      return String(token.value)
    default:
      return 'the end of the file'
  }
}
