/** A line of iproute2's words as keepalived reads it: one word after the other, and what stands against it in keepalived's words. */
import { type Cidr, parseAddress } from '../../lvs/address.ts'
import { type Family, familyOf } from '../../lvs/service.ts'
import { readInteger } from '../keepalived/keyword.ts'
import type { NameKind, Names } from './names.ts'

export type ReadLine<T> =
  /** `said`: what was read otherwise than it was written. `refused`: a word that keepalived knows and Baton does not carry out. */
  | { readonly kind: 'read'; readonly value: T; readonly said: readonly string[]; readonly refused?: string }
  | { readonly kind: 'wrong'; readonly said: readonly string[] }
  /** A word without its value, where keepalived ends; `position` counts from 1. */
  | { readonly kind: 'lacks'; readonly keyword: string; readonly position: number }

class Wrong extends Error {}

class Lacking extends Error {
  readonly keyword: string

  constructor(keyword: string) {
    super(keyword)
    this.keyword = keyword
  }
}

type Range = { readonly min: number; readonly max: number }

export class Reader {
  readonly names: Names
  readonly said: string[] = []
  refused: string | undefined
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[], names: Names) {
    this.#words = words
    this.names = names
  }

  /** The next word, undefined at the end. */
  next(): string | undefined {
    const word = this.#words[this.#at]
    this.#at += 1
    return word
  }

  peek(): string | undefined {
    return this.#words[this.#at]
  }

  /** What a keyword must have after it. */
  value(keyword: string): string {
    return this.next() ?? this.lack(keyword)
  }

  /** Whether the next word is this one; it is taken then. */
  has(word: string): boolean {
    if (this.peek() !== word) return false
    this.#at += 1
    return true
  }

  rest(): string {
    return this.#words.slice(this.#at).join(' ')
  }

  skipAll(): void {
    this.#at = this.#words.length
  }

  lack(keyword: string): never {
    throw new Lacking(keyword)
  }

  fail(...messages: readonly string[]): never {
    this.said.push(...messages)
    throw new Wrong(messages.join('; '))
  }

  integer(word: string, range: Range, ...messages: readonly string[]): number {
    const number = readInteger(word, range)
    return typeof number === 'number' ? number : this.fail(number, ...messages)
  }

  /** A number of the range, or a name of the kind. */
  named(kind: NameKind, word: string, most: number, message: string): number {
    const number = /^(0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10})$/.test(word) ? Number(word) : this.names(kind, word)
    return number === undefined || number > most ? this.fail(message) : number
  }

  /** `1.2.3.0/24`; without a length that of its family. `what`: what is said of one that is none. */
  network(word: string, what: string): Cidr {
    const [host = '', length] = word.split('/')
    const address = parseAddress(host)
    if (address === undefined) return this.fail(`VRRP parsed invalid IP ${word}. skipping IP...`, what)
    const most = bitsOf(familyOf(address))
    const prefix = length === undefined ? most : readInteger(length, { min: 0, max: most })
    if (typeof prefix === 'number') return { address, prefix }
    this.said.push(prefix, `Invalid address prefix len ${length ?? ''} for address ${word} - using ${most}`)
    return { address, prefix: most }
  }
}

export function bitsOf(family: Family): number {
  return family === 'ipv4' ? 32 : 128
}

export function readLine<T>(words: readonly string[], names: Names, body: (reader: Reader) => T): ReadLine<T> {
  const reader = new Reader(words, names)
  try {
    const value = body(reader)
    const { said, refused } = reader
    return { kind: 'read', value, said, ...(refused === undefined ? {} : { refused }) }
  } catch (error) {
    if (error instanceof Lacking) return { kind: 'lacks', keyword: error.keyword, position: words.length + 1 }
    if (error instanceof Wrong) return { kind: 'wrong', said: reader.said }
    throw error
  }
}

/** What is wrong with a line, in one sentence; undefined: nothing that keeps it from being carried out. */
export function faultOf(read: ReadLine<unknown>): string | undefined {
  if (read.kind === 'lacks') return `${read.keyword} lacks its value`
  if (read.kind === 'wrong') return read.said.join('; ')
  return read.refused
}
