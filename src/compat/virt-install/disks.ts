/** Where a disk lies, in which format, on which bus and under which name. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { type Element, elementsAt, setAt, valueAt } from '../../formats/domain-xml/document.ts'
import { Refusal } from './refusal.ts'
import { absolute } from './settings.ts'

/** A file that is to be made before the guest starts. */
export type NewDisk = {
  readonly path: string
  readonly sizeBytes: number
  readonly format: string
  readonly isSparse: boolean
  readonly backing?: { readonly path: string; readonly format?: string }
}

export type DiskContext = {
  readonly guest: string
  /** The directory of a storage pool, by its name; undefined when there is none. */
  readonly poolDirectory: (pool: string) => string | undefined
  readonly taken: Set<string>
}

/** Of the pool `default`. */
export const defaultDirectory = '/var/lib/libvirt/images'

/** Completes a `disk` element from what its words say; resolves to the file that has to be made. @throws Refusal */
export function completeDisk(
  disk: Element,
  words: ReadonlyMap<string, string>,
  context: DiskContext,
): NewDisk | undefined {
  const device = valueAt(disk, './@device') ?? 'disk'
  setAt(disk, './@device', device)
  const size = words.get('size')
  if (size !== undefined && !(Number(size) > 0))
    throw new Refusal(`Error: --disk size=${size}: size must be a number of GiB`)
  const path = pathOf(words, size, context)
  const explicitType = words.get('type')
  if (path === undefined) {
    if (!mayBeEmpty.has(device) && !isSourceSaid(disk))
      throw new Refusal(`Error: --disk: a ${device} needs a path, or a size: --disk size=8`)
    const missing = ['file', 'dev', 'dir']
      .map((name) => valueAt(disk, `./source/@${name}`))
      .find((one) => one !== undefined && !existsSync(one))
    if (missing !== undefined && size === undefined)
      throw new Refusal(`Error: --disk: '${missing}' is not there: --disk path=${missing},size=8 makes it`)
    setAt(disk, './@type', explicitType ?? sourceType(disk))
    // A drive of NVMe is handed over as it is.
    const isHandedOver = valueAt(disk, './source/@namespace') !== undefined
    if (device === 'disk' && !isHandedOver) setDriver(disk, words.get('format') ?? sourceFormat(disk, context), false)
    return undefined
  }
  context.taken.add(path)
  if (isUri(path)) return setNetworkSource(disk, path)
  const kind = kindOf(path)
  setAt(disk, './@type', explicitType ?? (kind === 'block' ? 'block' : kind === 'directory' ? 'dir' : 'file'))
  setAt(disk, `./source/@${kind === 'block' ? 'dev' : kind === 'directory' ? 'dir' : 'file'}`, path)
  // A volume is known to its pool, wherever the pool's directory is.
  const isStanding = kind !== 'none' || (words.has('vol') && size === undefined)
  if (isStanding) {
    setDriver(disk, words.get('format') ?? (kind === 'block' || device !== 'disk' ? 'raw' : formatOf(path)), false)
    return undefined
  }
  if (device !== 'disk' && size === undefined)
    throw new Refusal(`Must specify storage creation parameters for non-existent path '${path}'.`)
  if (size === undefined)
    throw new Refusal(
      `Error: --disk ${path}: Size must be specified for non existent volume '${path.slice(path.lastIndexOf('/') + 1)}'`,
    )
  const format = words.get('format') ?? 'qcow2'
  const isSparse = words.get('sparse') === undefined || /^(y|yes|on|1|true)$/i.test(words.get('sparse') ?? '')
  setDriver(disk, format, isSparse)
  const store = words.get('backing_store')
  const backing = store === undefined ? {} : { backing: backingOf(store, words.get('backing_format')) }
  return { path, sizeBytes: Math.round(Number(size) * 1024 ** 3), format, isSparse, ...backing }
}

/** `gluster+tcp://…`: the way there may be named beside the protocol. */
const isUri = (path: string): boolean => /^\w+(\+\w+)?:\/\//.test(path)

/** Drives with a medium that comes and goes. */
const mayBeEmpty = new Set(['cdrom', 'floppy'])

function isSourceSaid(disk: Element): boolean {
  return ['protocol', 'file', 'dev', 'dir', 'volume', 'namespace'].some(
    (name) => valueAt(disk, `./source/@${name}`) !== undefined,
  )
}

function backingOf(path: string, format: string | undefined): NonNullable<NewDisk['backing']> {
  return { path: absolute(path), ...(format === undefined ? {} : { format }) }
}

function pathOf(
  words: ReadonlyMap<string, string>,
  size: string | undefined,
  context: DiskContext,
): string | undefined {
  const path = words.get('path')
  if (path !== undefined) return isUri(path) ? path : absolute(path)
  const volume = words.get('vol')
  if (volume !== undefined) {
    const [pool = '', name = ''] = volume.split('/')
    if (name === '')
      throw new Refusal(`Error: --disk vol=${volume}: Storage volume must be specified as vol=poolname/volname`)
    return `${directoryOf(pool, context)}/${name}`
  }
  if (size === undefined) return undefined
  const directory = directoryOf(words.get('pool') ?? 'default', context)
  const suffix =
    words.get('format') === undefined || words.get('format') === 'qcow2'
      ? '.qcow2'
      : words.get('format') === 'raw'
        ? '.img'
        : `.${words.get('format')}`
  for (let number = 0; ; number += 1) {
    const candidate = `${directory}/${context.guest}${number === 0 ? '' : `-${number}`}${suffix}`
    if (!context.taken.has(candidate) && !existsSync(candidate)) return candidate
  }
}

function directoryOf(pool: string, { poolDirectory }: DiskContext): string {
  const directory = poolDirectory(pool) ?? (pool === 'default' ? defaultDirectory : undefined)
  if (directory !== undefined) return directory
  throw new Refusal(`Storage pool not found: no storage pool with matching name '${pool}'`)
}

function kindOf(path: string): 'none' | 'file' | 'block' | 'directory' {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 'none'
  return found.isBlockDevice() ? 'block' : found.isDirectory() ? 'directory' : 'file'
}

/** undefined where nobody can look: over a network. */
function sourceFormat(disk: Element, context: DiskContext): string | undefined {
  const [pool, volume] = [valueAt(disk, './source/@pool'), valueAt(disk, './source/@volume')]
  if (pool !== undefined && volume !== undefined) return formatOf(`${directoryOf(pool, context)}/${volume}`)
  return valueAt(disk, './source/@protocol') === undefined ? 'raw' : undefined
}

function sourceType(disk: Element): string {
  const attributes = elementsAt(disk, './source')[0]
  if (attributes?.hasAttribute('volume')) return 'volume'
  if (attributes?.hasAttribute('protocol')) return 'network'
  if (attributes?.hasAttribute('dev')) return 'block'
  return attributes?.hasAttribute('dir') ? 'dir' : 'file'
}

/** A new sparse file gives back what the guest does not use any more. */
function setDriver(disk: Element, format: string | undefined, isNewAndSparse: boolean): void {
  setAt(disk, './driver/@name', valueAt(disk, './driver/@name') ?? 'qemu')
  setAt(disk, './driver/@type', valueAt(disk, './driver/@type') ?? format)
  if (isNewAndSparse && valueAt(disk, './driver/@discard') === undefined) setAt(disk, './driver/@discard', 'unmap')
}

function setNetworkSource(disk: Element, uri: string): undefined {
  const { protocol, hostname, port, pathname } = new URL(uri)
  const [name = '', transport] = protocol.slice(0, -1).split('+')
  setAt(disk, './@type', 'network')
  setAt(disk, './source/@protocol', name)
  if (pathname.length > 1) setAt(disk, './source/@name', pathname.slice(1))
  if (hostname !== '') setAt(disk, './source/host/@name', hostname)
  if (transport !== undefined) setAt(disk, './source/host/@transport', transport)
  if (port !== '') setAt(disk, './source/host/@port', port)
  setAt(disk, './driver/@name', valueAt(disk, './driver/@name') ?? 'qemu')
  return undefined
}

/** What the first bytes of a file say, or its name where it is not ours to read; what says nothing is raw. */
function formatOf(path: string): string {
  const magic = Buffer.alloc(4)
  try {
    const file = openSync(path, 'r')
    readSync(file, magic, 0, 4, 0)
    closeSync(file)
  } catch {
    return path.endsWith('.qcow2') ? 'qcow2' : 'raw'
  }
  const formats: Readonly<Record<string, string>> = {
    '514649fb': 'qcow2',
    '51454400': 'qed',
    '4b444d56': 'vmdk',
    '76686478': 'vhdx',
  }
  return formats[magic.toString('hex')] ?? 'raw'
}

const prefixes: Readonly<Record<string, string>> = { virtio: 'vd', ide: 'hd', fdc: 'fd', xen: 'xvd' }

/** Buses and names for all disks in order; names that were given are taken first. */
export function assignTargets(disks: readonly Element[], busOf: (device: string) => string): void {
  const given = disks.map((disk) => valueAt(disk, './target/@dev'))
  const taken = new Set(given.filter((name) => name !== undefined))
  for (const disk of disks) {
    const device = valueAt(disk, './@device') ?? 'disk'
    const bus = valueAt(disk, './target/@bus') ?? busOf(device)
    if (valueAt(disk, './target/@dev') === undefined) {
      const prefix = prefixes[bus] ?? 'sd'
      const letters = 'abcdefghijklmnopqrstuvwxyz'.split('')
      const name = letters.map((letter) => `${prefix}${letter}`).find((one) => !taken.has(one)) ?? `${prefix}aa`
      taken.add(name)
      setAt(disk, './target/@dev', name)
    }
    setAt(disk, './target/@bus', bus)
    if (device === 'cdrom' && elementsAt(disk, './readonly').length === 0) setAt(disk, './readonly', '')
  }
}
