/** Images made from files the user gives: a kernel with its initrd, a whole disk, or a disc that installs one. Copied, so that a guest's base never changes. */
import { InfraError, isInfraError } from '../../errors.ts'
import { howToInstall } from '../../hosts/install.ts'
import type { ImageSpec } from './image.ts'
import type { Made, Recipe } from './recipe.ts'
import { packingOf, unpack, unpackedName } from './unpack.ts'

/** Part of the digest: another recipe is another image. */
export const diskRecipe = '1'

export async function buildKernel(spec: Extract<ImageSpec, { kind: 'kernel' }>, recipe: Recipe): Promise<Made> {
  const { directory } = recipe
  const kernel = `${directory}/vmlinuz`
  await copy(recipe, spec.kernel, kernel)
  if (spec.initrd === undefined) return { kernel, cmdline: spec.cmdline }
  const initrd = `${directory}/initrd`
  await copy(recipe, spec.initrd, initrd)
  return { kernel, initrd, cmdline: spec.cmdline }
}

/**
 * The format is read from the bytes, once, here: guests get it as a fact, so nothing that a guest writes into a raw
 * disk can make it something else. A disk that refers to other files is refused: the cache holds whole images, and
 * reading whatever a downloaded file names would let it take any file of this host into a guest.
 */
export async function buildDisk(
  spec: Extract<ImageSpec, { kind: 'disk' }>,
  recipe: Recipe,
  /** `isOurs`: nobody else has the file, so that it may be moved; `name`: what it is called in errors. */
  { isOurs = false, name = spec.path }: { readonly isOurs?: boolean; readonly name?: string } = {},
): Promise<Made> {
  const { host, directory, scratch, progress, signal } = recipe
  const head = await headOf(recipe, spec.path)
  const packing = packingOf(head)
  if (packing !== undefined) {
    const path = `${scratch}/unpacked`
    await host.makeDirectory(scratch, { signal })
    await unpack(recipe, { path: spec.path, name, packing }, path)
    // One that is compressed twice is refused as what it is.
    diskFormat(name, await headOf(recipe, path))
    return buildDisk({ kind: 'disk', path }, recipe, { isOurs: true, name: unpackedName(name) })
  }
  const format = diskFormat(name, head)
  const target = `${directory}/disk.${format}`
  if (isOurs) await host.rename(spec.path, target, { signal })
  else {
    progress(`copying ${spec.path}`)
    await copy(recipe, spec.path, target)
  }
  const info = await describeDisk(recipe, name, target, format)
  return { disk: { path: target, format, sizeBytes: info['virtual-size'] } }
}

/** Sector 16 of ISO 9660 (ECMA-119 §8.1), and 17 of El Torito: what firmware looks for. */
const discMarks = [
  { at: 16 * 2048 + 1, begins: 'CD001', hint: 'give a disc: an ISO image' },
  { at: 17 * 2048 + 7, begins: 'EL TORITO SPECIFICATION', hint: 'it is a disc, but none to boot from' },
] as const

/** @throws InfraError `invalid` for what firmware does not boot from. */
export async function mustBeDisc(path: string, recipe: Recipe): Promise<void> {
  for (const { at, begins, hint } of discMarks) {
    const [found, wanted] = [await headOf(recipe, path, at), Buffer.from(begins).toString('hex')]
    if (!found.startsWith(wanted))
      throw new InfraError('invalid', `${path} is no disc that boots`, { subject: path, hint })
  }
}

export async function buildDisc(spec: Extract<ImageSpec, { kind: 'iso' }>, recipe: Recipe): Promise<Made> {
  await mustBeDisc(spec.path, recipe)
  const disc = `${recipe.directory}/disc.iso`
  recipe.progress(`copying ${spec.path}`)
  await copy(recipe, spec.path, disc)
  return { disc }
}

// What a file is when it begins like this; `[]` for formats that QEMU reads but guests are not given.
const foreign: readonly { readonly begins: RegExp; readonly what: string; readonly convertible: boolean }[] = [
  { begins: /^4b444d56|^23204469736b204465736372/, what: 'a VMware disk', convertible: true },
  { begins: /^7668647866696c65/, what: 'a VHDX disk', convertible: true },
  { begins: /^636f6e6563746978/, what: 'a VHD disk', convertible: true },
  { begins: /^.{128}7f10dabe/, what: 'a VirtualBox disk', convertible: true },
  { begins: /^51454400/, what: 'a QED disk', convertible: true },
  { begins: /^1f8b|^fd377a585a00|^28b52ffd|^425a68|^504b0304/, what: 'compressed', convertible: false },
  { begins: /^(?:efbbbf)?(?:0a|0d|20)*3c/, what: 'a web page or XML', convertible: false },
]

/** `head` is the beginning of the file in hexadecimal. @throws InfraError `invalid` for what is no disk a guest can have. */
export function diskFormat(path: string, head: string): 'qcow2' | 'raw' {
  const invalid = (message: string, hint: string): InfraError =>
    new InfraError('invalid', message, { subject: path, hint })
  if (head === '') throw invalid(`${path} is empty`, 'give a qcow2 or raw disk')
  if (head.startsWith('514649fb')) return 'qcow2'
  const other = foreign.find(({ begins }) => begins.test(head))
  if (other?.convertible === true)
    throw invalid(`${path} is ${other.what}`, `convert it: qemu-img convert -O qcow2 ${path} ${path}.qcow2`)
  if (other !== undefined) throw invalid(`${path} is ${other.what}, not a disk`, 'give a qcow2 or raw disk, unpacked')
  if (/\.qcow2?$/i.test(path)) throw invalid(`${path} is not a qcow2 disk, whatever its name says`, 'fetch it again')
  return 'raw'
}

async function headOf({ host, signal }: Recipe, path: string, from = 0): Promise<string> {
  const command = ['od', '-An', '-v', '-tx1', `-j${from}`, '-N512', '--', path]
  const result = await host.run(command, { signal, environment: { LC_ALL: 'C' } })
  if (result.stderr.includes('cannot skip past end')) return ''
  if (result.code !== 0) throw new InfraError('failed', `read ${path}: ${result.stderr.trim()}`, { subject: path })
  return result.stdout.replace(/\s/g, '')
}

type DiskInfo = {
  readonly 'virtual-size': number
  readonly 'backing-filename'?: string
  readonly encrypted?: boolean
  readonly 'format-specific'?: { readonly data?: { readonly 'data-file'?: string; readonly corrupt?: boolean } }
}

/** Looks at the copy, so that what is checked is what guests get. */
async function describeDisk(recipe: Recipe, source: string, copied: string, format: string): Promise<DiskInfo> {
  const { host, signal } = recipe
  const result = await host
    .run(['qemu-img', 'info', '-f', format, '--output=json', copied], { signal })
    .catch(async (error: unknown) => {
      throw isInfraError(error, 'missing-tool')
        ? new InfraError('missing-tool', error.message, {
            subject: 'qemu-img',
            cause: error,
            hint: await howToInstall(host, 'qemu-img', { signal }),
          })
        : error
    })
  const invalid = (what: string, hint: string): InfraError =>
    new InfraError('invalid', `${source} ${what}`, { subject: source, hint })
  if (result.code !== 0)
    throw invalid(`is not a disk image: ${result.stderr.trim().replaceAll(copied, source)}`, 'give a qcow2 or raw file')
  const info = JSON.parse(result.stdout) as DiskInfo
  const data = info['format-specific']?.data
  const other = info['backing-filename'] ?? data?.['data-file']
  if (other !== undefined)
    throw invalid(
      `keeps a part of its content in ${other}`,
      `make it whole, if you trust it: qemu-img convert -O qcow2 ${source} ${source}.whole.qcow2`,
    )
  if (info.encrypted === true) throw invalid('is encrypted', 'give a disk that needs no secret')
  if (data?.corrupt === true) throw invalid('is damaged', `look at it: qemu-img check ${source}`)
  if (!(info['virtual-size'] > 0)) throw invalid('has no size', 'give a qcow2 or raw disk')
  return info
}

async function copy({ host, signal }: Recipe, from: string, to: string): Promise<void> {
  const result = await host.run(['cp', '--reflink=auto', '--sparse=always', '--', from, to], { signal })
  if (result.code !== 0)
    throw new InfraError(
      /No space left/.test(result.stderr) ? 'no-space' : 'failed',
      `copy ${from}: ${result.stderr.trim()}`,
      {
        subject: from,
      },
    )
}
