/** A line of text as pieces with a style each, so that it can be cut to a width before it is painted. */
import type { Paint, Style } from '../terminal/paint.ts'

export type Span = string | { readonly text: string; readonly style: Style }
export type Line = readonly Span[]

export const spanText = (span: Span): string => (typeof span === 'string' ? span : span.text)

/** Text from elsewhere (a guest, a check's answer) must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?')
}

export function paintLine(line: Line, paint: Paint): string {
  return line
    .map((span) => (typeof span === 'string' ? span : span.text === '' ? '' : paint(span.style, span.text)))
    .join('')
    .trimEnd()
}

/** At most `width` characters; what is cut away is seen by the `…` at the end. */
export function cutLine(line: Line, width: number): Line {
  const length = line.reduce((sum, span) => sum + spanText(span).length, 0)
  if (length <= width) return line
  const cut: Span[] = []
  let left = width - 1
  for (const span of line) {
    const text = spanText(span).slice(0, Math.max(0, left))
    cut.push(typeof span === 'string' ? text : { text, style: span.style })
    left -= text.length
  }
  return width < 1 ? [] : [...cut, '…']
}
