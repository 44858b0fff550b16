/** `baton image pull|add`: an image of this machine under a name, by which specs may ask for it. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { type Checksum, checksumIn, formatChecksum, parseChecksum } from '../../guests/images/checksum.ts'
import { hashOf } from '../../guests/images/download.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import { imageStore } from '../../guests/images/store.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type Context, runAction } from '../action.ts'
import { addTimeoutOption } from '../deadline-options.ts'
import { show } from '../output.ts'
import { openWorkingLine } from '../progress/working-line.ts'
import { builtView } from '../views/images.ts'

type Options = { readonly checksum?: string; readonly timeout: number; readonly json?: true }

const pullMs = 4 * 3_600_000
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/

export function registerNamedImages(image: Command): void {
  const pull = image
    .command('pull')
    .description('fetch a cloud image, compare its checksum, and keep it under a name; a broken download goes on')
    .argument('<name>', 'what specs call it (images: NAME: { stored: … })')
    .argument('<url>', 'a qcow2 or raw disk over http or https')
    .requiredOption('--checksum <checksum>', 'sha256:…, sha512:…, or the file or URL of SHA256SUMS or SHA512SUMS')
    .option('--json', 'print JSON')
  addTimeoutOption(pull, pullMs).action((name: string, url: string, options: Options) =>
    runAction(async (context) => {
      if (!/^https?:\/\/[^\s/]+\/\S+$/.test(url))
        throw new InfraError('invalid', `${url} is no URL of a disk`, {
          subject: url,
          hint: `of a file on this machine: baton image add ${name} FILE`,
        })
      const checksum = await writtenChecksum(options.checksum ?? '', basename(new URL(url).pathname))
      await keepImage(name, { kind: 'url', url, checksum }, options, context)
    }),
  )
  const add = image
    .command('add')
    .description('keep a copy of a disk of this machine under a name')
    .argument('<name>', 'what specs call it (images: NAME: { stored: … })')
    .argument('<file>', 'a qcow2 or raw disk')
    .option('--checksum <checksum>', 'what it has to have: sha256:…, sha512:…, or the file or URL of its list')
    .option('--json', 'print JSON')
  addTimeoutOption(add, pullMs).action((name: string, file: string, options: Options) =>
    runAction(async (context) => {
      const path = resolve(file)
      if (options.checksum !== undefined)
        await mustHave(path, options.checksum, within(context.signal, options.timeout))
      await keepImage(name, { kind: 'disk', path }, options, context)
    }),
  )
}

/** @throws InfraError `invalid` */
export function checkImageName(name: string): void {
  if (!namePattern.test(name) || /^[0-9a-f]{32}$/.test(name))
    throw new InfraError('invalid', `${name} is no name for an image: letters, digits, dots and dashes`, {
      subject: name,
    })
}

/** Builds it, and gives it the name. @throws InfraError `invalid` for a name that is none, before anything is made. */
export async function keepImage(
  name: string,
  spec: ImageSpec,
  { timeout, json }: Pick<Options, 'timeout' | 'json'>,
  context: Context,
): Promise<void> {
  checkImageName(name)
  const { output } = context
  const signal = within(context.signal, timeout)
  const store = imageStore(localHost())
  using line = openWorkingLine(name, output)
  const built = await store.build(name, spec, { signal, onProgress: line.say })
  await store.give(name, built.digest, { signal })
  line[Symbol.dispose]()
  show(output, json === true, [{ name, ...built }], builtView)
}

/** As it is where it is one, or a URL; of a file that lists it, what that says. */
async function writtenChecksum(written: string, fileName: string): Promise<string> {
  if (parseChecksum(written) !== undefined || /^https?:\/\//.test(written)) return written
  if (!existsSync(written))
    throw new InfraError('invalid', `${written} is no checksum, no URL, and no file`, {
      subject: written,
      hint: 'write sha256: and its 64 digits, or the name of SHA256SUMS',
    })
  const found = checksumIn(await readFile(written, 'utf8'), fileName)
  if (found !== undefined) return formatChecksum(found)
  throw new InfraError('not-found', `${written} has no checksum of ${fileName}`, { subject: written })
}

async function mustHave(path: string, written: string, signal: AbortSignal): Promise<void> {
  const checksum = await checksumOf(path, written, signal)
  if ((await hashOf(path, checksum, signal)) === checksum.hex) return
  throw new InfraError('invalid', `${path} is not what it should be: its checksum is not ${formatChecksum(checksum)}`, {
    subject: path,
    hint: 'nothing was kept',
  })
}

async function checksumOf(path: string, written: string, signal: AbortSignal): Promise<Checksum> {
  const known = parseChecksum(await writtenChecksum(written, basename(path)))
  if (known !== undefined) return known
  const { settledUrl } = await import('../../guests/images/settled.ts')
  return (await settledUrl({ kind: 'url', url: `file://${path}`, checksum: written }, signal)).checksum
}
