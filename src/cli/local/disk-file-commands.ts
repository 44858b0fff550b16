/** `baton image create|resize|convert|info`: disk files, as one would give them to qemu-img. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { parseSize } from '../../cluster/spec/size.ts'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import {
  convertDiskFile,
  createDiskFile,
  type DiskFormat,
  describeDiskFile,
  resizeDiskFile,
} from '../../guests/images/disk-files.ts'
import { imageStore } from '../../guests/images/store.ts'
import { localHost } from '../../hosts/local/local.ts'
import { runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { show } from '../output.ts'
import { openWorkingLine } from '../progress/working-line.ts'
import { diskFileView, imageView } from '../views/images.ts'

type Options = { readonly format: DiskFormat; readonly timeout: number; readonly json?: true }

const convertMs = 3_600_000

export function registerDiskFiles(image: Command): void {
  const formatOption = (): Option =>
    new Option('-f, --format <format>', 'qcow2 or raw').choices(['qcow2', 'raw']).default('qcow2')
  const onFile = (name: string, description: string, timeoutMs = 60_000): Command =>
    addTimeoutOption(image.command(name).description(description).option('--json', 'print JSON'), timeoutMs)
  onFile('create', 'make an empty disk')
    .addOption(formatOption())
    .argument('<file>', 'where')
    .argument('<size>', 'such as 10G', sizeArgument)
    .action((file: string, sizeBytes: number, { format, timeout, json }: Options) =>
      runAction(async ({ signal, output }) => {
        const options = { signal: within(signal, timeout) }
        const made = await createDiskFile(localHost(), { path: resolve(file), format, sizeBytes }, options)
        show(output, json === true, made, diskFileView)
      }),
    )
  onFile('resize', 'make a disk larger; smaller only when asked')
    .argument('<file>', 'a disk that no guest has open')
    .argument('<size>', 'such as 20G', sizeArgument)
    .option('--shrink', 'also to a smaller size: what lies behind the new end is lost')
    .action((file: string, sizeBytes: number, { timeout, json, shrink }: Options & { readonly shrink?: true }) =>
      runAction(async ({ signal, output }) => {
        const options = { signal: within(signal, timeout) }
        const wanted = { path: resolve(file), sizeBytes, shrinks: shrink === true }
        show(output, json === true, await resizeDiskFile(localHost(), wanted, options), diskFileView)
      }),
    )
  onFile('convert', 'write a disk, or an image of the cache, as a file of its own', convertMs)
    .addOption(formatOption())
    .option('--compress', 'with qcow2: smaller, and slower')
    .argument('<from>', 'a disk file, or an image by its name or digest')
    .argument('<to>', 'a file that is not there yet')
    .action((from: string, to: string, { format, timeout, json, ...how }: Options & { readonly compress?: true }) =>
      runAction(async ({ signal, output }) => {
        const options = { signal: within(signal, timeout) }
        using line = openWorkingLine(to, output)
        const source = await sourceOf(from, options)
        const conversion = { ...source, to: resolve(to), format, compresses: how.compress === true }
        const made = await convertDiskFile(localHost(), conversion, { ...options, progress: line.say })
        line[Symbol.dispose]()
        show(output, json === true, made, diskFileView)
      }),
    )
  onFile('info', 'what a disk file is, or an image of the cache', askMs)
    .argument('<image>', 'a file, or an image by its name or digest')
    .action((reference: string, { timeout, json }: Options) =>
      runAction(async ({ signal, output }) => {
        const options = { signal: within(signal, timeout) }
        const stored = await findStored(reference, options)
        if (stored === undefined)
          show(output, json === true, await describeDiskFile(localHost(), resolve(reference), options), diskFileView)
        else {
          const image = await imageStore(localHost()).find(stored.digest, options)
          const path = image?.disk?.path
          const disk = path === undefined ? undefined : await describeDiskFile(localHost(), path, options)
          show(output, json === true, { ...stored, ...(disk === undefined ? {} : { disk }) }, imageView)
        }
      }),
    )
}

function sizeArgument(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined || bytes < 512) throw new InvalidArgumentError('a size such as 512M or 10G is wanted')
  return bytes
}

type Source = { readonly from: string; readonly fromFormat?: string }

async function sourceOf(reference: string, options: { readonly signal: AbortSignal }): Promise<Source> {
  if (existsSync(reference)) return { from: resolve(reference) }
  const stored = await findStored(reference, options)
  if (stored === undefined)
    throw new InfraError('not-found', `${reference} is no file, and no image of the cache`, {
      subject: reference,
      hint: 'baton image list shows the images',
    })
  const disk = (await imageStore(localHost()).find(stored.digest, options))?.disk
  if (disk === undefined)
    throw new InfraError('invalid', `image ${reference} is a kernel with its initrd: there is no disk to convert`, {
      subject: reference,
    })
  return { from: disk.path, fromFormat: disk.format }
}

/** undefined where a file has that name, or no image. @throws InfraError `invalid` when several are meant. */
async function findStored(reference: string, options: { readonly signal: AbortSignal }) {
  if (existsSync(reference)) return undefined
  const images = await imageStore(localHost()).list(options)
  const given = images.filter(({ givenNames }) => givenNames.includes(reference))
  const found =
    given.length > 0
      ? given
      : images.filter(
          ({ names, digest }) => names.includes(reference) || (reference.length >= 4 && digest.startsWith(reference)),
        )
  const [first, second] = found
  if (second !== undefined)
    throw new InfraError('invalid', `several images have been called ${reference}`, {
      subject: reference,
      hint: `name one by its digest: ${found.map(({ digest }) => digest.slice(0, 12)).join(', ')}`,
    })
  return first
}
