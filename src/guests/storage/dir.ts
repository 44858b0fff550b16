/** Guest disks in a directory: qcow2 overlays that hold only what the guest changed, or raw files, sparse and whole. */
import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { tidying } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import type { GuestDisk } from '../hypervisor.ts'
import { mustRun, qemuImg } from './qemu-img.ts'
import { makeSwap } from './swap.ts'

type Signalled = { readonly signal: AbortSignal }

/** `qcow2`: an overlay over the disk's base. `raw`: a copy of it, for hypervisors that take block devices. */
export type DiskFormat = 'qcow2' | 'raw'

/**
 * Makes the disk unless it is there: an existing one holds the guest's data and is never made anew. A kill in the middle
 * leaves a `.partial` file, which the next call removes. @throws InfraError `invalid` for a disk smaller than its base.
 */
export async function ensureDisk(
  host: Host,
  path: string,
  disk: GuestDisk,
  { format = 'qcow2', ...options }: Signalled & { readonly format?: DiskFormat },
): Promise<void> {
  const directory = dirname(path)
  const files = await host.list(directory, options)
  if (files === undefined) await host.makeDirectory(directory, { ...options, mode: 0o700 })
  else if (files.includes(basename(path))) return
  await checkSize(host, path, disk, options)
  for (const file of files ?? [])
    if (file.startsWith(basename(path))) await host.remove(`${directory}/${file}`, options)
  // Its own name each time: the qemu-img of a killed command may still be at work on the last one.
  const partial = `${path}.${randomUUID()}.partial`
  const make = format === 'raw' ? makeRaw : makeOverlay
  await make(host, path, partial, disk, options)
  await host.rename(partial, path, options)
}

type Make = (host: Host, path: string, partial: string, disk: GuestDisk, options: Signalled) => Promise<void>

const makeOverlay: Make = async (host, path, partial, disk, options) => {
  if (disk.isSwap === true) return makeSwapOverlay(host, path, partial, disk, options)
  const base = disk.base === undefined ? [] : ['-b', disk.base.path, '-F', disk.base.format]
  const size = disk.sizeBytes === undefined ? [] : [String(disk.sizeBytes)]
  await qemuImg(host, ['create', '-q', '-f', 'qcow2', ...base, partial, ...size], {
    what: `make disk ${path}`,
    path,
    ...options,
  })
}

/** mkswap(8) writes to raw disks only. */
const makeSwapOverlay: Make = async (host, path, partial, disk, options) => {
  const raw = `${path}.${randomUUID()}.raw.partial`
  const what = { what: `make disk ${path}`, path, ...options }
  try {
    await makeRaw(host, path, raw, disk, options)
    await qemuImg(host, ['convert', '-f', 'raw', '-O', 'qcow2', raw, partial], what)
  } finally {
    await host.remove(raw, tidying())
  }
}

/** Sparse; where the file system shares blocks between files, a copy takes no room of its own. */
const makeRaw: Make = async (host, path, partial, { base, sizeBytes, isSwap }, options) => {
  const what = { what: `make disk ${path}`, path, ...options }
  const copy = ['cp', '--reflink=auto', '--sparse=always', '--', base?.path ?? '', partial]
  if (base?.format === 'raw') await mustRun(host, copy, what)
  else if (base !== undefined)
    await qemuImg(host, ['convert', '-f', base.format, '-O', 'raw', base.path, partial], what)
  if (sizeBytes !== undefined) await mustRun(host, ['truncate', '-s', String(sizeBytes), '--', partial], what)
  if (isSwap === true) await makeSwap(host, partial, what)
}

/** A disk that is cut loses a part of its base's file system. @throws InfraError `invalid` */
export async function checkSize(host: Host, path: string, disk: GuestDisk, options: Signalled): Promise<void> {
  const { base, sizeBytes } = disk
  if (base === undefined || sizeBytes === undefined) return
  const least = await sizeOfBase(host, base, options)
  if (sizeBytes >= least) return
  throw new InfraError('invalid', `make disk ${path}: ${sizeBytes} bytes are less than its image has (${least})`, {
    subject: base.path,
    hint: `give the guest a disk of at least ${Math.ceil(least / 1024 ** 2)}M`,
  })
}

/** What a disk of this base has to hold at least, bytes. */
export async function sizeOfBase(
  host: Host,
  { path, format }: NonNullable<GuestDisk['base']>,
  options: Signalled,
): Promise<number> {
  const { stdout } = await qemuImg(host, ['info', '--output=json', '-U', '-f', format, path], {
    what: `look at ${path}`,
    path,
    ...options,
  })
  return (JSON.parse(stdout) as { readonly 'virtual-size': number })['virtual-size']
}
