/** The scripts written by hand: files of scripts, each begun by a line `== NAME`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseScript, type Script } from './script.ts'

const folder = join(import.meta.dirname, 'scripts')

export function handWrittenScripts(): Script[] {
  return readdirSync(folder)
    .sort()
    .flatMap((file) => scriptsOf(readFileSync(join(folder, file), 'utf8')))
}

/** @throws Error for text that is no script. */
export function scriptsOf(text: string): Script[] {
  return text
    .split(/^== /m)
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const end = part.indexOf('\n')
      return parseScript(part.slice(0, end).trim(), part.slice(end))
    })
}
