/** A look at YAML's tokens before it is parsed: refuses what the recursive parser could not survive, finds what is not closed. */
import { CST, Lexer } from 'yaml'

/** Far more than a spec needs, far less than the parser's stack takes. */
const maximumDepth = 60
const maximumLength = 16 * 1024 * 1024

export type Unclosed = { readonly offset: number; readonly bracket: string }
export type Scan =
  | { readonly ok: true; readonly unclosed: Unclosed | undefined; readonly unclosedQuote: number | undefined }
  | { readonly ok: false; readonly offset: number; readonly message: string }

const opening = { 'flow-seq-end': '[', 'flow-map-end': '{' }

export function scanTokens(text: string): Scan {
  if (text.length > maximumLength)
    return { ok: false, offset: 0, message: `the file is too long: at most ${maximumLength >> 20} MiB are read` }
  const brackets: Unclosed[] = []
  const indents: number[] = []
  let offset = 0
  let lineStart = true
  let indicators = 0
  let unclosedQuote: number | undefined
  let mismatched: Unclosed | undefined
  for (const token of new Lexer().lex(text)) {
    const kind = CST.tokenType(token)
    // The lexer's marks for document and scalar modes are not in the text.
    const length = kind === 'doc-mode' || kind === 'flow-error-end' || token === '\u001f' ? 0 : token.length
    if (kind === 'flow-seq-start' || kind === 'flow-map-start') brackets.push({ offset, bracket: token })
    if (kind === 'flow-seq-end' || kind === 'flow-map-end') {
      const open = brackets.pop()
      if (open !== undefined && open.bracket !== opening[kind]) mismatched ??= open
    }
    if ((kind === 'double-quoted-scalar' || kind === 'single-quoted-scalar') && !isClosed(token))
      unclosedQuote ??= offset
    if (kind === 'seq-item-ind' || kind === 'explicit-key-ind' || kind === 'map-value-ind') indicators += 1
    if (kind === 'newline') indicators = 0
    if (lineStart && kind !== 'newline') {
      const indent = kind === 'space' ? token.length : 0
      while ((indents.at(-1) ?? -1) >= indent) indents.pop()
      indents.push(indent)
    }
    lineStart = kind === 'newline'
    if (brackets.length + indents.length + indicators > maximumDepth)
      return { ok: false, offset, message: 'maps and lists are nested too deeply here' }
    offset += length
  }
  return { ok: true, unclosed: mismatched ?? brackets.at(-1), unclosedQuote }
}

/** Whether a quoted text ends with its quote: not one that is escaped, by a backslash or by doubling it. */
function isClosed(token: string): boolean {
  if (token.length < 2 || !token.endsWith(token.charAt(0))) return false
  const escape = token.startsWith('"') ? '\\' : "'"
  let escapes = 0
  while (escapes < token.length - 2 && token.at(-2 - escapes) === escape) escapes += 1
  return escapes % 2 === 0
}
