/** `baton image …`: the images of this machine, and disk files. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import { type ImageUsers, imageStore } from '../../guests/images/store.ts'
import { localHost } from '../../hosts/local/local.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { registerDiskFiles } from '../local/disk-file-commands.ts'
import { registerCapture } from '../local/image-capture.ts'
import { addInstallOptions, type InstallWords, installImage, wantsInstallation } from '../local/image-install.ts'
import { registerNamedImages } from '../local/image-names.ts'
import { listGuests, openMachine } from '../local/machine.ts'
import { loadSpec } from '../local/spec-file.ts'
import { show } from '../output.ts'
import { openWorkingLine } from '../progress/working-line.ts'
import { builtView, deletedView, imagesView } from '../views/images.ts'

type Options = { readonly json?: true }
type BuildOptions = Options & InstallWords & { readonly file?: string }

const buildMs = 30 * 60_000

export function register(program: Command): void {
  const image = program.command('image').description('images: what guests are made from, each built once and cached')
  const build = image
    .command('build')
    .description(
      'build one image of a spec, or all of them; tiny needs no spec; or install one from a disc, unattended',
    )
    .argument('[image]', 'its name in the file, all when left out; with --from, the name that it is kept under')
    .option('--file <file>', 'the spec (./baton.yaml when left out)')
    .option('--json', 'print JSON')
  addInstallOptions(build).action((name: string | undefined, options: BuildOptions) =>
    runAction((context) =>
      wantsInstallation(options) ? installImage(name, options, context) : buildImages(name, options, context),
    ),
  )
  registerNamedImages(image)
  registerCapture(image)
  image
    .command('list')
    .description('the images in the cache')
    .option('--json', 'print JSON')
    .action((options: Options) =>
      runAction(async ({ signal, output }) => {
        const users = await usersOfImages(within(signal, askMs))
        const images = await imageStore(localHost()).list({ signal: within(signal, askMs), users })
        show(output, options.json === true, images, imagesView)
        return undefined
      }),
    )
  image
    .command('delete')
    .alias('remove')
    .description('remove an image from the cache, unless a guest stands on it')
    .argument('<image>', 'its name, its digest, or how the digest begins')
    .option('--json', 'print JSON')
    .action((reference: string, options: Options) =>
      runAction(async ({ signal, output }) => {
        const users = await usersOfImages(within(signal, askMs))
        const images = await imageStore(localHost()).delete(reference, { signal: within(signal, askMs), users })
        show(output, options.json === true, images, deletedView)
        return undefined
      }),
    )
  registerDiskFiles(image)
}

/** What the hypervisors themselves say: libvirt's guests are in no file of ours. */
async function usersOfImages(signal: AbortSignal): Promise<ImageUsers> {
  await using machine = await openMachine({ signal })
  const users = new Map<string, string[]>()
  for (const { guest } of await listGuests(machine, { signal })) {
    const { image, name } = guest.definition
    if (image !== '') users.set(image, [...(users.get(image) ?? []), name])
  }
  return users
}

async function buildImages(
  name: string | undefined,
  { file, json, timeout = buildMs }: BuildOptions,
  { signal, output }: Context,
): Promise<ExitCode | undefined> {
  const wanted = wantedImages(name, file, output)
  if (wanted === undefined) return exitCodes.failed
  const store = imageStore(localHost())
  const built = []
  for (const [imageName, spec] of wanted) {
    using line = openWorkingLine(imageName, output)
    const image = await store.build(imageName, spec, { signal: within(signal, timeout), onProgress: line.say })
    built.push({ name: imageName, ...image })
  }
  show(output, json === true, built, builtView)
  return undefined
}

/** undefined when the file has errors, which are said. @throws InfraError `not-found` for a name that is not in it. */
function wantedImages(
  name: string | undefined,
  file: string | undefined,
  output: Context['output'],
): ReadonlyMap<string, ImageSpec> | undefined {
  const tiny = new Map<string, ImageSpec>([['tiny', { kind: 'tiny' }]])
  if (name === 'tiny' && file === undefined) return tiny
  const loaded = loadSpec(file, output)
  if (loaded === undefined) return undefined
  const declared = new Map(Object.entries(loaded.spec.images))
  if (name === undefined) {
    const used = Object.values(loaded.spec.guests).some(({ image }) => image === 'tiny' && !declared.has(image))
    return used ? new Map([...declared, ...tiny]) : declared
  }
  const spec = declared.get(name) ?? tiny.get(name)
  if (spec === undefined)
    throw new InfraError('not-found', `${loaded.file} has no image ${name}`, {
      subject: name,
      hint: `it has ${[...declared.keys(), 'tiny'].join(', ')}`,
    })
  return new Map([[name, spec]])
}
