/** Debian from packages: mmdebstrap's tree on an ext4 disk, booted by its own kernel. Without root where the host allows it. */
import { InfraError } from '../../errors.ts'
import { howToInstall } from '../../hosts/install.ts'
import { consoleDropIn, identityScript, identityUnit, interfaces } from './debootstrap-guest.ts'
import { fileDigests } from './file-digests.ts'
import type { ImageSpec } from './image.ts'
import type { Made, Recipe } from './recipe.ts'

/** Part of the digest: another recipe is another image. */
export const debootstrapRecipe = '3'

type DebootstrapSpec = Extract<ImageSpec, { kind: 'debootstrap' }>

/** A file that goes into the guest. */
type GuestFile = { readonly target: string; readonly source: string; readonly mode: string }

/** Free space that a fresh system gets on top of what it holds. */
const spareMebibytes = 256

// dbus, because logind answers the power button only where there is one.
const basePackages = 'systemd-sysv dbus udev ifupdown udhcpc iproute2 initramfs-tools zstd'.split(' ')

const platforms: Readonly<Record<string, { readonly debian: string; readonly console: string }>> = {
  x86_64: { debian: 'amd64', console: 'ttyS0' },
  aarch64: { debian: 'arm64', console: 'ttyAMA0' },
}

export async function buildDebootstrap(spec: DebootstrapSpec, recipe: Recipe): Promise<Made> {
  const { host, directory, scratch, signal, progress } = recipe
  const { isRoot, architecture } = await host.facts({ signal })
  const platform = platforms[architecture]
  if (platform === undefined)
    throw new InfraError('unsupported', `debootstrap images are not made for ${architecture}`, {
      subject: architecture,
    })
  checkSpec(spec)
  await requireTools(recipe, isRoot)
  const packages = [
    spec.kernel ?? `linux-image-cloud-${spec.architecture ?? platform.debian}`,
    ...basePackages,
    ...spec.packages,
  ]
  const files = [...(await systemFiles(recipe)), ...(await userFiles(spec, recipe))]
  const tar = `${scratch}/root.tar`
  progress(`bootstrapping ${spec.suite} with ${packages.join(' ')}`)
  await must(recipe, `bootstrap ${spec.suite}`, [
    'mmdebstrap',
    `--mode=${isRoot ? 'root' : 'unshare'}`,
    `--variant=${spec.variant ?? 'minbase'}`,
    ...archiveOptions(spec),
    '--format=tar',
    `--include=${packages.join(',')}`,
    ...[...files.flatMap(uploadHooks), ...finishHooks].map((hook) => `--customize-hook=${hook}`),
    '--',
    spec.suite,
    tar,
    ...(spec.mirror === undefined ? [] : [spec.mirror]),
  ])
  progress('writing the disk')
  await must(recipe, 'make the disk', [...asRoot(isRoot), 'sh', '-euc', diskScript, 'sh', tar, scratch, directory])
  const disk = `${directory}/disk.raw`
  const size = await host.run(['stat', '-c', '%s', disk], { signal })
  return {
    kernel: `${directory}/vmlinuz`,
    initrd: `${directory}/initrd.img`,
    cmdline: `root=/dev/vda rw console=${platform.console} quiet net.ifnames=0`,
    disk: { path: disk, format: 'raw', sizeBytes: Number(size.stdout) },
  }
}

function archiveOptions({ components = [], keyring, architecture }: DebootstrapSpec): string[] {
  return [
    ...(components.length === 0 ? [] : [`--components=${components.join(',')}`]),
    ...(keyring === undefined ? [] : [`--keyring=${keyring}`]),
    ...(architecture === undefined ? [] : [`--architectures=${architecture}`]),
  ]
}

/** A user namespace in which this user is root and the users of the guest exist. */
const asRoot = (isRoot: boolean): string[] => (isRoot ? [] : ['unshare', '--map-root-user', '--map-auto'])

async function systemFiles({ host, scratch, signal }: Recipe): Promise<readonly GuestFile[]> {
  const contents = [
    { target: '/etc/systemd/system/baton-identity.service', mode: '644', content: identityUnit },
    { target: '/usr/local/sbin/baton-identity', mode: '755', content: identityScript },
    { target: '/etc/systemd/system/serial-getty@.service.d/baton.conf', mode: '644', content: consoleDropIn },
    { target: '/etc/network/interfaces', mode: '644', content: interfaces },
  ]
  return await Promise.all(
    contents.map(async ({ target, mode, content }) => {
      const source = `${scratch}/${target.slice(target.lastIndexOf('/') + 1)}`
      await host.writeFile(source, content, { signal })
      return { target, mode, source }
    }),
  )
}

async function userFiles(spec: DebootstrapSpec, { host, signal }: Recipe): Promise<readonly GuestFile[]> {
  const entries = Object.entries(spec.files)
  const sources = entries.map(([, source]) => source)
  const digests = await fileDigests(host, sources, signal)
  return entries.map(([target, source], index) => ({ target, source, mode: digests[index]?.mode ?? '644' }))
}

/** Directories are made from inside: a link in the tree must not lead a path out of it. */
function uploadHooks({ target, source, mode }: GuestFile): string[] {
  return [
    `chroot "$1" mkdir -p ${quote(target.replace(/[^/]*$/, ''))}`,
    `upload ${quote(source)} ${quote(target)}`,
    `chroot "$1" chmod ${mode} ${quote(target)}`,
  ]
}

const finishHooks = [
  'chroot "$1" systemctl enable baton-identity.service',
  // Each guest makes its own.
  'rm -f "$1"/var/lib/dbus/machine-id "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"',
]

/** $1 the tar, $2 scratch space, $3 where the image goes. The tree is measured, so that the disk fits it; /dev is the kernel's. */
const diskScript = `
mkdir "$2/tree"
tar -C "$2/tree" --exclude './dev/*' --numeric-owner --xattrs --xattrs-include='*' -xpf "$1"
rm -f "$1"
cp "$2"/tree/boot/vmlinuz-* "$3/vmlinuz"
cp "$2"/tree/boot/initrd.img-* "$3/initrd.img"
size=$(du -sm --apparent-size "$2/tree" | cut -f1)
truncate -s "$((size * 5 / 4 + ${spareMebibytes}))M" "$3/disk.raw"
mke2fs -q -t ext4 -L baton-root -d "$2/tree" "$3/disk.raw"
rm -rf "$2/tree"
`

/** The spec's words become arguments and paths of programs that run as root. */
function checkSpec(spec: DebootstrapSpec): void {
  const { suite, files, kernel = [], components = [], architecture = [] } = spec
  const packages = [spec.packages, kernel, components, architecture].flat()
  const invalid = (what: string, subject: string): InfraError =>
    new InfraError('invalid', `${what}: ${subject}`, { subject })
  if (!/^[a-z0-9][a-z0-9.+/-]*$/.test(suite)) throw invalid('not a suite of Debian', suite)
  for (const name of packages) if (!/^[a-z0-9][a-z0-9.+:-]+$/.test(name)) throw invalid('not a package of Debian', name)
  for (const target of Object.keys(files))
    if (!/^\/[^\n]*[^/\n]$/.test(target) || target.split('/').includes('..'))
      throw invalid('not an absolute path of a file in the image', target)
}

async function requireTools({ host, signal }: Recipe, isRoot: boolean): Promise<void> {
  const tools = isRoot ? ['mmdebstrap', 'mke2fs'] : ['mmdebstrap', 'mke2fs', 'unshare', 'newuidmap']
  const script = 'PATH=$PATH:/sbin:/usr/sbin; for tool; do command -v "$tool" > /dev/null || echo "$tool"; done'
  const missing = (await host.run(['sh', '-c', script, 'sh', ...tools], { signal })).stdout.split('\n').filter(Boolean)
  if (missing.length > 0)
    throw new InfraError('missing-tool', `a debootstrap image needs ${missing.join(' and ')}`, {
      subject: missing[0] ?? 'mmdebstrap',
      hint: await howToInstall(host, isRoot ? 'mmdebstrap' : 'mmdebstrap-as-user', { signal }),
    })
  if (isRoot) return
  const namespace = await host.run([...asRoot(isRoot), 'true'], { signal })
  if (namespace.code !== 0)
    throw new InfraError('permission', `a debootstrap image needs user ids of its own: ${namespace.stderr.trim()}`, {
      subject: 'unshare',
      hint: 'run as root once: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER, or build as root',
    })
}

/** The lines of mmdebstrap that say how far it is. */
const stages = /^(running apt-get update|downloading|extracting|installing|creating)/

async function must({ host, signal, progress }: Recipe, what: string, command: readonly string[]): Promise<void> {
  // An ordinary user's PATH has no sbin, where mke2fs is.
  const result = await host.run(['sh', '-c', 'PATH=$PATH:/usr/sbin:/sbin; exec "$@"', 'sh', ...command], {
    signal,
    environment: { LC_ALL: 'C' },
    onStderr: (text) => {
      for (const [, line = ''] of text.matchAll(/^I: (.*)$/gm)) if (stages.test(line)) progress(line)
    },
  })
  if (result.code === 0) return
  const lines = result.stderr.split('\n').filter((line) => /^(E:|Err:|mke2fs|tar|cp|unshare)/.test(line))
  const reason = lines.length === 0 ? result.stderr.trim().slice(-400) : lines.slice(0, 3).join('; ')
  const noSpace = /No space left|Could not allocate block/.test(result.stderr)
  const noArchive = /Temporary failure resolving|Could not connect|Failed to fetch|Unable to locate/.test(result.stderr)
  throw new InfraError(noSpace ? 'no-space' : noArchive ? 'unreachable' : 'failed', `${what}: ${reason}`, {
    subject: what,
    retryable: noArchive,
  })
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
