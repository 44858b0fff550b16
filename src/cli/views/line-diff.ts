/** What changes in a text, line by line, with the lines around it: enough to do the same by hand. */
import { structuredPatch } from 'diff'

const signs = ['-', '+', ' '] as const

type DiffLine = { readonly sign: (typeof signs)[number]; readonly text: string }

const gap: DiffLine = { sign: ' ', text: '…' }

/** Unchanged lines only beside changed ones; a gap between two places is one line `…`. */
export function changedLines(before: string, after: string): DiffLine[] {
  const { hunks } = structuredPatch('', '', before, after, undefined, undefined, { context: 2 })
  return hunks.flatMap(({ lines }, index) => [...(index === 0 ? [] : [gap]), ...lines.flatMap(lineOf)])
}

/** Nothing for `\ No newline at end of file`. */
function lineOf(line: string): DiffLine[] {
  return signs.filter((sign) => line.startsWith(sign)).map((sign) => ({ sign, text: line.slice(1) }))
}
