/** The network namespace that this process lives in. */
import { closeSync, openSync, readlinkSync } from 'node:fs'
import { InfraError } from '../errors.ts'
import { errnoName, libc } from './libc.ts'

const CLONE_NEWNET = 0x4000_0000

/** A number that no other namespace has while this one stands. */
export function networkNamespaceId(): string {
  return /\d+/u.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? '0'
}

/** Moves this thread over: sockets and calls from now on are there. For tests. @throws InfraError */
export function enterNetworkNamespace(path: string): void {
  const fd = openSync(path, 'r')
  try {
    const setns = libc().func('int setns(int, int)')
    if (Number(setns(fd, CLONE_NEWNET)) !== 0)
      throw new InfraError('failed', `enter ${path}: ${errnoName()}`, { subject: path })
  } finally {
    closeSync(fd)
  }
}
