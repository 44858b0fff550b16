/** The built-in image `tiny`: Debian's cloud kernel and a busybox initramfs of a megabyte or so. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { InfraError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { type ArchiveEntry, encodeArchive } from '../../wire/newc.ts'
import { aptOptions, resolveMetapackage, unpackPackages } from './debian-packages.ts'
import type { BuiltImage } from './image.ts'
import { loadOrder, moduleDependencies, moduleName } from './kernel-modules.ts'
import { init, leaseScript } from './tiny-init.ts'

/** Part of the digest: another recipe is another image. */
export const tinyRecipe = '1'

const debianArchitectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' }

/** What a guest on virtio hardware needs; the rest is built into the cloud kernel. */
const wantedModules = [
  'virtio_pci', 'virtio_mmio', 'virtio_net', 'virtio_blk', 'virtio_console', 'virtio_rng', 'virtio_balloon', 'evdev', 'button',
] // biome-ignore format: a list to read at a glance

export type Recipe = {
  readonly host: Host
  /** The empty directory that becomes the image. */
  readonly directory: string
  /** Scratch space beside it, removed afterwards. */
  readonly scratch: string
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
}

/** @returns the image with paths inside `directory`. */
export async function buildTiny({
  host,
  directory,
  scratch,
  signal,
  progress,
}: Recipe): Promise<Omit<BuiltImage, 'digest'>> {
  const { architecture } = await host.facts({ signal })
  const debian = debianArchitectures[architecture]
  if (debian === undefined)
    throw new InfraError('unsupported', `image tiny is not made for ${architecture}`, {
      subject: 'tiny',
      hint: 'give the image a kernel and an initrd of your own',
    })
  const metapackage = `linux-image-cloud-${debian}`
  const fetch = { host, signal, directory: scratch }
  progress('asking apt for the current cloud kernel')
  const apt = await aptOptions(fetch, metapackage).catch((error: unknown) => {
    throw notDebian(error)
  })
  const kernelPackage = await resolveMetapackage(fetch, apt, metapackage)
  progress(`fetching ${kernelPackage} and busybox-static`)
  const tree = `${scratch}/tree`
  await unpackPackages(fetch, apt, [kernelPackage, 'busybox-static'], tree)
  const version = kernelPackage.replace('linux-image-', '')
  progress('packing the initramfs')
  const entries = [
    ...skeleton(await needFile(host, `${tree}/bin/busybox`, signal)),
    ...(await modules(host, `${tree}/lib/modules/${version}`, signal)),
  ]
  await host.writeFile(`${directory}/initrd.gz`, await promisify(gzip)(encodeArchive(entries), { level: 9 }), {
    signal,
  })
  await host.rename(`${tree}/boot/vmlinuz-${version}`, `${directory}/vmlinuz`, { signal })
  return {
    kernel: `${directory}/vmlinuz`,
    initrd: `${directory}/initrd.gz`,
    cmdline: 'console=ttyS0 quiet panic=-1 net.ifnames=0',
  }
}

function skeleton(busybox: Uint8Array): ArchiveEntry[] {
  const text = (path: string, content: string, mode = 0o755): ArchiveEntry => ({
    kind: 'file',
    path,
    mode,
    content: new TextEncoder().encode(content),
  })
  const folders = ['bin', 'dev', 'etc', 'lib', 'lib/modules', 'proc', 'root', 'run', 'sys', 'tmp', 'www']
  // The applets that init and a person at the console use; busybox itself knows the others.
  const applets =
    'sh mount umount mkdir cat echo insmod ip ifconfig hostname udhcpc httpd awk cut dd kill sleep sync poweroff reboot setsid ls ps top free wget vi uname dmesg df ping'.split(
      ' ',
    )
  return [
    ...folders.map((path): ArchiveEntry => ({ kind: 'directory', path, mode: 0o755 })),
    { kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'character', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, content: busybox },
    ...applets.map((applet): ArchiveEntry => ({ kind: 'symlink', path: `bin/${applet}`, target: 'busybox' })),
    text('init', init),
    text('lease', leaseScript),
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n', 0o644),
  ]
}

async function modules(host: Host, tree: string, signal: AbortSignal): Promise<ArchiveEntry[]> {
  const listing = await host.run(['find', tree, '-name', '*.ko'], { signal })
  const paths = new Map(listing.stdout.split('\n').map((path) => [moduleName(path.split('/').at(-1) ?? ''), path]))
  const contents = new Map<string, Uint8Array>()
  const dependencies = new Map<string, string[]>()
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(name)
    if (path === undefined || dependencies.has(name)) return // built in, or seen
    const content = await needFile(host, path, signal)
    contents.set(name, content)
    const needed = moduleDependencies(content)
    dependencies.set(name, needed)
    for (const other of needed) await visit(other)
  }
  for (const name of wantedModules) await visit(name)
  const order = loadOrder(wantedModules, dependencies).filter((name) => contents.has(name))
  return [
    ...order.map(
      (name): ArchiveEntry => ({
        kind: 'file',
        path: `lib/modules/${name}.ko`,
        mode: 0o644,
        content: contents.get(name) ?? new Uint8Array(),
      }),
    ),
    {
      kind: 'file',
      path: 'lib/modules/order',
      mode: 0o644,
      content: new TextEncoder().encode(`${order.join('\n')}\n`),
    },
  ]
}

async function needFile(host: Host, path: string, signal: AbortSignal): Promise<Uint8Array> {
  const content = await host.readFile(path, { signal })
  if (content === undefined) throw new InfraError('not-found', `the package does not hold ${path}`, { subject: path })
  return content
}

function notDebian(error: unknown): unknown {
  return error instanceof InfraError && error.code === 'missing-tool'
    ? new InfraError('missing-tool', 'image tiny is built from Debian packages, and this host has no apt', {
        subject: 'tiny',
        cause: error,
        hint: 'give the image a kernel and an initrd of your own',
      })
    : error
}
