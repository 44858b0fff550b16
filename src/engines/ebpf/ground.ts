/** Where a director stands in the machine: it has its place alone, and what a dead one has left there can be taken away. */
import { existsSync } from 'node:fs'
import { InfraError } from '../../errors.ts'
import { sweepLockFiles, takeLockFile } from '../../os/lock-file.ts'
import { attachmentsOf, drop } from './attachments.ts'
import { interfaceLock } from './hooks.ts'
import { closeOwnRoutes } from './own-routes.ts'
import { otherPlaces, placeLock, placeOf, placesOf, removePlace } from './place.ts'
import { removeSteering } from './steering.ts'

export type GroundOptions = {
  /** Where the BPF file system is, or is to be mounted. */
  readonly bpfFileSystem: string
  /** Where locks stand. */
  readonly lockDirectory: string
  /** Its runtime directory: it tells this director from others, and is the same for the next one in its stead. */
  readonly director: string
}

export type Ground = Disposable & {
  readonly root: string
  readonly directory: string
  readonly lockDirectory: string
}

export const defaultGround: GroundOptions = {
  bpfFileSystem: '/sys/fs/bpf',
  lockDirectory: '/run/baton-ebpf',
  director: '/run/baton',
}

/** Until it is disposed of. Locks of directors that were killed are swept away. @throws InfraError `busy` */
export function takeGround({ bpfFileSystem: root, lockDirectory, director }: GroundOptions): Ground {
  const directory = placeOf(root, director)
  const lock = lockPlace(lockDirectory, directory)
  sweepLockFiles(lockDirectory)
  return {
    root,
    directory,
    lockDirectory,
    [Symbol.dispose]() {
      lock[Symbol.dispose]()
      sweepLockFiles(lockDirectory)
    },
  }
}

/**
 * Takes away every trace of a director that has ended: programs, pins, locks. Resolves to the numbers of the interfaces
 * that had its program, undefined when there was nothing. @throws InfraError `busy` while it lives.
 */
export function removeTraces({ bpfFileSystem: root, lockDirectory, director }: GroundOptions): number[] | undefined {
  const places = placesOf(root, director)
  const freed = new Set<number>()
  for (const place of places) {
    using _lock = lockPlace(lockDirectory, place)
    for (const attachment of attachmentsOf(place)) {
      const lock = takeLockFile(interfaceLock(lockDirectory, attachment.interface))
      // Another director has it now, and has its own program there.
      if ('holder' in lock) continue
      drop(attachment)
      freed.add(attachment.interface)
      lock[Symbol.dispose]()
    }
    removePlace(root, place)
  }
  if (places.length > 0) {
    closeOwnRoutes()
    if (otherPlaces(root, placeOf(root, director)).length === 0) removeSteering(lockDirectory)
  }
  if (existsSync(lockDirectory)) sweepLockFiles(lockDirectory)
  return places.length === 0 ? undefined : [...freed]
}

function lockPlace(lockDirectory: string, directory: string): Disposable {
  const lock = takeLockFile(placeLock(lockDirectory, directory))
  if (!('holder' in lock)) return lock
  throw new InfraError('busy', `another director uses ${directory}: ${lock.holder}`, {
    subject: directory,
    retryable: true,
  })
}
