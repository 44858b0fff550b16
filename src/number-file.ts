/** A file that holds one whole number, as keepalived's track_file has them. */
import { readFile } from 'node:fs/promises'

/** 0 where it is missing or empty; undefined when it holds no number. @throws Error of Node when it cannot be read. */
export async function readNumber(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return ''
    throw error
  })
  // As strtol(3) reads it: what follows the number is passed over.
  const [found] = /^\s*[+-]?\d+/.exec(text) ?? []
  if (found === undefined) return text.trim() === '' ? 0 : undefined
  return Math.max(-2_147_483_648, Math.min(2_147_483_647, Number(found)))
}
