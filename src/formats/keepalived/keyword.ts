/** What a keyword takes, as data; and how a value is read by it. In messages `$` is the value and `@` the block's name. */
import { splitCommand } from './words.ts'

type Wrong = { readonly wrong?: string }
/** What is said when nothing stands there; left out, the reading ends, as keepalived's does. */
type Missing = { readonly missing?: string }

export type Keyword =
  /** Any words; of them at least `needs` (one when left out). `says`: a remark on its use. */
  | ({ readonly kind: 'words'; readonly needs?: number; readonly says?: string; readonly longest?: number } & Wrong &
      Missing)
  /** A BOOL, or nothing for true. */
  | ({ readonly kind: 'flag'; readonly says?: string } & Wrong)
  /** `instead`: what counts when the value is wrong. `after`: the one word that may follow, and what is said of others. */
  | ({
      readonly kind: 'integer'
      readonly min: number
      readonly max: number
      readonly instead?: number
      readonly bare?: number
      readonly after?: { readonly known: string; readonly says: string }
    } & Wrong &
      Missing)
  /** Seconds with a fraction. */
  | ({ readonly kind: 'seconds'; readonly min: number; readonly max: number } & Wrong & Missing)
  /** `isCaseless`: taken in any case, as the one that it is. */
  | ({ readonly kind: 'choice'; readonly of: readonly string[]; readonly isCaseless?: boolean } & Wrong & Missing)
  /** A command: its words by the rules of commands. `once`: what is said of a second one, which does not count. `mayBeBare`: nothing is nothing. */
  | { readonly kind: 'command'; readonly once?: string; readonly mayBeBare?: boolean }
  /** Lines that are read by nobody's table: addresses, routes, names. */
  /** `isStrict`: the reading ends where the list is not begun as it must be. `once`: what is said of a line that begins as another. */
  | { readonly kind: 'list'; readonly needs?: number; readonly isStrict?: boolean; readonly once?: string }
  /** `nameless`: what is said of one without exactly one name, which is passed over. */
  | {
      readonly kind: 'block'
      readonly keywords: Table
      readonly needs?: number
      readonly twice?: string
      readonly nameless?: string
      /** By the words before it: nothing in it is looked at. */
      readonly isPassedOver?: (words: readonly string[]) => boolean
    }

export type Table = Readonly<Record<string, Keyword>>

export type Value = string | number | boolean | undefined

/** `lacks`: the position of a word that is missing, where keepalived ends. */
export type Taken = { readonly value: Value; readonly isTaken: boolean } | { readonly lacks: number }

const flagWords: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  yes: true,
  off: false,
  false: false,
  no: false,
}

export function isTrue(word: string): boolean | undefined {
  return flagWords[word]
}

export type Reading = {
  readonly line: string
  readonly words: readonly string[]
  readonly block: string
  readonly say: (message: string) => void
}

const notTaken: Taken = { value: undefined, isTaken: false }

export function readValue(keyword: Exclude<Keyword, { kind: 'block' | 'list' }>, reading: Reading): Taken {
  const { words, say } = reading
  const [name = '', word] = words
  const template = (text: string): string => text.replaceAll('@', () => reading.block).replaceAll('$', () => word ?? '')
  const refuse = (...messages: (string | undefined)[]): Taken => {
    for (const message of messages) if (message !== undefined) say(template(message))
    return notTaken
  }
  if (keyword.kind === 'flag') {
    if (keyword.says !== undefined) say(template(keyword.says))
    if (word === undefined) return { value: true, isTaken: true }
    const value = isTrue(word)
    return value === undefined ? refuse(keyword.wrong) : { value, isTaken: true }
  }
  if (keyword.kind === 'command')
    return word === undefined && keyword.mayBeBare === true ? notTaken : readCommand(reading)
  if (keyword.kind === 'words') {
    if (keyword.says !== undefined) say(template(keyword.says))
    const needs = keyword.needs ?? 1
    if (words.length <= needs - 1 || (needs > 0 && word === undefined))
      return keyword.missing === undefined ? { lacks: words.length + 1 } : refuse(keyword.missing)
    if (keyword.longest !== undefined && (word ?? '').length > keyword.longest) return refuse(keyword.wrong)
    return { value: word, isTaken: true }
  }
  if (word === undefined) {
    if (keyword.kind === 'integer' && keyword.bare !== undefined) return { value: keyword.bare, isTaken: true }
    return 'missing' in keyword && keyword.missing !== undefined ? refuse(keyword.missing) : { lacks: 2 }
  }
  if (keyword.kind === 'integer' && keyword.after !== undefined) {
    const { known, says } = keyword.after
    const unknown = words.slice(2).find((other) => other !== known)
    if (unknown !== undefined) say(`${template(says)} ${unknown}`)
  }
  if (keyword.kind === 'choice') {
    const folded = (text: string): string => (keyword.isCaseless === true ? text.toUpperCase() : text)
    const value = keyword.of.find((one) => folded(one) === folded(word))
    return value === undefined ? refuse(keyword.wrong ?? `${name}: unknown $`) : { value, isTaken: true }
  }
  const number = keyword.kind === 'integer' ? readInteger(word, keyword) : readSeconds(word, keyword)
  if (keyword.kind === 'seconds' && /^[0-9]*\.[0-9]{7,}$/.test(word))
    say(`number '${word}' has too many decimal places`)
  if (typeof number === 'number') return { value: number, isTaken: true }
  const isExcused = keyword.kind === 'seconds' && number.startsWith('invalid') && beginsWell(word, keyword)
  const refused = refuse(number, isExcused ? undefined : keyword.wrong)
  return keyword.kind === 'integer' && keyword.instead !== undefined
    ? { value: keyword.instead, isTaken: true }
    : refused
}

const maxUnsigned = 4_294_967_295
/** Microseconds of 64 bits, but for the last one. As a number it is not as exact as in words. */
const longestInWords = '18446744073709.551614'
export const longestWide = Number(longestInWords)

type Range = { readonly min: number; readonly max: number }

/** A string is what keepalived says of it. */
export function readInteger(word: string, { min, max }: Range): number | string {
  const number = /^[+-]?(0[xX][0-9A-Fa-f]{1,15}|[0-9]{1,15})$/.test(word) ? Number(word) : undefined
  if (min >= 0 && word.startsWith('-')) return `negative number '${word}'`
  if (number === undefined) return `invalid number '${word}'`
  if (min >= 0 && number > maxUnsigned) return `number '${word}' outside unsigned integer range`
  return number < min || number > max ? `number '${word}' outside range [${min}, ${max}]` : number
}

export function readSeconds(word: string, { min, max }: Range): number | string {
  if (word.startsWith('-')) return `negative number '${word}'`
  if (!/^\+?([0-9]{1,15}(\.[0-9]*)?|\.[0-9]+)$/.test(word)) return `invalid number '${word}'`
  const number = Math.round(Number(word) * 1e6) / 1e6
  if (number > longestWide + 0.01) return `number '${word}' outside unsigned decimal range`
  const most = max === longestWide ? longestInWords : max.toFixed(6)
  return number < min || number > max ? `number '${word}' outside range [${min.toFixed(6)}, ${most}]` : number
}

/** What is no number is judged once more by how it begins, and is nought where that is none either. */
function beginsWell(word: string, { min, max }: Range): boolean {
  const begin = Number.parseFloat(word) || 0
  return begin >= min && begin <= max
}

function readCommand({ line, words, say }: Reading): Taken {
  const [name = ''] = words
  const split = splitCommand(line.slice(name.length))
  if (split.unterminated) say(`String '${line}': missing terminating ${line.includes('"') ? '"' : "'"}`)
  const [first] = split.words
  if (first === undefined) return { lacks: 2 }
  return { value: split.words.join(' '), isTaken: !split.unterminated }
}
