/** `baton image build NAME --from ISO`: an image that a disc installs by itself. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { defaultInstall } from '../../cluster/spec/schema.ts'
import { InfraError } from '../../errors.ts'
import type { Context } from '../action.ts'
import { durationOption } from '../deadline-options.ts'
import { keepImage } from './image-names.ts'
import { readBytes } from './machine-size.ts'

export type InstallWords = {
  readonly from?: string
  readonly unattended?: readonly string[]
  readonly append?: string
  readonly size?: number
  readonly memory?: number
  readonly timeout?: number
}

/** An emulated guest installs in an hour what takes minutes elsewhere. */
const installMs = 3 * 3_600_000

export function addInstallOptions(command: Command): Command {
  const also = (file: string, files: readonly string[] = []): readonly string[] => [...files, file]
  return command
    .option('--from <iso>', 'install it from this disc, in a guest that is not kept')
    .option('--unattended <file>', 'answers the installer: preseed, kickstart or user data; again for files beside it', also) // biome-ignore format: a line
    .option('--append <words>', "with --from: more words for the installer's kernel")
    .option('--size <size>', 'with --from: its disk (default 10G)', readBytes)
    .option('--memory <size>', 'with --from: memory of the guest that installs (default 2G)', readBytes)
    .option('--timeout <duration>', 'give up after (default 30m; with --from 3h)', positiveDuration)
}

/** @throws InfraError `invalid` for options that go with --from alone. */
export function wantsInstallation(options: InstallWords): boolean {
  if (options.from !== undefined) return true
  const other = (['unattended', 'append', 'size', 'memory'] as const).find((name) => options[name] !== undefined)
  if (other === undefined) return false
  throw new InfraError('invalid', `image build: --${other} goes with --from`, {
    subject: other,
    hint: 'baton image build NAME --from ISO; what a spec has stands there: images: { NAME: { iso: …, unattended: […] } }',
  })
}

export async function installImage(
  name: string | undefined,
  {
    from = '',
    unattended = [],
    append,
    size,
    memory,
    ...rest
  }: InstallWords & { readonly json?: true; readonly file?: string },
  context: Context,
): Promise<undefined> {
  if (name === undefined)
    throw new InfraError('invalid', 'image build: an image that is installed needs a name', {
      subject: from,
      hint: `baton image build NAME --from ${from}`,
    })
  if (rest.file !== undefined)
    throw new InfraError('invalid', 'image build: --file does not go with --from', {
      subject: rest.file,
      hint: 'leave one of them out',
    })
  const spec = {
    kind: 'install',
    path: resolve(from),
    answers: unattended.map((file) => resolve(file)),
    ...(append === undefined ? {} : { append }),
    sizeBytes: size ?? defaultInstall.sizeBytes,
    memoryBytes: memory ?? defaultInstall.memoryBytes,
  } as const
  const { json, timeout = installMs } = rest
  await keepImage(name, spec, { timeout, ...(json === undefined ? {} : { json }) }, context)
}

function positiveDuration(text: string): number {
  const milliseconds = durationOption(text)
  if (milliseconds === 0) throw new InvalidArgumentError('a duration like 90m or 3h is wanted')
  return milliseconds
}
