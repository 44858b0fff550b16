/** How many files this process may have open: getrlimit(2)'s RLIMIT_NOFILE, as the kernel tells it without a call. */
import { readFileSync } from 'node:fs'

/** The soft limit, which Node raises to the hard one when it starts. 1024, the usual one, where /proc does not say. */
export function openFileLimit(limits: string = readLimits()): number {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1]
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft ?? 1024)
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}
