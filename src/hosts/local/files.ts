/** Files on this machine: atomic writes, quiet removals, locks that end with their holder. */
import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tryLockExclusive } from '../../os/flock.ts'
import { abortError, asInfraError, systemCode } from './failures.ts'

type Signalled = { readonly signal: AbortSignal }

export async function readWhole(path: string, { signal }: Signalled): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path, { signal })
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw asInfraError(error, `read ${path}`, path, signal)
  }
}

/** A new file beside the old one, flushed, then renamed over it; the directory entry is flushed as well. */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  { signal, mode }: Signalled & { readonly mode?: number },
): Promise<void> {
  if (signal.aborted) throw abortError(signal, `write ${path}`, path)
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  try {
    await mkdir(directory, { recursive: true })
    const before = mode === undefined ? await stat(path).catch(absentAsUndefined) : undefined
    const file = await open(temporary, 'wx', mode ?? 0o644)
    try {
      if (before !== undefined) await likeBefore(file, before)
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(directory)
  } catch (error) {
    await rm(temporary, { force: true })
    throw asInfraError(error, `write ${path}`, path, signal)
  }
}

/** With the owner and the mode of the file that it replaces. */
async function likeBefore(file: FileHandle, { uid, gid, mode }: Stats): Promise<void> {
  const own = await file.stat()
  if (own.uid !== uid || own.gid !== gid) await file.chown(uid, gid)
  await file.chmod(mode & 0o7777)
}

function absentAsUndefined(error: unknown): undefined {
  if (!isAbsent(error)) throw error
}

export async function listDirectory(path: string, { signal }: Signalled): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(path)).sort()
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw asInfraError(error, `list ${path}`, path, signal)
  }
}

export async function makeDirectory(path: string, { mode }: { readonly mode?: number }): Promise<void> {
  try {
    await mkdir(path, { recursive: true, ...(mode === undefined ? {} : { mode }) })
  } catch (error) {
    throw asInfraError(error, `make directory ${path}`, path)
  }
}

export async function renameOver(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
    await syncDirectory(dirname(to))
  } catch (error) {
    throw asInfraError(error, `rename ${from} to ${to}`, from)
  }
}

export async function removeAll(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    throw asInfraError(error, `remove ${path}`, path)
  }
}

/**
 * A lock file may be removed by whoever holds its lock, so a lock counts only while the path still names the locked
 * file; otherwise the next one would lock a new file beside it.
 */
export async function lockFile(path: string, { signal }: Signalled): Promise<AsyncDisposable> {
  const what = `lock ${path}`
  for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 100)) {
    let file: FileHandle | undefined
    try {
      await mkdir(dirname(path), { recursive: true })
      file = await open(path, 'a', 0o600)
      if (tryLockExclusive(file.fd) && (await isSameFile(file, path))) {
        const held = file
        return { [Symbol.asyncDispose]: () => held.close() }
      }
      await file.close()
    } catch (error) {
      await file?.close()
      if (!isAbsent(error)) throw asInfraError(error, what, path, signal)
    }
    await sleep(waitMs, undefined, { signal }).catch((error: unknown) => {
      throw asInfraError(error, what, path, signal)
    })
  }
}

async function isSameFile(file: FileHandle, path: string): Promise<boolean> {
  const [held, named] = await Promise.all([file.stat(), stat(path).catch(() => undefined)])
  return named !== undefined && held.ino === named.ino && held.dev === named.dev
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function isAbsent(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}
