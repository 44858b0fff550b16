/** Another process's descriptors: pidfd_open(2), pidfd_getfd(2). */
import { errnoName, libc } from './libc.ts'

// The same numbers on every architecture: both calls came after the tables were unified.
const SYS_pidfd_open = 434
const SYS_pidfd_getfd = 438

type Calls = {
  readonly syscall: (number: number, first: number, second: number, third: number) => number
  readonly listen: (fd: number, backlog: number) => number
  readonly close: (fd: number) => number
}

let calls: Calls | undefined

function load(): Calls {
  calls ??= {
    syscall: libc().func('long syscall(long number, long first, long second, long third)') as Calls['syscall'],
    listen: libc().func('int listen(int fd, int backlog)') as Calls['listen'],
    close: libc().func('int close(int fd)') as Calls['close'],
  }
  return calls
}

/**
 * listen(2) again on another process's listening socket: it may hold `backlog` connections until they are accepted.
 * @throws Error with the errno's name: EPERM where the user or ptrace(2)'s rules do not allow it.
 */
export function listenAgain(pid: number, fd: number, backlog: number): void {
  const { syscall, listen, close } = load()
  const process = must(syscall(SYS_pidfd_open, pid, 0, 0), 'pidfd_open')
  try {
    const socket = must(syscall(SYS_pidfd_getfd, process, fd, 0), 'pidfd_getfd')
    try {
      must(listen(socket, backlog), 'listen')
    } finally {
      close(socket)
    }
  } finally {
    close(process)
  }
}

function must(result: number, call: string): number {
  if (result < 0) throw new Error(`${call}: ${errnoName()}`)
  return result
}
