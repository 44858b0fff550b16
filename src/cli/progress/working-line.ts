/** What a command is at, that makes one thing for a while: one line in place on a terminal, else a line now and then. */

import type { Output } from '../output.ts'
import { openLiveBlock } from '../terminal/live.ts'
import { cutLine, paintLine, printable } from '../views/line.ts'

export interface WorkingLine extends Disposable {
  readonly say: (text: string) => void
}

/** Elsewhere than on a terminal, texts that differ in their numbers alone come no more often. */
const quietMs = 10_000

export function openWorkingLine(what: string, output: Output): WorkingLine {
  if (!output.isTerminal) return quietLine(what, output)
  const block = openLiveBlock(process.stdout)
  return {
    say: (text) => {
      const line = cutLine([`${what}: ${printable(text)}`], process.stdout.columns - 1)
      block.draw([paintLine(line, output.paint)])
    },
    [Symbol.dispose]: () => block[Symbol.dispose](),
  }
}

function quietLine(what: string, output: Output): WorkingLine {
  const saidAt = new Map<string, number>()
  return {
    say: (text) => {
      const kind = text.replaceAll(/\d+/g, '#')
      const last = saidAt.get(kind)
      if (last !== undefined && performance.now() - last < quietMs) return
      saidAt.set(kind, performance.now())
      output.note([`${what}: ${text}`])
    },
    [Symbol.dispose]: () => {},
  }
}
