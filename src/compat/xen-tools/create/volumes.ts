/** The volumes of a guest of xen-create-image: which there are to be, and where each is. Pure. */
import { parsePartitions } from '../../../formats/xen-tools/partitions.ts'
import { isSize, mebibytesOf } from './values.ts'

export type Storage =
  | { readonly kind: 'dir'; readonly directory: string }
  | { readonly kind: 'lvm'; readonly group: string; readonly thinPool: string | undefined }
  | { readonly kind: 'devices'; readonly disk: string; readonly swap: string | undefined }

export type VolumeWish = {
  /** Of the file or volume: `disk`, `swap`, or a section's. */
  readonly name: string
  readonly mebibytes: number
  /** `swap`, or a file system. */
  readonly fs: string
  /** '' for swap. */
  readonly mountpoint: string
  readonly mountOptions: string
}

type Text = (name: string) => string | undefined

const fileSystems = ['ext2', 'ext3', 'ext4', 'xfs', 'btrfs']

/** In the order of their devices, which is that of the lengths of their mount points: swap, /, /usr … */
export function wishedVolumes(
  text: Text,
  isWithoutSwap: boolean,
  partitions: string | undefined,
): { readonly volumes: readonly VolumeWish[]; readonly faults: readonly string[] } {
  const faults: string[] = []
  const wishes = partitions === undefined ? usual(text, isWithoutSwap) : ofSections(text, partitions, faults)
  if (wishes.filter(({ mountpoint }) => mountpoint === '/').length !== 1)
    faults.push('--partitions: one volume, and only one, has the mountpoint /')
  if (partitions !== undefined && text('image-dev') !== undefined)
    faults.push('--partitions is for --dir and --lvm, not for --image-dev')
  return { volumes: wishes.toSorted((a, b) => a.mountpoint.length - b.mountpoint.length), faults }
}

function usual(text: Text, isWithoutSwap: boolean): VolumeWish[] {
  const isDevice = text('image-dev') !== undefined
  const hasSwap = !isWithoutSwap && (!isDevice || text('swap-dev') !== undefined)
  const fs = text('fs') ?? ''
  const swap = {
    name: 'swap',
    mebibytes: mebibytesOf(text('swap') ?? ''),
    fs: 'swap',
    mountpoint: '',
    mountOptions: 'sw',
  }
  return [
    ...(hasSwap ? [swap] : []),
    {
      name: 'disk',
      mebibytes: mebibytesOf(text('size') ?? ''),
      fs,
      mountpoint: '/',
      mountOptions: usualOptions(text, fs),
    },
  ]
}

const usualOptions = (text: Text, fs: string): string =>
  text(`${fs}_options`) ?? (fs.startsWith('ext') ? 'noatime,nodiratime,errors=remount-ro' : 'defaults')

function ofSections(text: Text, partitions: string, faults: string[]): VolumeWish[] {
  const sections = parsePartitions(partitions)
  if ('badLine' in sections) {
    faults.push(`--partitions: line ${sections.badLine} is neither [name] nor key = value`)
    return []
  }
  return sections.map(({ name, line, settings }) => {
    const [size = '', fs = '', mountpoint = ''] = ['size', 'type', 'mountpoint'].map((key) => settings.get(key))
    const fault = (what: string): void => void faults.push(`--partitions: [${name}] in line ${line}: ${what}`)
    if (!/^[A-Za-z0-9-]+$/.test(name)) fault('a name has letters, digits and dashes')
    if (!isSize(size)) fault('size takes a suffixed (mb, MB, G, etc.) integer')
    if (fs !== 'swap' && !fileSystems.includes(fs)) fault(`type is swap or one of ${fileSystems.join(' ')}`)
    if (fs !== 'swap' && (!/^\/[A-Za-z0-9._/-]*$/.test(mountpoint) || mountpoint.split('/').includes('..')))
      fault('mountpoint is an absolute path')
    const mountOptions = settings.get('options') ?? (fs === 'swap' ? 'sw' : usualOptions(text, fs))
    if (!/^[A-Za-z0-9=,._-]+$/.test(mountOptions)) fault('options are words with commas between')
    return { name, mebibytes: mebibytesOf(size), fs, mountpoint: fs === 'swap' ? '' : mountpoint, mountOptions }
  })
}

export type PlacedVolume = VolumeWish & {
  readonly path: string
  /** `xvda1`: what it is in the guest. */
  readonly device: string
  /** As xl.cfg names it: `file:…` or `phy:…`. */
  readonly target: string
}

export function placeVolumes(
  hostname: string,
  storage: Storage,
  volumes: readonly VolumeWish[],
  diskDevice: string,
): readonly PlacedVolume[] {
  const device = diskDevice.replace(/^\/dev\//, '')
  return volumes.map((volume, index) => {
    const path = pathOf(hostname, storage, volume)
    const target = `${storage.kind === 'dir' ? 'file' : 'phy'}:${path}`
    return { ...volume, path, target, device: `${device}${index + 1}` }
  })
}

function pathOf(hostname: string, storage: Storage, { name, fs }: VolumeWish): string {
  switch (storage.kind) {
    case 'dir':
      return `${guestDirectory(storage.directory, hostname)}/${name}.img`
    case 'lvm':
      return `/dev/${storage.group}/${hostname}-${name}`
    case 'devices':
      return fs === 'swap' ? (storage.swap ?? '') : storage.disk
  }
}

/** Where the original has the image files of a guest. */
export const guestDirectory = (directory: string, hostname: string): string =>
  `${directory.replace(/\/+$/, '')}/domains/${hostname}`
