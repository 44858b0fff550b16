/** Text in columns: what every list is printed with. */
import type { Paint } from '../terminal/paint.ts'
import { type Line, paintLine, printable, type Span, spanText } from './line.ts'

export type Column = { readonly title: string; readonly align?: 'right' }
export type Row = readonly Span[]

/** A heading and one line for each row, columns as wide as their widest cell, two spaces between. */
export function tableLines(columns: readonly Column[], rows: readonly Row[]): Line[] {
  const heading = columns.map(({ title }): Span => ({ text: title, style: 'bold' }))
  const all = [heading, ...rows].map((row) => row.map(clean))
  const widths = columns.map((_, at) => Math.max(...all.map((row) => spanText(row[at] ?? '').length)))
  return all.map((row) =>
    columns.flatMap(({ align }, at) => {
      const cell = row[at] ?? ''
      const space = ' '.repeat((widths[at] ?? 0) - spanText(cell).length)
      const between = at === columns.length - 1 ? '' : '  '
      return align === 'right' ? [space, cell, between] : [cell, space + between]
    }),
  )
}

export function table(columns: readonly Column[], rows: readonly Row[], paint: Paint): string[] {
  return tableLines(columns, rows).map((line) => paintLine(line, paint))
}

function clean(span: Span): Span {
  return typeof span === 'string' ? printable(span) : { text: printable(span.text), style: span.style }
}
