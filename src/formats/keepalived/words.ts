/** The words of one line, as keepalived.conf(5) quotes them: ordinary values by "…" alone, commands by both kinds and escapes. */

export type Words = { readonly words: readonly string[]; readonly unterminated: boolean }

/** A quote begins a word and ends it: `a"b c"` are two. No escapes. What follows a quote that never ends is lost. */
export function splitWords(line: string): Words {
  const words: string[] = []
  let at = 0
  while (at < line.length) {
    const character = line.charAt(at)
    if (isBlank(character)) {
      at += 1
    } else if (character === '"') {
      const end = line.indexOf('"', at + 1)
      if (end < 0) return { words, unterminated: true }
      words.push(line.slice(at + 1, end))
      at = end + 1
    } else {
      const begin = at
      while (at < line.length && !isBlank(line.charAt(at)) && line.charAt(at) !== '"') at += 1
      words.push(line.slice(begin, at))
    }
  }
  return { words, unterminated: false }
}

const letters: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  E: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** Words of a command: quoted parts join, and a backslash outside '…' begins an escape. */
export function splitCommand(line: string): Words {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  let at = 0
  while (at < line.length) {
    const character = line.charAt(at)
    at += 1
    if (quote === '' && isBlank(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (character === quote) {
      quote = ''
    } else if (quote === '' && (character === '"' || character === "'")) {
      quote = character
      word ??= ''
    } else if (character === '\\' && quote !== "'" && at < line.length) {
      const escape = readEscape(line, at)
      word = (word ?? '') + escape.text
      at = escape.end
    } else {
      word = (word ?? '') + character
    }
  }
  if (word !== undefined) words.push(word)
  return { words, unterminated: quote !== '' }
}

/** `at`: after the backslash. */
function readEscape(line: string, at: number): { readonly text: string; readonly end: number } {
  const [number, hex] = /^(?:x([0-9A-Fa-f]{1,2})|[0-7]{1,3})/.exec(line.slice(at, at + 3)) ?? []
  if (number !== undefined) {
    const code = hex === undefined ? Number.parseInt(number, 8) : Number.parseInt(hex, 16)
    return { text: String.fromCharCode(code & 0xff), end: at + number.length }
  }
  const letter = line.charAt(at)
  if (letter === 'c' && at + 1 < line.length)
    return { text: String.fromCharCode(line.charCodeAt(at + 1) & 0x1f), end: at + 2 }
  return { text: letters[letter] ?? letter, end: at + 1 }
}

/** Without its comment: from # or ! to the end, unless they are quoted or follow a backslash, which then goes. */
export function withoutComment(line: string): string {
  let text = ''
  let isQuoted = false
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at)
    const next = line.charAt(at + 1)
    if (character === '"') isQuoted = !isQuoted
    if (!isQuoted && (character === '#' || character === '!')) break
    if (!isQuoted && character === '\\' && (next === '#' || next === '!')) {
      text += next
      at += 1
    } else text += character
  }
  return text.trim()
}

/** A line at its braces: each of `{` and `}` that is not quoted stands by itself. */
export function splitBraces(line: string): readonly string[] {
  const parts: string[] = []
  let begin = 0
  let isQuoted = false
  const take = (end: number): void => {
    const part = line.slice(begin, end).trim()
    if (part !== '') parts.push(part)
  }
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at)
    if (character === '"') isQuoted = !isQuoted
    if (isQuoted || (character !== '{' && character !== '}')) continue
    take(at)
    parts.push(character)
    begin = at + 1
  }
  take(line.length)
  return parts
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t'
}
