/** The pid file of an instance, and whether what it names is an ldirectord. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Running } from './decide.ts'

export function runningOf(pidFile: string): Running {
  const [first] = (readOrNothing(pidFile) ?? '').split('\n')
  if (first === undefined || readOrNothing(pidFile) === undefined) return 'no'
  const isOurs = /^[0-9]+$/.test(first) && (readOrNothing(`/proc/${first}/cmdline`)?.includes('ldirectord') ?? false)
  return isOurs ? { pid: Number(first) } : 'stale'
}

/** @throws Error of Node when it cannot be written. */
export function writePidFile(pidFile: string, pid: number): void {
  writeFileSync(pidFile, `${pid}\n`)
}

/** Only our own: after a `restart` it may be somebody else's already. */
export function removePidFile(pidFile: string, pid: number): void {
  if (readOrNothing(pidFile)?.trim() === String(pid)) rmSync(pidFile, { force: true })
}

function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
