/** flock(2): a lock that ends with its holder's process, however that ends. */
import { errnoName, libc } from './libc.ts'

const LOCK_EX = 2
const LOCK_NB = 4

let call: ((fd: number, operation: number) => number) | undefined

/** Takes the exclusive lock on an open file if it is free. @throws Error with the errno's name on any other failure. */
export function tryLockExclusive(fd: number): boolean {
  call ??= libc().func('int flock(int fd, int operation)') as (fd: number, operation: number) => number
  if (call(fd, LOCK_EX | LOCK_NB) === 0) return true
  const errno = errnoName()
  if (errno === 'EAGAIN' || errno === 'EWOULDBLOCK' || errno === 'EINTR') return false
  throw new Error(`flock: ${errno}`)
}
