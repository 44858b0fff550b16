/** Commands as one line for a login shell, whichever it is: arguments quoted, with a first line that tells how it began. */
import { quote } from '../quote.ts'

/** A script for sh(1) with its arguments, as root when `sudo` is asked for. */
export function shellLine(script: string, args: readonly string[], sudo: boolean): string {
  const words = [...(sudo ? ['sudo', '-n', '--'] : []), 'sh', '-c', script, 'baton', ...args]
  return `exec ${words.map(quote).join(' ')}`
}

const mark = '\u0001baton '

/** Prints the process group, by which all that the command starts can be ended; what a login shell prints comes before. */
export const sayGroup = String.raw`read -r _ _ _ _ group _ </proc/$$/stat; printf '\001baton %s\n' "$group"`

/** Arguments: the directory or '', variables as NAME=value, --, the command. */
export const runScript = String.raw`
directory=$1; shift
while [ "$1" != -- ]; do export "$1"; shift; done
shift
if [ -n "$directory" ]; then cd "$directory" || { printf '\001baton directory\n'; exit 1; }; fi
command -v "$1" >/dev/null 2>&1 || { printf '\001baton missing\n'; exit 127; }
${sayGroup}
exec "$@"`

export type Beginning = 'missing' | 'directory' | { readonly group: number }

/** How a command began, and how long the text before its own output is; undefined while that is not known. */
export function parseBeginning(output: Buffer): { readonly beginning: Beginning; readonly length: number } | undefined {
  const start = output.indexOf(mark)
  const end = start < 0 ? -1 : output.indexOf('\n', start)
  if (end < 0) return undefined
  const word = output.toString('latin1', start + mark.length, end)
  const length = end + 1
  if (word === 'missing' || word === 'directory') return { beginning: word, length }
  return { beginning: { group: Number(word) }, length }
}
