/** Where guests' disks go: a volume group on a device that holds nothing, or a directory. */
import { InfraError } from '../../errors.ts'
import type { Survey } from '../survey/survey.ts'
import type { Step } from './step.ts'

export type StorageWish =
  | { readonly kind: 'volume-group'; readonly name: string; readonly device: string }
  | { readonly kind: 'directory'; readonly path: string }

/** @throws InfraError for a device that holds anything at all, and for a group that is another one. */
export function storageSteps(survey: Survey, wish: StorageWish): Step[] {
  return wish.kind === 'directory'
    ? directorySteps(survey, wish.path)
    : volumeGroupSteps(survey, wish.name, wish.device)
}

function volumeGroupSteps({ disk, volumeGroups }: Survey, name: string, device: string): Step[] {
  const error = (code: InfraError['code'], message: string, hint: string): InfraError =>
    new InfraError(code, message, { subject: device, hint })
  if (!/^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]*$/.test(name) || name === '.' || name === '..')
    throw error('invalid', `${name} is no name for a volume group`, 'write letters, digits, and + _ . -')
  if (disk?.path === undefined) throw error('not-found', `${device} is no device here`, 'see which there are: lsblk')
  if (disk.group === name) return []
  if (volumeGroups.some((group) => group.name === name))
    throw error(
      'already-exists',
      `${name} is there already, without ${device}`,
      `use it as it is, or: vgextend ${name} ${device}`,
    )
  if (disk.holds.length > 0)
    throw error(
      'invalid',
      `${device} is not empty: ${disk.holds.join(', ')}`,
      `name another device; or, when nothing on it is needed: wipefs --all ${device}, and blkdiscard or overwrite its beginning`,
    )
  return [
    {
      what: `make the volume group ${name} on ${device}`,
      reason: `there is no ${name}, and ${device} is empty`,
      undo: `vgremove ${name} && pvremove ${disk.path}`,
      files: [],
      commands: [
        ['pvcreate', disk.path],
        ['vgcreate', name, disk.path],
      ],
    },
  ]
}

function directorySteps({ directories }: Survey, path: string): Step[] {
  if (!path.startsWith('/') || path.split('/').includes('..'))
    throw new InfraError('invalid', `${path} is no absolute path`, {
      subject: path,
      hint: 'write one such as /srv/baton',
    })
  if (directories.includes(path)) return []
  return [
    {
      what: `make ${path} for guests' disks`,
      reason: 'it is not there',
      undo: `rmdir ${path}`,
      files: [],
      // QEMU's own user goes through it, and sees no names.
      commands: [['install', '-d', '-m', '0711', path]],
    },
  ]
}
