/** Storage pools: directories and LVM volume groups that libvirt keeps volumes in (docs/formatstorage.html). */
import { InfraError, isInfraError } from '../../errors.ts'
import { formatXml, newElement, parseXml, setAt, valueAt } from '../../formats/domain-xml/document.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import { checkName } from './names.ts'
import type { Pool } from './storage.ts'

export type PoolPlace =
  | { readonly kind: 'dir'; readonly path: string }
  | { readonly kind: 'logical'; readonly volumeGroup: string }

export type PoolState = {
  readonly name: string
  /** `dir`, `logical`, or what else others have made. */
  readonly kind: string
  readonly path: string
  readonly isActive: boolean
  readonly autostart: boolean
  /** Bytes; of an active pool. */
  readonly size?: { readonly capacity: number; readonly allocated: number; readonly available: number }
}

/** virConnectListAllStoragePoolsFlags. */
const listFlags = { active: 2, autostart: 16 } as const

/** All, sorted by name. */
export async function listPools(connection: Connection, options: CallOptions): Promise<readonly PoolState[]> {
  const [[all], [active], [marked]] = await Promise.all([
    connection.call('connectListAllStoragePools', [1, 0], options),
    connection.call('connectListAllStoragePools', [1, listFlags.active], options),
    connection.call('connectListAllStoragePools', [1, listFlags.autostart], options),
  ])
  const has = (pools: readonly Pool[], { uuid }: Pool): boolean => pools.some((pool) => pool.uuid === uuid)
  const states = all.map(async (pool): Promise<PoolState> => {
    const [xml] = await connection.call('storagePoolGetXmlDesc', [pool, 0], options)
    const element = parseXml(xml)
    const isActive = has(active, pool)
    return {
      name: pool.name,
      kind: valueAt(element, './@type') ?? '',
      path: valueAt(element, './target/path') ?? '',
      isActive,
      autostart: has(marked, pool),
      ...(isActive ? { size: await sizeOf(connection, pool, options) } : {}),
    }
  })
  return (await Promise.all(states)).sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function sizeOf(
  connection: Connection,
  pool: Pool,
  options: CallOptions,
): Promise<NonNullable<PoolState['size']>> {
  const [, capacity, allocated, available] = await connection.call('storagePoolGetInfo', [pool], options)
  return { capacity: Number(capacity), allocated: Number(allocated), available: Number(available) }
}

/** @throws InfraError `not-found` that names those there are. */
export async function poolNamed(connection: Connection, name: string, options: CallOptions): Promise<Pool> {
  try {
    return (await connection.call('storagePoolLookupByName', [name], options))[0]
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
    const [all] = await connection.call('connectListAllStoragePools', [1, 0], options)
    const names = all.map((pool) => pool.name).sort()
    throw new InfraError('not-found', `there is no storage pool ${name}`, {
      subject: name,
      hint:
        names.length === 0 ? 'there is none at all: baton pool create NAME --dir PATH' : `there is ${names.join(', ')}`,
    })
  }
}

/** Defined, and active. A pool that cannot be started is forgotten again. @throws InfraError `already-exists`, `invalid` */
export async function createPool(
  connection: Connection,
  { name, place, autostart }: { readonly name: string; readonly place: PoolPlace; readonly autostart: boolean },
  options: CallOptions,
): Promise<void> {
  checkName('pool', name)
  const path = place.kind === 'dir' ? place.path : `/dev/${place.volumeGroup}`
  if (!path.startsWith('/') || /\/\.\.?(\/|$)|\/\/|.\/$/.test(path))
    throw new InfraError('invalid', `pool ${name}: ${path} is no absolute path`, {
      subject: name,
      hint: 'write it from the root, without . and .. and without a slash at its end',
    })
  for (const standing of await listPools(connection, options)) {
    if (standing.name === name) throw new InfraError('already-exists', `there is a pool ${name}`, { subject: name })
    if (standing.path === path)
      throw new InfraError('already-exists', `pool ${name}: ${path} is the pool ${standing.name}`, { subject: name })
  }
  const [pool] = await connection.call('storagePoolDefineXml', [poolXml(name, place, path), 0], options)
  try {
    // A volume group is made by vgcreate(8), of disks that only people can choose.
    if (place.kind === 'dir') await connection.call('storagePoolBuild', [pool, 0], options)
    await connection.call('storagePoolCreate', [pool, 0], options)
    await connection.call('storagePoolSetAutostart', [pool, autostart ? 1 : 0], options)
  } catch (error) {
    const sweep = { signal: AbortSignal.timeout(10_000) }
    await connection.call('storagePoolDestroy', [pool], sweep).catch(() => {})
    await connection.call('storagePoolUndefine', [pool], sweep).catch(() => {})
    throw error
  }
}

export function poolXml(name: string, place: PoolPlace, path: string): string {
  const pool = newElement('pool')
  setAt(pool, './@type', place.kind)
  setAt(pool, './name', name)
  if (place.kind === 'logical') {
    setAt(pool, './source/name', place.volumeGroup)
    setAt(pool, './source/format/@type', 'lvm2')
  }
  setAt(pool, './target/path', path)
  return formatXml(pool)
}

/** One that is active already, or not any more, is as it should be. */
export async function switchPool(
  connection: Connection,
  name: string,
  wanted: 'active' | 'inactive',
  options: CallOptions,
): Promise<void> {
  const pool = await poolNamed(connection, name, options)
  const change =
    wanted === 'active'
      ? connection.call('storagePoolCreate', [pool, 0], options)
      : connection.call('storagePoolDestroy', [pool], options)
  await change.catch((error: unknown) => {
    if (!isInfraError(error, 'invalid')) throw error
  })
}

export async function autostartPool(
  connection: Connection,
  name: string,
  isWanted: boolean,
  options: CallOptions,
): Promise<void> {
  const pool = await poolNamed(connection, name, options)
  await connection.call('storagePoolSetAutostart', [pool, isWanted ? 1 : 0], options)
}

/** libvirt forgets it; what lies in it stays. */
export async function deletePool(connection: Connection, name: string, options: CallOptions): Promise<void> {
  await switchPool(connection, name, 'inactive', options)
  await connection.call('storagePoolUndefine', [await poolNamed(connection, name, options)], options)
}
