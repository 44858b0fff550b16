/** Whether a file was changed since it was read: looked at by its time, then by its content. */
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { describeError } from '../../../errors.ts'

export type FileWatch = {
  /** This is what was read: only another content is a change. */
  read(text: string): void
  look(): 'changed' | 'same' | { readonly failure: string }
}

export function watchFile(path: string): FileWatch {
  let digest: string | undefined
  let changedMs: number | undefined
  return {
    read(text) {
      digest = digestOf(text)
      // Its time is not known: it may have been changed while it was read.
      changedMs = undefined
    },
    look() {
      try {
        const { mtimeMs } = statSync(path)
        if (mtimeMs === changedMs) return 'same'
        const found = digestOf(readFileSync(path, 'utf8'))
        const before = digest
        digest = found
        changedMs = mtimeMs
        return before === undefined || before === found ? 'same' : 'changed'
      } catch (error) {
        return { failure: describeError(error) }
      }
    },
  }
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')
