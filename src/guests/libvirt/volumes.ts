/** Volumes of a storage pool, changed only where no guest has them. */
import { InfraError, isInfraError } from '../../errors.ts'
import { elementsAt, parseXml, valueAt } from '../../formats/domain-xml/document.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import { checkName } from './names.ts'
import { listPools, poolNamed } from './pools.ts'
import { createVolume, type Pool, type Volume, volumeXml } from './storage.ts'

export type VolumeState = {
  readonly name: string
  readonly path: string
  readonly format: string
  readonly sizeBytes: number
  readonly allocatedBytes: number
  /** The file of which it holds only the differences. */
  readonly backing?: string
}

/** virStorageVolResizeFlags. */
const shrinkFlag = 4

/** All of a pool that is active, sorted by name, as they lie there now. */
export async function listVolumes(
  connection: Connection,
  poolName: string,
  options: CallOptions,
): Promise<readonly VolumeState[]> {
  const pool = await activePool(connection, poolName, options)
  const [volumes] = await connection.call('storagePoolListAllVolumes', [pool, 1, 0], options)
  const states: VolumeState[] = []
  for (const volume of volumes) {
    const [xml] = await connection.call('storageVolGetXmlDesc', [volume, 0], options)
    states.push(readVolume(xml))
  }
  return states.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function readVolume(xml: string): VolumeState {
  const volume = parseXml(xml)
  const bytes = (path: string): number => Number(valueAt(volume, path) ?? 0)
  const backing = valueAt(volume, './backingStore/path')
  return {
    name: valueAt(volume, './name') ?? '',
    path: valueAt(volume, './target/path') ?? '',
    format: valueAt(volume, './target/format/@type') ?? 'raw',
    sizeBytes: bytes('./capacity'),
    allocatedBytes: bytes('./allocation'),
    ...(backing === undefined || backing === '' ? {} : { backing }),
  }
}

export type VolumeWish = {
  readonly pool: string
  readonly name: string
  /** Left out: as large as its backing file. */
  readonly sizeBytes?: number
  readonly format: 'qcow2' | 'raw'
  /** An absolute path, or a volume of the same pool. */
  readonly backing?: string
}

/** @throws InfraError `already-exists`, `invalid`, `unsupported`, `no-space`; nothing was made then */
export async function addVolume(connection: Connection, wish: VolumeWish, options: CallOptions): Promise<VolumeState> {
  const { pool: poolName, name, format } = wish
  checkName('volume', name)
  const what = `make ${poolName}/${name}`
  const refuse = (
    code: 'invalid' | 'unsupported' | 'already-exists' | 'no-space',
    why: string,
    hint?: string,
  ): never => {
    throw new InfraError(code, `${what}: ${why}`, { subject: name, ...(hint === undefined ? {} : { hint }) })
  }
  const pool = await activePool(connection, poolName, options)
  const state = (await listPools(connection, options)).find((one) => one.name === poolName)
  const isLogical = state?.kind === 'logical'
  if (isLogical && format !== 'raw') refuse('unsupported', 'volumes of a volume group are raw', 'say --format raw')
  if (wish.backing !== undefined && format !== 'qcow2')
    refuse('unsupported', 'only qcow2 holds the differences to another file', 'leave out --format')
  const there = await listVolumes(connection, poolName, options)
  if (there.some((volume) => volume.name === name)) refuse('already-exists', 'there is one of this name')
  const backing = wish.backing === undefined ? undefined : backingOf(there, wish.backing, refuse)
  const sizeBytes = wish.sizeBytes ?? there.find(({ path }) => path === backing?.path)?.sizeBytes
  if (sizeBytes === undefined || sizeBytes <= 0)
    return refuse('invalid', 'its size is not known', 'say it, such as 8G, behind the name')
  if (isLogical && sizeBytes > (state.size?.available ?? 0))
    refuse('no-space', `${sizeBytes} bytes are more than the volume group has left (${state.size?.available ?? 0})`)
  const made = await createVolume(
    connection,
    pool,
    { name, sizeBytes, format, isSparse: !isLogical, ...(backing === undefined ? {} : { backing }) },
    options,
  )
  return stateOf(connection, made, options)
}

function backingOf(
  there: readonly VolumeState[],
  backing: string,
  refuse: (code: 'invalid', why: string, hint: string) => never,
): { readonly path: string; readonly format: string } {
  const volume = there.find(({ name, path }) => name === backing || path === backing)
  if (volume !== undefined) return { path: volume.path, format: volume.format }
  if (backing.startsWith('/')) return { path: backing, format: backing.endsWith('.qcow2') ? 'qcow2' : 'raw' }
  return refuse('invalid', `the pool has no volume ${backing}`, 'name one of this pool, or a file by its absolute path')
}

/** @throws InfraError `busy` while a guest has it; `invalid` when it would lose its end, unless that is allowed */
export async function resizeVolume(
  connection: Connection,
  { pool, name, sizeBytes, shrink }: { pool: string; name: string; sizeBytes: number; shrink: boolean },
  options: CallOptions,
): Promise<VolumeState> {
  const volume = await volumeNamed(connection, pool, name, options)
  const standing = await stateOf(connection, volume, options)
  await mustBeFree(connection, standing, 'resize', 'running', options)
  if (sizeBytes < standing.sizeBytes && !shrink)
    throw new InfraError(
      'invalid',
      `resize ${pool}/${name}: it has ${standing.sizeBytes} bytes, and would lose its end`,
      {
        subject: name,
        hint: '--shrink does it all the same: what lies there is gone',
      },
    )
  const isSmaller = sizeBytes < standing.sizeBytes
  await connection.call('storageVolResize', [volume, BigInt(sizeBytes), isSmaller ? shrinkFlag : 0], options)
  return stateOf(connection, volume, options)
}

/** A whole copy, in the same pool. */
export async function cloneVolume(
  connection: Connection,
  { pool: poolName, name, copy }: { readonly pool: string; readonly name: string; readonly copy: string },
  options: CallOptions,
): Promise<VolumeState> {
  checkName('volume', copy)
  const volume = await volumeNamed(connection, poolName, name, options)
  const standing = await stateOf(connection, volume, options)
  await mustBeFree(connection, standing, 'clone', 'running', options)
  if ((await listVolumes(connection, poolName, options)).some((one) => one.name === copy))
    throw new InfraError('already-exists', `clone ${poolName}/${name}: there is a volume ${copy}`, { subject: copy })
  const pool = await poolNamed(connection, poolName, options)
  const { sizeBytes, format } = standing
  const xml = volumeXml({ name: copy, sizeBytes, format, isSparse: true })
  const [made] = await connection.call('storageVolCreateXmlFrom', [pool, xml, volume, 0], options)
  return stateOf(connection, made, options)
}

/** @throws InfraError `busy` while a guest, or another volume, has it */
export async function removeVolume(
  connection: Connection,
  { pool, name }: { readonly pool: string; readonly name: string },
  options: CallOptions,
): Promise<void> {
  const volume = await volumeNamed(connection, pool, name, options)
  const standing = await stateOf(connection, volume, options)
  await mustBeFree(connection, standing, 'delete', 'any', options)
  const above = (await listVolumes(connection, pool, options)).find(({ backing }) => backing === standing.path)
  if (above !== undefined)
    throw new InfraError('busy', `delete ${pool}/${name}: ${above.name} holds only its differences to it`, {
      subject: name,
      hint: `delete ${above.name} first`,
    })
  await connection.call('storageVolDelete', [volume, 0], options)
}

/** `running`: guests that only would have it when they start do not mind. */
async function mustBeFree(
  connection: Connection,
  { path }: VolumeState,
  what: string,
  whose: 'running' | 'any',
  options: CallOptions,
): Promise<void> {
  const [domains] = await connection.call('connectListAllDomains', [1, whose === 'running' ? 1 : 0], options)
  for (const domain of domains) {
    const [xml] = await connection.call('domainGetXmlDesc', [domain, 0], options)
    // Of a guest that runs with all the files below its disk.
    const has = elementsAt(parseXml(xml), './devices/disk')
      .flatMap((disk) => Array.from(disk.getElementsByTagName('source')))
      .some((source) => [source.getAttribute('file'), source.getAttribute('dev')].includes(path))
    if (has)
      throw new InfraError('busy', `${what} ${path}: the guest ${domain.name} has it`, {
        subject: path,
        hint:
          whose === 'running'
            ? `shut ${domain.name} down first`
            : `detach it from ${domain.name}, or undefine the guest`,
      })
  }
}

async function activePool(connection: Connection, name: string, options: CallOptions): Promise<Pool> {
  const pool = await poolNamed(connection, name, options)
  try {
    // Files that others put there are unknown until the pool looks again.
    await connection.call('storagePoolRefresh', [pool, 0], options)
    return pool
  } catch (error) {
    if (!isInfraError(error, 'invalid')) throw error
    throw new InfraError('invalid', `the pool ${name} is not active`, {
      subject: name,
      cause: error,
      hint: `baton pool start ${name}`,
    })
  }
}

async function volumeNamed(connection: Connection, pool: string, name: string, options: CallOptions): Promise<Volume> {
  const of = await activePool(connection, pool, options)
  try {
    return (await connection.call('storageVolLookupByName', [of, name], options))[0]
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
    throw new InfraError('not-found', `the pool ${pool} has no volume ${name}`, {
      subject: name,
      cause: error,
      hint: `baton volume list ${pool} shows what it has`,
    })
  }
}

async function stateOf(connection: Connection, volume: Volume, options: CallOptions): Promise<VolumeState> {
  const [xml] = await connection.call('storageVolGetXmlDesc', [volume, 0], options)
  return readVolume(xml)
}
