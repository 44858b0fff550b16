/**
 * Guest disks as logical volumes. Each that Baton makes bears Baton's tag, and only those are ever changed or removed:
 * whatever else stands in the group belongs to somebody.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type InfraCode, InfraError, isInfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { howToInstall } from '../../hosts/install.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { GuestDisk } from '../hypervisor.ts'
import { checkSize, sizeOfBase } from './dir.ts'
import { makeSwap } from './swap.ts'

type Signalled = { readonly signal: AbortSignal }

/** `group` and `name` as lvm(8) has them. */
export type Volume = { readonly group: string; readonly name: string }

export type VolumeState = Volume & {
  readonly sizeBytes: number
  readonly isOurs: boolean
  /** The volume that it is a snapshot of. */
  readonly origin?: string
}

/** The tags by which a volume is known as ours, and as one whose content is not complete yet. */
const ourTag = 'baton'
const unfinishedTag = 'baton.unfinished'

export function devicePath({ group, name }: Volume): string {
  return `/dev/${group}/${name}`
}

/** All volumes of the group. @throws InfraError `not-found` for a group that there is not. */
export async function listVolumes(host: Host, group: string, options: Signalled): Promise<readonly VolumeState[]> {
  return (await readVolumes(host, group, options)).map(({ tags: _tags, ...volume }) => volume)
}

type Tagged = VolumeState & { readonly tags: readonly string[] }

async function readVolumes(host: Host, group: string, options: Signalled): Promise<readonly Tagged[]> {
  const columns = 'lv_name,lv_size,origin,lv_tags'
  const layout = ['--reportformat', 'json', '--units', 'b', '--nosuffix', '-o', columns]
  const text = await lvm(host, ['lvs', ...layout, group], `list the volumes of ${group}`, group, options)
  const { report } = JSON.parse(text) as {
    readonly report: readonly { readonly lv: readonly Record<string, string>[] }[]
  }
  return report.flatMap(({ lv }) =>
    lv.map(({ lv_name: name = '', lv_size: size, origin = '', lv_tags: tagText = '' }) => {
      const tags = tagText.split(',')
      const volume = { group, name, sizeBytes: Number(size), isOurs: tags.includes(ourTag), tags }
      return origin === '' ? volume : { ...volume, origin }
    }),
  )
}

/**
 * Makes the disk unless it is there, with the content of its base. One that a killed run left unfinished is made anew;
 * a finished one holds the guest's data. `pool`: a thin pool of the group to take it from.
 * @throws InfraError `already-exists` for a volume of this name that is not ours
 */
export async function ensureVolume(
  host: Host,
  volume: Volume,
  disk: GuestDisk,
  { pool, ...options }: Signalled & { readonly pool?: string },
): Promise<void> {
  const path = devicePath(volume)
  const found = await findVolume(host, volume, options)
  if (found?.isOurs === false) throw notOurs(volume, 'already-exists')
  if (found !== undefined && !found.tags.includes(unfinishedTag)) return
  await checkSize(host, path, disk, options)
  if (found !== undefined) await removeVolume(host, volume, options)
  const sizeBytes = disk.sizeBytes ?? (disk.base === undefined ? 0 : await sizeOfBase(host, disk.base, options))
  await createVolume(host, volume, sizeBytes, { ...options, ...(pool === undefined ? {} : { pool }) })
  if (disk.base !== undefined) {
    const { format, path: base } = disk.base
    const copy = ['qemu-img', 'convert', '-n', '-f', format, '-O', 'raw', base, path]
    const { code, stderr } = await host.run(copy, options)
    if (code !== 0) throw new InfraError('failed', `fill ${path}: ${stderr.trim()}`, { subject: path })
  }
  if (disk.isSwap === true) await makeSwap(host, path, { what: `fill ${path}`, path, ...options })
  await lvm(host, ['lvchange', '--deltag', unfinishedTag, nameOf(volume)], `finish ${path}`, path, options)
}

/** A new empty volume, ours and unfinished; its device node is there when this resolves. */
async function createVolume(
  host: Host,
  volume: Volume,
  sizeBytes: number,
  { pool, ...options }: Signalled & { readonly pool?: string },
): Promise<void> {
  const place = pool === undefined ? ['-L', `${sizeBytes}b`] : ['-V', `${sizeBytes}b`, '--thinpool', pool]
  const tags = ['--addtag', ourTag, '--addtag', unfinishedTag]
  // What stood on these blocks before is not the guest's: an old file system's marks are wiped without asking.
  const command = ['lvcreate', '--yes', '--wipesignatures', 'y', ...tags, ...place, '-n', volume.name, volume.group]
  await lvm(host, command, `make ${devicePath(volume)}`, devicePath(volume), options)
  await untilNode(host, volume, options)
}

/** A snapshot of one of our volumes, ours as well: thin where its origin is, else with `sizeBytes` for what changes. */
export async function snapshotVolume(
  host: Host,
  origin: Volume,
  name: string,
  { sizeBytes, ...options }: Signalled & { readonly sizeBytes?: number },
): Promise<Volume> {
  const volume = { group: origin.group, name }
  await mustBeOurs(host, origin, options)
  const room = sizeBytes === undefined ? [] : ['-L', `${sizeBytes}b`]
  const command = ['lvcreate', '--yes', '--snapshot', '--addtag', ourTag, ...room, '-n', name, nameOf(origin)]
  await lvm(host, command, `make a snapshot of ${devicePath(origin)}`, devicePath(volume), options)
  return volume
}

/** Only grows: a volume that is cut loses a part of its file system. @throws InfraError `invalid` */
export async function growVolume(host: Host, volume: Volume, sizeBytes: number, options: Signalled): Promise<void> {
  const path = devicePath(volume)
  const found = await mustBeOurs(host, volume, options)
  if (found.sizeBytes === sizeBytes) return
  if (found.sizeBytes > sizeBytes)
    throw new InfraError('invalid', `${path} has ${found.sizeBytes} bytes, and does not become smaller`, {
      subject: path,
      hint: 'make a new guest with a smaller disk, and copy what it is to have',
    })
  await lvm(host, ['lvextend', '-L', `${sizeBytes}b`, nameOf(volume)], `grow ${path}`, path, options)
}

/**
 * Succeeds when it is gone already. `evenIfNotOurs`: whoever asks knows otherwise whose it is.
 * @throws InfraError `permission` for a volume that is not ours, `busy` while it is open
 */
export async function removeVolume(
  host: Host,
  volume: Volume,
  { evenIfNotOurs = false, ...options }: Signalled & { readonly evenIfNotOurs?: boolean },
): Promise<void> {
  const found = await findVolume(host, volume, options)
  if (found === undefined) return
  if (!found.isOurs && !evenIfNotOurs) throw notOurs(volume, 'permission')
  await lvm(host, ['lvremove', '--yes', nameOf(volume)], `remove ${devicePath(volume)}`, devicePath(volume), options)
}

const nameOf = ({ group, name }: Volume): string => `${group}/${name}`

async function findVolume(host: Host, { group, name }: Volume, options: Signalled): Promise<Tagged | undefined> {
  return (await readVolumes(host, group, options)).find((volume) => volume.name === name)
}

async function mustBeOurs(host: Host, volume: Volume, options: Signalled): Promise<Tagged> {
  const found = await findVolume(host, volume, options)
  const path = devicePath(volume)
  if (found === undefined) throw new InfraError('not-found', `there is no volume ${path}`, { subject: path })
  if (!found.isOurs) throw notOurs(volume, 'permission')
  return found
}

function notOurs(volume: Volume, code: InfraCode): InfraError {
  const path = devicePath(volume)
  return new InfraError(code, `${path} is there, and Baton has not made it`, {
    subject: path,
    hint: `choose another name, or remove it yourself: lvremove ${nameOf(volume)}`,
  })
}

/** udev makes the node a moment after lvcreate(8) has ended. */
async function untilNode(host: Host, volume: Volume, { signal }: Signalled): Promise<void> {
  const path = devicePath(volume)
  for (let waitMs = 10; (await host.run(['test', '-b', path], { signal })).code !== 0; waitMs *= 2)
    await sleep(Math.min(waitMs, 1000), undefined, { signal }).catch(() => {
      throw abortError(signal, `wait for ${path}`, path)
    })
}

const complaints: readonly { readonly pattern: RegExp; readonly code: InfraCode; readonly hint: string }[] = [
  {
    pattern:
      /device-mapper driver missing|\/dev\/mapper\/control: open failed|Failure to communicate with kernel device-mapper/,
    code: 'unsupported',
    hint: 'this host has no device-mapper (modprobe dm-mod; a container has none): use storage: dir',
  },
  { pattern: /Volume group ".*" not found/, code: 'not-found', hint: 'vgs shows the groups; vgcreate makes one' },
  { pattern: /insufficient free space|Insufficient free space/, code: 'no-space', hint: 'vgs shows what is free' },
  {
    pattern: /in use|contains a filesystem in use/,
    code: 'busy',
    hint: 'a guest, or a mount, uses it: end that first',
  },
  { pattern: /Permission denied|not permitted|as root/, code: 'permission', hint: 'only root may change volumes' },
]

async function lvm(
  host: Host,
  command: readonly string[],
  what: string,
  subject: string,
  options: Signalled,
): Promise<string> {
  const environment = { LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1' }
  const result = await host.run(command, { ...options, environment }).catch(async (error: unknown) => {
    if (!isInfraError(error, 'missing-tool')) throw error
    throw new InfraError('missing-tool', 'LVM is not installed', {
      subject: 'lvm2',
      cause: error,
      hint: `${await howToInstall(host, 'lvm', options)}, or use storage: dir`,
    })
  })
  if (result.code === 0) return result.stdout
  const known = complaints.find(({ pattern }) => pattern.test(result.stderr))
  throw new InfraError(known?.code ?? 'failed', `${what}: ${result.stderr.trim().replaceAll(/\s*\n\s*/g, '; ')}`, {
    subject,
    ...(known === undefined ? {} : { hint: known.hint }),
  })
}
