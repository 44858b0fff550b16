/** A regular expression from a spec, run on what a server sent: neither may keep the daemon busy for long. */
import { createContext, Script } from 'node:vm'
import type { BodyMatch } from '../check.ts'

/** Backtracking beyond this is no match: other checks and connections wait meanwhile. */
const matchMs = 50
/** Time goes on while a busy machine runs others: what was slow once is given more, unless that was in vain before. */
const onceMoreMs = 250

export type Match = 'yes' | 'no' | 'too slow'

/** @throws SyntaxError when the pattern is none. */
export function boundedMatch(
  pattern: string,
  { flags = '', isAbsent, from = 0, until }: BodyMatch = {},
): (text: string) => Match {
  const holder = { expression: new RegExp(pattern, `${flags}g`), text: '', from }
  const context = createContext(holder)
  const script = new Script('expression.lastIndex = from; (expression.exec(text) ?? { index: -1 }).index')
  let wasInVain = false
  const attempt = (timeout: number): Match => {
    try {
      const at = Number(script.runInContext(context, { timeout }))
      return at >= 0 && at <= (until ?? at) ? 'yes' : 'no'
    } catch {
      // Out of time, of stack or of what a pattern may grow to: in no case is it known whether it matches.
      return 'too slow'
    }
  }
  return (text) => {
    holder.text = text
    const first = attempt(matchMs)
    const match = first === 'too slow' ? attempt(wasInVain ? matchMs : onceMoreMs) : first
    wasInVain = match === 'too slow'
    if (isAbsent !== true || match === 'too slow') return match
    return match === 'yes' ? 'no' : 'yes'
  }
}
