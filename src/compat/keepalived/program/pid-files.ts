/** keepalived's pid files: one of the daemon, and more where they are asked for. All name the same process here. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Whether what the file names is alive. */
export function isRunning(file: string): boolean {
  const pid = Number(readOrNothing(file)?.trim())
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false
  return readOrNothing(`/proc/${pid}/cmdline`)?.includes('keepalived') === true
}

/** @throws Error of Node when one cannot be written. */
export function writePidFiles(files: readonly string[]): Disposable {
  const own = `${process.pid}`
  const remove = (): void => {
    for (const file of files) if (readOrNothing(file)?.trim() === own) rmSync(file, { force: true })
  }
  try {
    for (const file of files) writeFileSync(file, `${own}\n`)
  } catch (error) {
    remove()
    throw error
  }
  return { [Symbol.dispose]: remove }
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
