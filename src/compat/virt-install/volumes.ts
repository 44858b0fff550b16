/** The files of a new guest's disks: volumes of the pool that has their directory, as virt-install makes them. */
import { dirname } from 'node:path'
import { InfraError } from '../../errors.ts'
import type { Connection } from '../../guests/libvirt/connection.ts'
import { createVolume, deleteVolume, ensureDirectoryPool, poolOfDirectory } from '../../guests/libvirt/storage.ts'
import type { Host } from '../../hosts/host.ts'
import { defaultDirectory, type NewDisk } from './disks.ts'

type CallOptions = { readonly signal: AbortSignal }

/** Resolves to what takes it away again. */
export async function makeDisk(
  host: Host,
  connection: Connection,
  disk: NewDisk,
  options: CallOptions,
): Promise<() => Promise<void>> {
  const directory = dirname(disk.path)
  const pool =
    (await poolOfDirectory(connection, directory, options)) ??
    (directory === defaultDirectory
      ? await ensureDirectoryPool(connection, { name: 'default', directory }, options)
      : undefined)
  const sweep = (): CallOptions => ({ signal: AbortSignal.timeout(10_000) })
  if (pool === undefined) {
    await makeFile(host, disk, options)
    return () => host.remove(disk.path, sweep())
  }
  const volume = await createVolume(connection, pool, { name: disk.path.slice(directory.length + 1), ...disk }, options)
  return () => deleteVolume(connection, volume, sweep())
}

/** In a directory that is no pool's. */
async function makeFile(
  host: Host,
  { path, sizeBytes, format, isSparse, backing }: NewDisk,
  options: CallOptions,
): Promise<void> {
  const store = backing === undefined ? [] : ['-b', backing.path, '-F', backing.format ?? 'qcow2']
  const preallocation = isSparse ? [] : ['-o', `preallocation=${format === 'raw' ? 'full' : 'falloc'}`]
  const { code, stderr } = await host.run(
    ['qemu-img', 'create', '-q', '-f', format, ...store, ...preallocation, path, String(sizeBytes)],
    options,
  )
  if (code !== 0) throw new InfraError('failed', `make ${path}: ${stderr.trim()}`, { subject: path })
}
