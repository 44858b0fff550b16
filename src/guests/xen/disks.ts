/** The disks of a guest on Xen: raw files, or logical volumes. */
import { isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { CallOptions, GuestDefinition, GuestDisk } from '../hypervisor.ts'
import { ensureDisk } from '../storage/dir.ts'
import { ensureVolume, removeVolume, type Volume } from '../storage/lvm.ts'
import type { GuestPaths } from './paths.ts'

function volumeOf(path: string, { volumeGroup }: GuestDisk): Volume | undefined {
  return volumeGroup === undefined ? undefined : { group: volumeGroup, name: path.slice(path.lastIndexOf('/') + 1) }
}

export async function ensureDisks(
  host: Host,
  { disks }: GuestDefinition,
  paths: GuestPaths,
  options: CallOptions,
): Promise<void> {
  for (const [index, disk] of disks.entries()) {
    const path = paths.disk(index, disk)
    const volume = volumeOf(path, disk)
    if (volume === undefined) await ensureDisk(host, path, disk, { ...options, format: 'raw' })
    else await ensureVolume(host, volume, disk, options)
  }
}

/** `sparesOthers`: a volume of that name which is somebody else's stays, and is no error. */
export async function removeDisks(
  host: Host,
  { disks }: GuestDefinition,
  paths: GuestPaths,
  { sparesOthers = false, ...options }: CallOptions & { readonly sparesOthers?: boolean },
): Promise<void> {
  for (const [index, disk] of disks.entries()) {
    const path = paths.disk(index, disk)
    const volume = volumeOf(path, disk)
    if (volume === undefined) await host.remove(path, options)
    else
      await removeVolume(host, volume, options).catch((error: unknown) => {
        if (!sparesOthers || !isInfraError(error, 'permission')) throw error
      })
  }
}
