/** What an installation boots from besides the guest's own disks: an installer's kernel and initrd, a seed of cloud-init. */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { InfraError, isInfraError } from '../../errors.ts'
import { findKernel, type InstallTree, type KernelPair, openTree } from '../../guests/images/install-tree.ts'
import type { Host } from '../../hosts/host.ts'
import { encodeDisc } from '../../wire/iso9660.ts'
import { joined } from '../../wire/joined.ts'
import { encodeArchive } from '../../wire/newc.ts'
import { cloudInitFiles } from './cloud-init.ts'
import { readInstallWords } from './install-words.ts'
import type { Said } from './options.ts'
import { Refusal } from './refusal.ts'
import { absolute, readSwitch } from './settings.ts'

type CallOptions = { readonly signal: AbortSignal }

/** Absolute paths, as the first boot has them. */
export type Media = {
  readonly kernel?: string
  readonly initrd?: string
  /** Of the installer's kernel. */
  readonly cmdline?: string
  /** The ISO that the installer came from. */
  readonly cdrom?: string
  readonly seed?: string
  /** Made for the first boot and not needed once the guest executes. */
  readonly files: readonly { readonly path: string; readonly content: (options: CallOptions) => Promise<Uint8Array> }[]
  /** What the user has to be told: root's made-up password. */
  readonly password?: string
}

export type MediaPlace = {
  readonly arch: string
  /** A directory that QEMU may read from. */
  readonly directory: string
  /** The argument by which an installer of this system is told its tree: libosinfo's `kernel-url-argument`. */
  readonly urlArgument: string | undefined
}

/** Looks, and makes nothing yet. @throws Refusal or InfraError */
export async function findMedia({ options }: Said, place: MediaPlace, call: CallOptions): Promise<Media> {
  const last = (name: string) => options.findLast((option) => option.name === name)
  const all = (name: string): string[] => options.flatMap((one) => (one.name === name ? [one.value ?? ''] : []))
  const path = (file: string): string => `${place.directory}/virtinst-${randomBytes(4).toString('hex')}-${file}`
  const disc = last('cdrom')?.value
  if (disc !== undefined && !/^\w+:\/\//.test(disc)) mustStand(disc)
  const installer = await findInstaller(last('location')?.value, last('install')?.value, place, call)
  const wishes = { arguments: all('extra-args'), injected: all('initrd-inject') }
  if (installer === undefined && wishes.injected.length > 0)
    throw new Refusal(
      'Install method does not support initrd injections. (They need --location, or --install kernel=…)',
    )
  if (installer === undefined && wishes.arguments.length > 0)
    throw new Refusal('Kernel arguments are only supported with location or kernel installs.')
  const cloudInit = last('cloud-init')
  // As virt-install does it: an installer has no use for a seed.
  const asked = cloudInit === undefined ? undefined : cloudInitFiles(cloudInit.value)
  const seed = installer === undefined ? asked : undefined
  if (seed !== undefined) {
    const iso = path('cloudinit.iso')
    const content = async (): Promise<Uint8Array> => encodeDisc('cidata', seed.files)
    return { seed: iso, files: [{ path: iso, content }], ...(seed.password && { password: seed.password }) }
  }
  return installer === undefined ? { files: [] } : installerMedia(installer, wishes, path)
}

type Installer = {
  readonly pair: KernelPair
  readonly read: (path: string, options: CallOptions) => Promise<Uint8Array | undefined>
  readonly cdrom?: string
  /** Comes last on the kernel's command line. */
  readonly argument?: string
  /** All of the command line, whatever else was said. */
  readonly onlyArguments?: string
}

async function findInstaller(
  location: string | undefined,
  install: string | undefined,
  place: MediaPlace,
  options: CallOptions,
): Promise<Installer | undefined> {
  const words = install === undefined ? new Map<string, string>() : readInstallWords('install', install)
  if (words.has('os'))
    throw new Refusal('--install os=… is not supported: give the tree itself, --location URL, and --osinfo NAME')
  const text = words.get('kernel_args')
  const overwrites = readSwitch('install', 'kernel_args_overwrite', words.get('kernel_args_overwrite') ?? 'no')
  const said = text === undefined ? {} : overwrites ? { onlyArguments: text } : { argument: text }
  const [kernel, initrd] = [words.get('kernel'), words.get('initrd')]
  if (kernel !== undefined && initrd !== undefined)
    return { pair: { kernel: absolute(kernel), initrd: absolute(initrd) }, read: localFile, ...said }
  if (kernel !== undefined || initrd !== undefined)
    throw new Refusal('--install kernel and initrd must be specified as a pair')
  return location === undefined ? undefined : { ...(await atLocation(location, place, options)), ...said }
}

/** @throws Refusal when nothing there can be installed from. */
async function atLocation(text: string, place: MediaPlace, options: CallOptions): Promise<Installer> {
  const words = readInstallWords('location', text)
  const [kernel, initrd] = [words.get('kernel'), words.get('initrd')]
  if ((kernel === undefined) !== (initrd === undefined))
    throw new Refusal('location kernel/initrd must be be specified as a pair')
  const named = words.get('location') ?? ''
  if (/^(nfs|ftp):/.test(named))
    throw new Refusal(`--location ${named} is not supported: mount it and give the directory, or use an http(s) URL`)
  const location = /^https?:\/\//.test(named) ? named : absolute(named)
  const found = location === named && /^https?:/.test(named) ? undefined : statSync(location, { throwIfNoEntry: false })
  if (named === '' || (found === undefined && location.startsWith('/'))) throw noMedium(named)
  const tree = openTree(location, found?.isDirectory() === true)
  const pair =
    kernel !== undefined && initrd !== undefined
      ? { kernel, initrd }
      : await knownKernel(tree, location, place.arch, options)
  return { pair, read: (path, call) => tree.read(path, call), ...besidesFiles(tree, location, place) }
}

/** @throws Refusal */
function mustStand(medium: string): void {
  if (medium === '' || statSync(absolute(medium), { throwIfNoEntry: false }) === undefined) throw noMedium(medium)
}

function noMedium(medium: string): Refusal {
  return new Refusal(
    `Validating install media '${medium}' failed: Must specify storage creation parameters for non-existent path '${absolute(medium)}'.`,
  )
}

/** @throws Refusal when the tree is none that is known. */
async function knownKernel(
  tree: InstallTree,
  location: string,
  arch: string,
  options: CallOptions,
): Promise<KernelPair> {
  const pair = await findKernel(tree, arch, options).catch((error: unknown) => {
    throw isInfraError(error, 'invalid') ? new Refusal(`--location ${error.message}`) : error
  })
  if (pair !== undefined) return pair
  throw new Refusal(
    `Error validating install location: Could not find an installable distribution at '${location}'\n\n` +
      'The location must be the root directory of an install tree; --location TREE,kernel=PATH,initrd=PATH names the files.',
  )
}

function besidesFiles({ kind }: InstallTree, location: string, { urlArgument }: MediaPlace): Partial<Installer> {
  if (kind === 'iso') return { cdrom: location }
  return kind === 'url' && urlArgument !== undefined ? { argument: `${urlArgument}=${location}` } : {}
}

function installerMedia(
  { pair, read, cdrom, argument, onlyArguments }: Installer,
  wishes: { readonly arguments: readonly string[]; readonly injected: readonly string[] },
  path: (file: string) => string,
): Media {
  const [kernel, initrd] = [path(basename(pair.kernel)), path(basename(pair.initrd))]
  const must = async (file: string, options: CallOptions): Promise<Uint8Array> => {
    const content = await read(file, options)
    if (content === undefined)
      throw new InfraError('not-found', `there is no ${file} to install from`, { subject: file })
    return content
  }
  const cmdline = onlyArguments ?? [...wishes.arguments, argument].filter((one) => one !== undefined).join(' ')
  return {
    kernel,
    initrd,
    ...(cmdline === '' ? {} : { cmdline }),
    ...(cdrom === undefined ? {} : { cdrom }),
    files: [
      { path: kernel, content: (options) => must(pair.kernel, options) },
      { path: initrd, content: async (options) => joined([await must(pair.initrd, options), ...injection(wishes)]) },
    ],
  }
}

/** The kernel unpacks archives that stand one after the other: files put into the root of the initrd. @throws Refusal */
function injection({ injected }: { readonly injected: readonly string[] }): Uint8Array[] {
  if (injected.length === 0) return []
  const entries = injected.map((file) => ({
    kind: 'file' as const,
    path: basename(file),
    ...localContent(file),
  }))
  return [gzipSync(encodeArchive(entries))]
}

function localContent(file: string): { readonly mode: number; readonly content: Uint8Array } {
  try {
    return { mode: statSync(absolute(file)).mode & 0o777, content: readFileSync(absolute(file)) }
  } catch {
    throw new Refusal(`--initrd-inject ${file}: the file cannot be read`)
  }
}

async function localFile(path: string): Promise<Uint8Array | undefined> {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path)
}

/** Writes them for the first boot; the value given back takes them away. */
export async function writeMedia(
  host: Host,
  { files }: Media,
  options: CallOptions,
): Promise<AsyncDisposable & { readonly paths: readonly string[] }> {
  const written: string[] = []
  const remove = async (): Promise<void> => {
    for (const path of written) await host.remove(path, { signal: AbortSignal.timeout(10_000) })
  }
  try {
    for (const { path, content } of files) {
      written.push(path)
      await host.writeFile(path, await content(options), { ...options, mode: 0o644 })
    }
  } catch (error) {
    await remove()
    throw error
  }
  return { paths: written, [Symbol.asyncDispose]: remove }
}
