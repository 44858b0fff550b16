/** Perl's regular expressions of `receive` in JavaScript's words, where those mean something else. Pure. */

export type TranslatedPattern = { readonly pattern: string } | { readonly refused: string }

/** Where a text begins and ends; `$` and \Z also match before a last line end. */
type Ends = { readonly begin: string; readonly end: string; readonly last: string }
const ofText: Ends = { begin: '^', end: '(?=\\n?(?![^]))', last: '(?![^])' }
/** The same of each line by itself, with the line end that belongs to it. */
const ofLine: Ends = { begin: '(?<![^\\n])', end: '(?=\\n|(?![^]))', last: '(?:(?<=\\n)|(?![^]))' }

/** What Perl writes with a backslash and JavaScript has not, or has for something else. */
const escapes: Readonly<Record<string, string>> = {
  a: '\\x07',
  e: '\\x1b',
  h: '[ \\t]',
  H: '[^ \\t]',
  N: '[^\\n]',
  R: '(?:\\r\\n|[\\n\\v\\f\\r])',
}
const inClass: Readonly<Record<string, string>> = { a: '\\x07', e: '\\x1b', h: ' \\t' }
const foreign = 'CGKLEQUXgloupPN'

/** `refused`: what has no counterpart, so that it would match something else. `byLine`: each line is a text. */
export function translatePattern(perl: string, byLine = false): TranslatedPattern {
  const { begin, end, last } = byLine ? ofLine : ofText
  const outside: Readonly<Record<string, string>> = { ...escapes, A: begin, Z: end, z: last }
  let pattern = ''
  let isInClass = false
  for (let at = 0; at < perl.length; at += 1) {
    const [letter, next] = [perl.charAt(at), perl.charAt(at + 1)]
    if (letter === '\\') {
      const known = (isInClass ? inClass : outside)[next]
      if (known === undefined && (foreign.includes(next) || (isInClass && /[AHRZz]/.test(next))))
        return { refused: `\\${next}` }
      if (next === 'x' && perl.charAt(at + 2) === '{') return { refused: '\\x{' }
      // Without two digits JavaScript takes the letter itself, Perl a number of fewer digits.
      if (next === 'x' && !/^[0-9A-Fa-f]{2}/.test(perl.slice(at + 2))) return { refused: '\\x' }
      pattern += known ?? letter + next
      at += 1
    } else if (isInClass) {
      if (letter === '[' && /[:.=]/.test(next)) return { refused: `[${next}` }
      if (letter === ']') isInClass = false
      pattern += letter
    } else if (letter === '[') {
      isInClass = true
      const negated = next === '^' ? '^' : ''
      at += negated.length
      pattern += `[${negated}`
      // A bracket that comes first stands for itself in Perl.
      if (perl.charAt(at + 1) === ']') {
        pattern += '\\]'
        at += 1
      }
    } else if (letter === '.') pattern += '[^\\n]'
    else if (letter === '$') pattern += end
    else if (letter === '^') pattern += begin
    else pattern += letter
  }
  try {
    return { pattern: new RegExp(pattern).source === '' ? '' : pattern }
  } catch {
    return { refused: 'syntax' }
  }
}
