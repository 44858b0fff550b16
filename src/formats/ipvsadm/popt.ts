/** Command lines as popt(3) 1.19 reads them: bundles, attached values, `--opt=value`, no abbreviations, `--`. */
import type { Option } from './options.ts'

export type PoptStep =
  | { readonly kind: 'option'; readonly option: Option; readonly value: string | undefined; readonly word: string }
  | { readonly kind: 'error'; readonly word: string; readonly reason: PoptReason }

/** As poptStrerror says them. */
export type PoptReason = 'unknown option' | 'missing argument' | 'option does not take an argument'

export type PoptReader = {
  /** The next option, an error (nothing may be asked after it), or undefined at the end of the line. */
  next(): PoptStep | undefined
  /** The words that were no options, complete when `next` has come to the end. */
  readonly operands: readonly string[]
}

export function poptReader(table: readonly Option[], words: readonly string[]): PoptReader {
  const operands: string[] = []
  let at = 0
  // What is left of `-Lnc` after its `L`.
  let bundle = ''
  let onlyOperands = false

  const word = (): string => words[at - 1] ?? ''
  const failed = (reason: PoptReason): PoptStep => ({ kind: 'error', word: word(), reason })

  /** `attached`: what stands in the same word. */
  const take = (option: Option, attached: string | undefined): PoptStep => {
    const taken = (value: string | undefined): PoptStep => ({ kind: 'option', option, value, word: word() })
    if (option.value === 'none')
      return attached === undefined ? taken(undefined) : failed('option does not take an argument')
    if (attached !== undefined) return taken(attached)
    const next = words[at]
    if (next !== undefined && !(option.value === 'optional' && next.startsWith('-'))) {
      const step = taken(next)
      at++
      return step
    }
    return option.value === 'optional' ? taken(undefined) : failed('missing argument')
  }

  const takeShort = (): PoptStep => {
    const letter = bundle.charAt(0)
    const option = table.find(({ short }) => short === letter)
    if (option === undefined) return failed('unknown option')
    const rest = bundle.slice(1)
    bundle = ''
    if (option.value !== 'none') return take(option, rest === '' ? undefined : rest.replace(/^=/, ''))
    if (rest.startsWith('=')) return take(option, rest)
    bundle = rest
    return take(option, undefined)
  }

  const takeLong = (text: string): PoptStep => {
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    const option = table.find(({ long }) => long === name)
    if (option === undefined) return failed('unknown option')
    return take(option, equals < 0 ? undefined : text.slice(equals + 1))
  }

  const next = (): PoptStep | undefined => {
    if (bundle !== '') return takeShort()
    for (;;) {
      const here = words[at]
      if (here === undefined) return undefined
      at++
      if (onlyOperands || !here.startsWith('-') || here === '-') operands.push(here)
      else if (here === '--') onlyOperands = true
      else if (here.startsWith('--')) return takeLong(here.slice(2))
      else {
        bundle = here.slice(1)
        return takeShort()
      }
    }
  }
  return { next, operands }
}
