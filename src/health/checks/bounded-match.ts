/** A regular expression from a spec, run on what a server sent: neither may keep the daemon busy for long. */
import { createContext, Script } from 'node:vm'

/** Backtracking beyond this is no match: other checks and connections wait meanwhile. */
const matchMs = 50

export type Match = 'yes' | 'no' | 'too slow'

/** @throws SyntaxError when the pattern is none. */
export function boundedMatch(pattern: string): (text: string) => Match {
  const holder = { expression: new RegExp(pattern), text: '' }
  const context = createContext(holder)
  const script = new Script('expression.test(text)')
  const attempt = (): Match => {
    try {
      return script.runInContext(context, { timeout: matchMs }) === true ? 'yes' : 'no'
    } catch {
      // Out of time, of stack or of what a pattern may grow to: in no case is it known whether it matches.
      return 'too slow'
    }
  }
  return (text) => {
    holder.text = text
    const first = attempt()
    // Time goes on while a busy machine runs others: only what is slow twice is slow.
    return first === 'too slow' ? attempt() : first
  }
}
