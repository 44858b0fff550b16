/** What changes in a text, line by line, with the lines around it: enough to do the same by hand. */

type DiffLine = { readonly sign: '-' | '+' | ' '; readonly text: string }

const around = 2

/** Unchanged lines only beside changed ones; a gap between two places is one line `…`. */
export function changedLines(before: string, after: string): DiffLine[] {
  const all = lineDiff(linesOf(before), linesOf(after))
  const isNear = (index: number): boolean =>
    all.slice(Math.max(0, index - around), index + around + 1).some(({ sign }) => sign !== ' ')
  const shown: DiffLine[] = []
  let isGap = false
  for (const [index, line] of all.entries()) {
    if (!isNear(index)) {
      isGap = shown.length > 0
      continue
    }
    if (isGap) shown.push({ sign: ' ', text: '…' })
    isGap = false
    shown.push(line)
  }
  return shown
}

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'))

/** By the longest run of lines that both have, in order. */
function lineDiff(before: readonly string[], after: readonly string[]): DiffLine[] {
  // common[i][j]: how many lines before[i…] and after[j…] have in common.
  const common = Array.from({ length: before.length + 1 }, () => Array.from({ length: after.length + 1 }, () => 0))
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0
  for (let i = before.length - 1; i >= 0; i -= 1)
    for (let j = after.length - 1; j >= 0; j -= 1) {
      const row = common[i] ?? []
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  const lines: DiffLine[] = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    const [old, fresh] = [before[i], after[j]]
    if (old !== undefined && old === fresh) {
      lines.push({ sign: ' ', text: old })
      i += 1
      j += 1
    } else if (old !== undefined && (fresh === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: old })
      i += 1
    } else {
      lines.push({ sign: '+', text: fresh ?? '' })
      j += 1
    }
  }
  return lines
}
