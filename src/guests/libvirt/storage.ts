/** Storage pools of libvirt and the volumes in them (docs/formatstorage.html). */
import { isInfraError } from '../../errors.ts'
import { formatXml, newElement, parseXml, setAt, valueAt } from '../../formats/domain-xml/document.ts'
import type { Value } from '../../wire/libvirt/notation.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'

export type Pool = Value<'pool'>
export type Volume = Value<'vol'>

export type NewVolume = {
  readonly name: string
  readonly sizeBytes: number
  readonly format: string
  readonly isSparse: boolean
  /** It holds only what differs from this file. */
  readonly backing?: { readonly path: string; readonly format?: string }
}

/** virStorageVolCreateFlags: tables of the whole size, so that the guest does not wait for them later. */
const preallocateMetadata = 1

/** The active pool whose volumes lie in this directory. */
export async function poolOfDirectory(
  connection: Connection,
  directory: string,
  options: CallOptions,
): Promise<Pool | undefined> {
  const [pools] = await connection.call('connectListAllStoragePools', [1, 2], options)
  for (const pool of pools) {
    const [xml] = await connection.call('storagePoolGetXmlDesc', [pool, 0], options)
    if (valueAt(parseXml(xml), './target/path') === directory) return pool
  }
  return undefined
}

/** The pool of this name, active; made over the directory when there is none. */
export async function ensureDirectoryPool(
  connection: Connection,
  { name, directory }: { readonly name: string; readonly directory: string },
  options: CallOptions,
): Promise<Pool> {
  const found = await poolNamed(connection, name, options)
  if (found !== undefined) {
    await connection.call('storagePoolCreate', [found, 0], options).catch((error: unknown) => {
      if (!isInfraError(error, 'invalid')) throw error // it is active
    })
    return found
  }
  const xml = newElement('pool')
  for (const [path, value] of [['@type', 'dir'], ['name', name], ['target/path', directory]] as const) setAt(xml, `./${path}`, value) // biome-ignore format: a list to read at a glance
  const [pool] = await connection.call('storagePoolDefineXml', [formatXml(xml), 0], options)
  await connection.call('storagePoolBuild', [pool, 0], options)
  await connection.call('storagePoolCreate', [pool, 0], options)
  await connection.call('storagePoolSetAutostart', [pool, 1], options)
  return pool
}

async function poolNamed(connection: Connection, name: string, options: CallOptions): Promise<Pool | undefined> {
  try {
    return (await connection.call('storagePoolLookupByName', [name], options))[0]
  } catch (error) {
    if (isInfraError(error, 'not-found')) return undefined
    throw error
  }
}

export async function createVolume(
  connection: Connection,
  pool: Pool,
  volume: NewVolume,
  options: CallOptions,
): Promise<Volume> {
  // Files that others put there are unknown until the pool looks again.
  await connection.call('storagePoolRefresh', [pool, 0], options)
  const flags = volume.format === 'qcow2' && volume.backing === undefined ? preallocateMetadata : 0
  const [made] = await connection.call('storageVolCreateXml', [pool, volumeXml(volume), flags], options)
  return made
}

export function volumeXml({ name, sizeBytes, format, isSparse, backing }: NewVolume): string {
  const volume = newElement('volume')
  setAt(volume, './name', name)
  setAt(volume, './capacity', String(sizeBytes))
  setAt(volume, './allocation', String(isSparse ? 0 : sizeBytes))
  setAt(volume, './target/format/@type', format)
  if (format === 'qcow2') setAt(volume, './target/features/lazy_refcounts', '')
  if (backing !== undefined) {
    setAt(volume, './backingStore/path', backing.path)
    setAt(volume, './backingStore/format/@type', backing.format ?? 'qcow2')
  }
  return formatXml(volume)
}

/** One that is gone already is gone. */
export async function deleteVolume(connection: Connection, volume: Volume, options: CallOptions): Promise<void> {
  try {
    await connection.call('storageVolDelete', [volume, 0], options)
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
  }
}
