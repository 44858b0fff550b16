/** The parts of an initramfs that come out of unpacked Debian packages: programs with their libraries, kernel modules. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { InfraError } from '../../errors.ts'
import { type ArchiveEntry, encodeArchive } from '../../wire/newc.ts'
import { ownKernelHint } from './debian-packages.ts'
import { loadOrder, moduleDependencies, moduleName } from './kernel-modules.ts'
import type { Recipe } from './recipe.ts'

export type Platform = {
  readonly debian: string
  readonly libraries: string
  readonly loader: string
  readonly console: string
}

const platforms: Readonly<Record<string, Platform>> = {
  x86_64: { debian: 'amd64', libraries: 'x86_64-linux-gnu', loader: 'lib64/ld-linux-x86-64.so.2', console: 'ttyS0' },
  aarch64: { debian: 'arm64', libraries: 'aarch64-linux-gnu', loader: 'lib/ld-linux-aarch64.so.1', console: 'ttyAMA0' },
}

/** Scratch files are read and written through the host. */
type Files = Pick<Recipe, 'host' | 'signal'>

/** Debian's names for the host's architecture. @throws InfraError `unsupported` for one that `image` is not made for. */
export async function platformOf({ host, signal }: Files, image: string): Promise<Platform> {
  const { architecture } = await host.facts({ signal })
  const platform = platforms[architecture]
  if (platform !== undefined) return platform
  throw new InfraError('unsupported', `image ${image} is not made for ${architecture}`, {
    subject: image,
    hint: ownKernelHint,
  })
}

/** A program of the unpacked packages, and where it goes. */
export type Program = { readonly from: string; readonly to: string }

/** The programs with the shared libraries that the loader names for them. */
export async function programEntries(
  files: Files,
  { libraries, loader }: Platform,
  tree: string,
  programs: readonly Program[],
): Promise<ArchiveEntry[]> {
  const places = ['lib', 'usr/lib'].map((folder) => `${tree}/${folder}/${libraries}`)
  const loaderFile = `${places[0]}/${loader.split('/').at(-1)}`
  const needed = new Map<string, string>()
  for (const { from } of programs)
    for (const [name, path] of await sharedLibraries(files, [loaderFile, places.join(':')], tree, from))
      needed.set(name, path)
  return await Promise.all([
    fileEntry(files, loaderFile, loader, 0o755),
    ...programs.map(({ from, to }) => fileEntry(files, from, to, 0o755)),
    ...[...needed].map(([name, path]) => fileEntry(files, path, `lib/${name}`, 0o755)),
  ])
}

async function sharedLibraries(
  { host, signal }: Files,
  [loader, places]: readonly [string, string],
  tree: string,
  program: string,
): Promise<[name: string, path: string][]> {
  const listed = await host.run([loader, '--library-path', places, '--list', program], {
    signal,
    environment: { LD_PRELOAD: '', LD_LIBRARY_PATH: '' },
  })
  const needed = [...listed.stdout.matchAll(/^\s*(\S+) => (\S+)/gm)].filter(([, name]) => !name?.includes('/'))
  const foreign = needed.find(([, , path]) => !path?.startsWith(`${tree}/`))
  if (listed.code !== 0 || foreign !== undefined || needed.length === 0) {
    const name = program.split('/').at(-1) ?? program
    throw new InfraError('failed', `find the libraries of ${name}: ${listed.stderr.trim()}${foreign?.[0] ?? ''}`, {
      subject: name,
    })
  }
  return needed.map(([, name = '', path = '']) => [name, path])
}

/** The wanted modules and all they need, with a file that says in which order to load them. */
export async function moduleEntries(files: Files, tree: string, wanted: readonly string[]): Promise<ArchiveEntry[]> {
  const { host, signal } = files
  const listing = await host.run(['find', tree, '-path', '*/modules/*', '-name', '*.ko*'], { signal })
  const paths = new Map(listing.stdout.split('\n').map((path) => [moduleName(path.split('/').at(-1) ?? ''), path]))
  const contents = new Map<string, Uint8Array>()
  const dependencies = new Map<string, string[]>()
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(name)
    if (path === undefined || dependencies.has(name)) return // built in, or seen
    const content = await needFile(files, await plainModule(files, path))
    contents.set(name, content)
    const needed = moduleDependencies(content)
    dependencies.set(name, needed)
    for (const other of needed) await visit(other)
  }
  for (const name of wanted) await visit(moduleName(name))
  const order = loadOrder(wanted, dependencies).filter((name) => contents.has(name))
  return [
    textEntry('lib/modules/order', 0o644, `${order.join('\n')}\n`),
    ...order.map(
      (name): ArchiveEntry => ({
        kind: 'file',
        path: `lib/modules/${name}.ko`,
        mode: 0o644,
        content: contents.get(name) ?? new Uint8Array(),
      }),
    ),
  ]
}

/** Newer Debian kernels compress their modules; busybox insmod wants them plain. */
async function plainModule({ host, signal }: Files, path: string): Promise<string> {
  const suffix = /\.(xz|zst|gz)$/.exec(path)?.[0]
  if (suffix === undefined) return path
  const tool = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }[suffix] ?? 'xz'
  const result = await host.run([tool, '-d', '-f', '-q', path], { signal })
  if (result.code !== 0) throw new InfraError('failed', `${tool} ${path}: ${result.stderr.trim()}`, { subject: path })
  return path.slice(0, -suffix.length)
}

/** Finds one file of the unpacked packages by its path, which differs a little between Debian's releases. */
export async function listTree({ host, signal }: Files, tree: string): Promise<(pattern: RegExp) => string> {
  const listing = await host.run(['find', tree, '-type', 'f', '-not', '-path', '*/modules/*'], { signal })
  const paths = listing.stdout.split('\n')
  return (pattern) => {
    const path = paths.find((candidate) => pattern.test(candidate))
    if (path !== undefined) return path
    throw new InfraError('not-found', `the packages hold no ${pattern.source}`, { subject: pattern.source })
  }
}

/** Packs the initramfs beside the kernel that the packages hold, as `initrd.gz` and `vmlinuz` in `directory`. */
export async function packKernelAndInitramfs(
  { host, directory, signal }: Pick<Recipe, 'host' | 'directory' | 'signal'>,
  kernel: string,
  entries: readonly ArchiveEntry[],
): Promise<{ readonly kernel: string; readonly initrd: string }> {
  const archive = await promisify(gzip)(encodeArchive(entries), { level: 9 })
  await host.writeFile(`${directory}/initrd.gz`, archive, { signal })
  await host.rename(kernel, `${directory}/vmlinuz`, { signal })
  return { kernel: `${directory}/vmlinuz`, initrd: `${directory}/initrd.gz` }
}

export async function fileEntry(files: Files, from: string, path: string, mode: number): Promise<ArchiveEntry> {
  return { kind: 'file', path, mode, content: await needFile(files, from) }
}

export function textEntry(path: string, mode: number, text: string): ArchiveEntry {
  return { kind: 'file', path, mode, content: new TextEncoder().encode(text) }
}

/** The folders, the two devices that init needs before it mounts /dev, and busybox under these names. */
export function skeletonEntries(folders: readonly string[], applets: readonly string[]): ArchiveEntry[] {
  return [
    ...folders.map((path): ArchiveEntry => ({ kind: 'directory', path, mode: 0o755 })),
    { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'character', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    ...applets.map((applet): ArchiveEntry => ({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
  ]
}

async function needFile({ host, signal }: Files, path: string): Promise<Uint8Array> {
  const content = await host.readFile(path, { signal })
  if (content === undefined) throw new InfraError('not-found', `the package does not hold ${path}`, { subject: path })
  return content
}
