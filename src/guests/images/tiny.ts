/** The built-in image `tiny`: Debian's cloud kernel and an initramfs of a few megabytes with busybox and a web server. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { InfraError, isInfraError } from '../../errors.ts'
import { type ArchiveEntry, encodeArchive } from '../../wire/newc.ts'
import { dependenciesOf, ownKernelHint, resolveKernel, unpackPackages, withApt } from './debian-packages.ts'
import { loadOrder, moduleDependencies, moduleName } from './kernel-modules.ts'
import type { Made, Recipe } from './recipe.ts'
import { init, leaseScript, webServerConfig } from './tiny-init.ts'

/** Part of the digest: another recipe is another image. */
export const tinyRecipe = '2'

type Platform = {
  readonly debian: string
  readonly libraries: string
  readonly loader: string
  readonly console: string
}

const platforms: Readonly<Record<string, Platform>> = {
  x86_64: { debian: 'amd64', libraries: 'x86_64-linux-gnu', loader: 'lib64/ld-linux-x86-64.so.2', console: 'ttyS0' },
  aarch64: { debian: 'arm64', libraries: 'aarch64-linux-gnu', loader: 'lib/ld-linux-aarch64.so.1', console: 'ttyAMA0' },
}

/** What a guest on virtio hardware needs; the rest is built into the cloud kernel. */
const wantedModules =
  'virtio_pci virtio_mmio virtio_net virtio_blk virtio_console virtio_rng virtio_balloon evdev button'.split(' ')

/** What init and a person at the console call by name; `busybox NAME` knows the others. */
const applets =
  'sh mount umount mkdir cat echo insmod lsmod ip ifconfig hostname udhcpc cut tail dd kill sleep sync poweroff reboot halt setsid ls ps top free wget vi uname dmesg df ping nc grep less date uptime'.split(
    ' ',
  )

export async function buildTiny(recipe: Recipe): Promise<Made> {
  const { host, directory, scratch, signal, progress } = recipe
  const platform = await platformOf(recipe)
  const tree = `${scratch}/tree`
  progress('asking apt for the current cloud kernel')
  await withApt({ host, signal, directory: scratch }, progress, async (apt) => {
    const kernel = await resolveKernel(apt, `linux-image-cloud-${platform.debian}`)
    const libraries = (await dependenciesOf(apt, 'lighttpd')).filter((name) => name.startsWith('lib'))
    progress(`fetching ${kernel}, busybox-static and lighttpd`)
    await unpackPackages(apt, [kernel, 'busybox-static', 'lighttpd', ...libraries], tree)
  }).catch((error: unknown) => {
    throw isInfraError(error, 'missing-tool') ? notDebian(error) : error
  })
  progress('packing the initramfs')
  const unpacked = await listTree(recipe, tree)
  const entries = [
    ...skeleton(),
    await fileEntry(recipe, unpacked(/\/s?bin\/busybox$/), 'bin/busybox', 0o755),
    ...(await webServer(recipe, platform, tree, unpacked(/\/sbin\/lighttpd$/))),
    ...(await modules(recipe, tree)),
  ]
  const archive = await promisify(gzip)(encodeArchive(entries), { level: 9 })
  await host.writeFile(`${directory}/initrd.gz`, archive, { signal })
  await host.rename(unpacked(/\/boot\/vmlinuz-[^/]*$/), `${directory}/vmlinuz`, { signal })
  return {
    kernel: `${directory}/vmlinuz`,
    initrd: `${directory}/initrd.gz`,
    cmdline: `console=${platform.console} quiet panic=-1 net.ifnames=0`,
  }
}

async function platformOf({ host, signal }: Recipe): Promise<Platform> {
  const { architecture } = await host.facts({ signal })
  const platform = platforms[architecture]
  if (platform !== undefined) return platform
  throw new InfraError('unsupported', `image tiny is not made for ${architecture}`, {
    subject: 'tiny',
    hint: ownKernelHint,
  })
}

function skeleton(): ArchiveEntry[] {
  const folders = 'bin dev etc lib lib64 lib/modules proc root run sys tmp www'.split(' ')
  return [
    ...folders.map((path): ArchiveEntry => ({ kind: 'directory', path, mode: 0o755 })),
    { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'character', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    ...applets.map((applet): ArchiveEntry => ({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
    textEntry('init', 0o755, init),
    textEntry('lease', 0o755, leaseScript),
    textEntry('etc/lighttpd.conf', 0o644, webServerConfig),
    textEntry('etc/passwd', 0o644, 'root:x:0:0:root:/root:/bin/sh\n'),
    textEntry('etc/group', 0o644, 'root:x:0:\n'),
  ]
}

/** The server with the shared libraries that the loader names for it. */
async function webServer(recipe: Recipe, platform: Platform, tree: string, program: string): Promise<ArchiveEntry[]> {
  const { host, signal } = recipe
  const { libraries, loader } = platform
  const places = ['lib', 'usr/lib'].map((folder) => `${tree}/${folder}/${libraries}`)
  const loaderFile = `${places[0]}/${loader.split('/').at(-1)}`
  const listed = await host.run([loaderFile, '--library-path', places.join(':'), '--list', program], {
    signal,
    environment: { LD_PRELOAD: '', LD_LIBRARY_PATH: '' },
  })
  const needed = [...listed.stdout.matchAll(/^\s*(\S+) => (\S+)/gm)].filter(([, name]) => !name?.includes('/'))
  const foreign = needed.find(([, , path]) => !path?.startsWith(`${tree}/`))
  if (listed.code !== 0 || foreign !== undefined || needed.length === 0)
    throw new InfraError('failed', `find the libraries of lighttpd: ${listed.stderr.trim()}${foreign?.[0] ?? ''}`, {
      subject: 'lighttpd',
    })
  return await Promise.all([
    fileEntry(recipe, loaderFile, loader, 0o755),
    fileEntry(recipe, program, 'bin/lighttpd', 0o755),
    ...needed.map(([, name, path = '']) => fileEntry(recipe, path, `lib/${name}`, 0o755)),
  ])
}

/** The wanted modules and all they need, with a file that says in which order to load them. */
async function modules(recipe: Recipe, tree: string): Promise<ArchiveEntry[]> {
  const { host, signal } = recipe
  const listing = await host.run(['find', tree, '-path', '*/modules/*', '-name', '*.ko*'], { signal })
  const paths = new Map(listing.stdout.split('\n').map((path) => [moduleName(path.split('/').at(-1) ?? ''), path]))
  const contents = new Map<string, Uint8Array>()
  const dependencies = new Map<string, string[]>()
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(name)
    if (path === undefined || dependencies.has(name)) return // built in, or seen
    const content = await needFile(recipe, await plainModule(recipe, path))
    contents.set(name, content)
    const needed = moduleDependencies(content)
    dependencies.set(name, needed)
    for (const other of needed) await visit(other)
  }
  for (const name of wantedModules) await visit(name)
  const order = loadOrder(wantedModules, dependencies).filter((name) => contents.has(name))
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
async function plainModule({ host, signal }: Recipe, path: string): Promise<string> {
  const suffix = /\.(xz|zst|gz)$/.exec(path)?.[0]
  if (suffix === undefined) return path
  const tool = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }[suffix] ?? 'xz'
  const result = await host.run([tool, '-d', '-f', '-q', path], { signal })
  if (result.code !== 0) throw new InfraError('failed', `${tool} ${path}: ${result.stderr.trim()}`, { subject: path })
  return path.slice(0, -suffix.length)
}

/** Finds one file of the unpacked packages by its path, which differs a little between Debian's releases. */
async function listTree({ host, signal }: Recipe, tree: string): Promise<(pattern: RegExp) => string> {
  const listing = await host.run(['find', tree, '-type', 'f', '-not', '-path', '*/modules/*'], { signal })
  const paths = listing.stdout.split('\n')
  return (pattern) => {
    const path = paths.find((candidate) => pattern.test(candidate))
    if (path !== undefined) return path
    throw new InfraError('not-found', `the packages hold no ${pattern.source}`, { subject: pattern.source })
  }
}

async function fileEntry(recipe: Recipe, from: string, path: string, mode: number): Promise<ArchiveEntry> {
  return { kind: 'file', path, mode, content: await needFile(recipe, from) }
}

function textEntry(path: string, mode: number, text: string): ArchiveEntry {
  return { kind: 'file', path, mode, content: new TextEncoder().encode(text) }
}

async function needFile({ host, signal }: Recipe, path: string): Promise<Uint8Array> {
  const content = await host.readFile(path, { signal })
  if (content === undefined) throw new InfraError('not-found', `the package does not hold ${path}`, { subject: path })
  return content
}

function notDebian(error: InfraError): InfraError {
  return new InfraError('missing-tool', `image tiny is built from Debian packages: ${error.message}`, {
    subject: error.subject,
    cause: error,
    hint: `on Debian install ${error.subject}; on another distribution ${ownKernelHint}`,
  })
}
