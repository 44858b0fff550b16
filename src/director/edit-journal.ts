/** What was edited by hand, line by line on disk: it outlives a crash of the daemon, and no edit costs what the table costs. */
import { appendFile, mkdir, open, readFile, rename, rm, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { InfraError } from '../errors.ts'
import type { TableEdit } from '../lvs/edit.ts'
import { editsSchema } from './edit-schemas.ts'

export interface EditJournal {
  /** All edits in order. A last line that a crash cut off is dropped; what cannot be read is set aside, and `trouble` says where. */
  load(): Promise<{ readonly edits: readonly TableEdit[]; readonly trouble?: string }>
  /** Adds edits at the end. When it has grown too long for what it says, `whole` is written in its place. */
  append(edits: readonly TableEdit[], whole: () => Iterable<TableEdit>): Promise<void>
  /** Writes it anew. */
  rewrite(whole: Iterable<TableEdit>): Promise<void>
  remove(): Promise<void>
}

/** A journal shorter than this is never written anew, and one is when it has doubled. */
const shortBytes = 1024 * 1024
/** So many edits make one line, and one write while it is written anew. */
const editsPerLine = 512

/** `path` is this process's alone. A crash of the machine may take the last lines along: the table is gone then anyway. */
export function fileEditJournal(path: string): EditJournal {
  let bytes = 0
  let bytesWhenWhole = 0
  const rewrite = async (whole: Iterable<TableEdit>): Promise<void> => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const fresh = `${path}.new`
    const file = await open(fresh, 'w', 0o600)
    let written = 0
    try {
      for (const edits of inGroups(whole, editsPerLine)) written += (await file.write(lineOf(edits))).bytesWritten
    } finally {
      await file.close()
    }
    await rename(fresh, path)
    bytes = written
    bytesWhenWhole = written
  }
  return {
    async load() {
      const content = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw new InfraError('failed', `read ${path}: ${error.code}`, { subject: path, cause: error })
      })
      if (content === undefined) return { edits: [] }
      const end = content.lastIndexOf(0x0a) + 1
      const edits: TableEdit[] = []
      for (const [index, line] of content.toString('utf8', 0, end).split('\n').slice(0, -1).entries()) {
        const parsed = editsSchema.safeParse(parseJson(line))
        if (!parsed.success) return await setAside(index + 1, edits)
        edits.push(...parsed.data)
      }
      if (end < content.length) await truncate(path, end)
      bytes = end
      bytesWhenWhole = end
      return { edits }
    },
    async append(edits, whole) {
      const text = edits.length > editsPerLine ? [...inGroups(edits, editsPerLine)].map(lineOf).join('') : lineOf(edits)
      if (bytes + text.length > Math.max(shortBytes, 2 * bytesWhenWhole)) return await rewrite(whole())
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const before = bytes
      // Whatever part of it a full disk takes: the next edit writes all anew.
      bytes = Number.POSITIVE_INFINITY
      await appendFile(path, text, { mode: 0o600 })
      bytes = before + text.length
    },
    rewrite,
    remove: () => rm(path, { force: true }),
  }

  async function setAside(
    line: number,
    edits: readonly TableEdit[],
  ): Promise<{ readonly edits: readonly TableEdit[]; readonly trouble: string }> {
    const aside = `${path}.broken`
    await rename(path, aside)
    const trouble = `line ${line} of ${path} is no edit; it was set aside as ${aside}, and what comes before was kept`
    return { edits, trouble }
  }
}

export function memoryEditJournal(): EditJournal {
  let kept: readonly TableEdit[] = []
  return {
    load: async () => ({ edits: kept }),
    append: async (edits) => void (kept = [...kept, ...edits]),
    rewrite: async (whole) => void (kept = [...whole]),
    remove: async () => void (kept = []),
  }
}

function lineOf(edits: readonly TableEdit[]): string {
  return `${JSON.stringify(edits)}\n`
}

function* inGroups(edits: Iterable<TableEdit>, size: number): Generator<TableEdit[]> {
  let group: TableEdit[] = []
  for (const edit of edits) {
    group.push(edit)
    if (group.length < size) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
