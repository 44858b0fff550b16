/**
 * A Perl-compatible regular expression, as keepalived's `regex` has it (pcre2pattern(3)), in JavaScript's words. What means
 * something else there, or nothing, is put into other words, or refused with the reason. Pure.
 */

export type Translated = { readonly source: string; readonly flags: string } | { readonly refused: string }

/** Options that change nothing of what matches here. */
const idle = new Set([
  'auto_callout', 'match_unset_backref', 'never_backslash_c', 'never_ucp', 'never_utf', 'no_auto_possessify',
  'no_dotstar_anchor', 'no_start_optimize', 'use_offset_limit',
]) // biome-ignore format: a list to read at a glance
const known = new Set(['anchored', 'caseless', 'dollar_endonly', 'dotall', 'extended', 'multiline', 'utf'])

const classes: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9', alpha: 'A-Za-z', ascii: '\\x00-\\x7f', blank: ' \\t', cntrl: '\\x00-\\x1f\\x7f', digit: '0-9',
  graph: '\\x21-\\x7e', lower: 'a-z', print: '\\x20-\\x7e', punct: '!-\\/:-@\\[-`{-~', space: ' \\t-\\r', upper: 'A-Z',
  word: 'A-Za-z0-9_', xdigit: 'A-Fa-f0-9',
} // biome-ignore format: a table

/** What \s, \h and the like are: ASCII only, without the option ucp. */
const escapes: Readonly<Record<string, string>> = {
  a: '\\x07', e: '\\x1b', h: '[ \\t]', H: '[^ \\t]', s: '[ \\t-\\r]', S: '[^ \\t-\\r]', R: '(?:\\r\\n|[\\n-\\r])', N: '[^\\n]',
  A: '(?<![^])', z: '(?![^])', Z: '(?=\\n?(?![^]))',
} // biome-ignore format: a table
const escapesInClass: Readonly<Record<string, string>> = {
  a: '\\x07',
  e: '\\x1b',
  h: ' \\t',
  s: ' \\t-\\r',
  b: '\\x08',
}

export function translatePattern(pattern: string, options: readonly string[]): Translated {
  const wrong = options.find((option) => !idle.has(option) && !known.has(option))
  if (wrong !== undefined) return { refused: `the option ${wrong} has no counterpart here` }
  const set = new Set(options)
  const [whole, inline = ''] = /^\(\?([imsx]+)\)/.exec(pattern) ?? ['']
  for (const [letter, option] of [['i', 'caseless'], ['m', 'multiline'], ['s', 'dotall'], ['x', 'extended']] as const)
    if (inline.includes(letter)) set.add(option) // biome-ignore format: a table
  try {
    const source = new Translator(pattern, whole.length, set).run()
    const flags = `${set.has('caseless') ? 'i' : ''}${set.has('multiline') ? 'm' : ''}${set.has('utf') ? 'u' : ''}`
    // Whether it is one at all is JavaScript's to say.
    return { source, flags: new RegExp(source, flags).flags }
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) }
  }
}

class Translator {
  readonly #pattern: string
  readonly #options: ReadonlySet<string>
  #at: number

  constructor(pattern: string, at: number, options: ReadonlySet<string>) {
    this.#pattern = pattern
    this.#at = at
    this.#options = options
  }

  /** @throws Error that says which construct there is no counterpart for. */
  run(): string {
    let out = ''
    while (this.#at < this.#pattern.length) out += this.#next()
    return this.#options.has('anchored') ? `(?<![^])(?:${out})` : out
  }

  #next(): string {
    const rest = this.#pattern.slice(this.#at)
    const letter = rest.charAt(0)
    if (letter === '\\') return this.#escape(rest)
    if (letter === '[') return this.#class(rest)
    if (this.#options.has('extended')) {
      const [blank] = /^(?:\s+|#[^\n]*)/.exec(rest) ?? []
      if (blank !== undefined) return this.#take(blank.length, '')
    }
    const [construct = ''] = /^\((?:\?(?:>|\||R|[0-9+-]|&|P|#|\(|[imsxnJU^-]+[:)])|\*)/.exec(rest) ?? []
    if (construct !== '') throw new Error(`${construct} has no counterpart here`)
    const [possessive = ''] = /^(?:[*+?]|\{\d+(?:,\d*)?\})\+/.exec(rest) ?? []
    if (possessive !== '') throw new Error(`${possessive} (possessive) has no counterpart here`)
    if (letter === '.') return this.#take(1, this.#options.has('dotall') ? '[^]' : '[^\\n]')
    if (letter === '$' && !this.#options.has('multiline'))
      return this.#take(1, this.#options.has('dollar_endonly') ? '(?![^])' : '(?=\\n?(?![^]))')
    return this.#take(1, letter)
  }

  #take(length: number, text: string): string {
    this.#at += length
    return text
  }

  #escape(rest: string): string {
    const letter = rest.charAt(1)
    if (letter === 'Q') {
      const [whole = rest, quoted = rest.slice(2)] = /^\\Q([^]*?)\\E/.exec(rest) ?? []
      return this.#take(whole.length, quoted.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
    }
    if (/[CEGKXgklLuU]/.test(letter) && letter !== 'k') throw new Error(`\\${letter} has no counterpart here`)
    const [hex, digits] = /^\\x\{([0-9A-Fa-f]{1,2})\}/.exec(rest) ?? []
    if (hex !== undefined) return this.#take(hex.length, `\\x${(digits ?? '').padStart(2, '0')}`)
    const own = escapes[letter]
    if (own !== undefined) return this.#take(2, own)
    // A letter that means nothing by itself means itself, which JavaScript does not allow together with u.
    return this.#take(2, /[A-Za-z0-9]/.test(letter) ? `\\${letter}` : escaped(letter))
  }

  #class(rest: string): string {
    const negated = rest.startsWith('[^')
    let at = negated ? 2 : 1
    let inner = ''
    for (let isFirst = true; ; isFirst = false) {
      const here = rest.slice(at)
      if (here === '') throw new Error('a [ without its ]')
      if (here.startsWith(']') && !isFirst) break
      const [posix, not, name = ''] = /^\[:(\^?)([a-z]+):\]/.exec(here) ?? []
      if (posix !== undefined) {
        const members = classes[name]
        if (members === undefined || not !== '') throw new Error(`${posix} has no counterpart here`)
        inner += members
        at += posix.length
      } else if (here.startsWith('\\')) {
        const letter = here.charAt(1)
        if (letter === 'S' || letter === 'H') throw new Error(`\\${letter} in a class has no counterpart here`)
        inner += escapesInClass[letter] ?? (/[A-Za-z0-9]/.test(letter) ? `\\${letter}` : escaped(letter))
        at += 2
      } else {
        const letter = here.charAt(0)
        inner += letter === '[' || letter === ']' ? `\\${letter}` : letter
        at += 1
      }
    }
    return this.#take(at + 1, `[${negated ? '^' : ''}${inner}]`)
  }
}

/** A sign as itself: u allows a backslash before signs of its own syntax only. */
function escaped(sign: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(sign) ? `\\${sign}` : sign
}
