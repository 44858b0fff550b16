/** A lock that says who has it: a file under flock(2), so that it ends with its holder's process, however that ends. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { tryLockExclusive } from './flock.ts'

/** Held until it is disposed of; the file goes with it. */
export type LockFile = Disposable

/** The lock, or in words who has it. */
export function takeLockFile(path: string): LockFile | { readonly holder: string } {
  for (;;) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const fd = openSync(path, 'a+', 0o600)
    if (!tryLockExclusive(fd)) {
      closeSync(fd)
      return { holder: holderOf(path) }
    }
    // Not one that its last holder has taken away meanwhile.
    if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) {
      ftruncateSync(fd)
      writeSync(fd, `${process.pid} ${commandLine()}\n`)
      return lockFile(path, fd)
    }
    closeSync(fd)
  }
}

function lockFile(path: string, fd: number): LockFile {
  return {
    [Symbol.dispose]() {
      rmSync(path, { force: true })
      closeSync(fd)
    },
  }
}

/** Takes away those of a directory that nobody holds any more, and the directory when none is left. */
export function sweepLockFiles(directory: string): void {
  for (const name of readdirSync(directory)) {
    const lock = takeLockFile(join(directory, name))
    if (!('holder' in lock)) lock[Symbol.dispose]()
  }
  removeIfEmpty(directory)
}

export function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'ENOENT')) return
    throw error
  }
}

function commandLine(): string {
  return [basename(process.argv[1] ?? 'node'), ...process.argv.slice(2)].join(' ')
}

function holderOf(path: string): string {
  const [, pid, command] = /^(\d+) (.*)\n/u.exec(readQuietly(path)) ?? []
  return pid === undefined ? 'a process that has not said its name yet' : `process ${pid} (${command})`
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it has let go meanwhile
  }
}
