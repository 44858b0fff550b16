/** Debian from packages: mmdebstrap's tree on an ext4 disk, booted by its own kernel. Without root where the host allows it. */
import { InfraError } from '../../errors.ts'
import type { BuiltImage, ImageSpec } from './image.ts'
import type { Recipe } from './recipe.ts'

/** Part of the digest: another recipe is another image. */
export const debootstrapRecipe = '1'

type DebootstrapSpec = Extract<ImageSpec, { kind: 'debootstrap' }>

/** Free space that a fresh system gets on top of what it holds. */
const spareMebibytes = 256

const basePackages = ['systemd-sysv', 'udev', 'ifupdown', 'isc-dhcp-client', 'iproute2', 'initramfs-tools', 'zstd']

export async function buildDebootstrap(spec: DebootstrapSpec, recipe: Recipe): Promise<Omit<BuiltImage, 'digest'>> {
  const { host, directory, scratch, signal, progress } = recipe
  const { isRoot, architecture } = await host.facts({ signal })
  await requireTools(recipe, isRoot)
  const kernel = `linux-image-cloud-${architecture === 'aarch64' ? 'arm64' : 'amd64'}`
  const tar = `${scratch}/root.tar`
  await host.writeFile(`${scratch}/identity.service`, identityUnit, { signal })
  await host.writeFile(`${scratch}/identity`, identityScript, { signal, mode: 0o755 })
  await host.writeFile(`${scratch}/interfaces`, 'auto lo eth0\niface lo inet loopback\niface eth0 inet dhcp\n', {
    signal,
  })
  progress(`bootstrapping ${spec.suite} with ${[kernel, ...spec.packages].join(' ')}`)
  await must(recipe, 'mmdebstrap', [
    'mmdebstrap',
    `--mode=${isRoot ? 'root' : 'unshare'}`,
    '--variant=minbase',
    '--format=tar',
    `--include=${[kernel, ...basePackages, ...spec.packages].join(',')}`,
    ...hooks(spec, scratch).map((hook) => `--customize-hook=${hook}`),
    spec.suite,
    tar,
    ...(spec.mirror === undefined ? [] : [spec.mirror]),
  ])
  progress('writing the disk')
  const asRoot = isRoot ? [] : ['unshare', '--map-root-user', '--map-auto']
  await must(recipe, 'make the disk', [...asRoot, 'sh', '-euc', diskScript, 'sh', tar, scratch, directory])
  await host.remove(tar, { signal })
  const size = await host.run(['stat', '-c', '%s', `${directory}/disk.raw`], { signal })
  return {
    kernel: `${directory}/vmlinuz`,
    initrd: `${directory}/initrd.img`,
    cmdline: 'root=/dev/vda rw console=ttyS0 quiet net.ifnames=0',
    disk: { path: `${directory}/disk.raw`, format: 'raw', sizeBytes: Number(size.stdout) },
  }
}

function hooks(spec: DebootstrapSpec, scratch: string): string[] {
  const upload = (from: string, to: string): string => `upload ${quote(from)} ${quote(to)}`
  return [
    upload(`${scratch}/identity.service`, '/etc/systemd/system/baton-identity.service'),
    upload(`${scratch}/identity`, '/usr/local/sbin/baton-identity'),
    upload(`${scratch}/interfaces`, '/etc/network/interfaces'),
    'chmod 755 "$1/usr/local/sbin/baton-identity"',
    'chroot "$1" systemctl enable baton-identity.service serial-getty@ttyS0.service',
    ...Object.entries(spec.files).flatMap(([target, source]) => [
      `mkdir -p "$1"/${quote(target.replace(/[^/]*$/, ''))}`,
      upload(source, target),
    ]),
    // Each guest makes its own.
    'rm -f "$1"/etc/machine-id "$1"/var/lib/dbus/machine-id "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"',
  ]
}

/** $1 the tar, $2 scratch space, $3 where the image goes. The tree is measured, so that the disk fits it. */
const diskScript = `
mkdir "$2/root"
tar -C "$2/root" --numeric-owner -xf "$1"
cp "$2"/root/boot/vmlinuz-* "$3/vmlinuz"
cp "$2"/root/boot/initrd.img-* "$3/initrd.img"
size=$(du -sm --apparent-size "$2/root" | cut -f1)
truncate -s "$((size * 5 / 4 + ${spareMebibytes}))M" "$3/disk.raw"
mke2fs -q -t ext4 -L baton-root -d "$2/root" "$3/disk.raw"
rm -rf "$2/root"
`

/** The guest takes its name and a fixed address from the kernel's command line, before the network comes up. */
const identityUnit = `[Unit]
Description=Take the name and address that the host gave
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target networking.service sysinit.target
Wants=network-pre.target

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/baton-identity

[Install]
WantedBy=sysinit.target
`

const identityScript = `#!/bin/sh
for word in $(cat /proc/cmdline); do
  case "$word" in
    baton.name=*)
      echo "\${word#*=}" > /etc/hostname
      hostname "\${word#*=}"
      grep -q "127.0.1.1" /etc/hosts || echo "127.0.1.1 \${word#*=}" >> /etc/hosts ;;
    ip=*:*)
      IFS=: read -r address _ gateway netmask _ <<EOF
\${word#*=}
EOF
      { printf 'auto lo eth0\\niface lo inet loopback\\niface eth0 inet static\\n  address %s\\n  netmask %s\\n' "$address" "$netmask"
        [ -z "$gateway" ] || echo "  gateway $gateway"; } > /etc/network/interfaces ;;
  esac
done
`

async function requireTools({ host, signal }: Recipe, isRoot: boolean): Promise<void> {
  const tools = isRoot ? ['mmdebstrap', 'mke2fs'] : ['mmdebstrap', 'mke2fs', 'unshare', 'newuidmap']
  const asked = await Promise.all(
    tools.map(async (tool) => ({
      tool,
      there: (await host.run(['sh', '-c', `command -v ${tool}`], { signal })).code === 0,
    })),
  )
  const missing = asked.filter(({ there }) => !there).map(({ tool }) => tool)
  if (missing.length > 0)
    throw new InfraError('missing-tool', `a debootstrap image needs ${missing.join(' and ')}`, {
      subject: missing[0] ?? 'mmdebstrap',
      hint: `apt-get install mmdebstrap e2fsprogs${isRoot ? '' : ' uidmap util-linux'}`,
    })
}

async function must({ host, signal, progress }: Recipe, what: string, command: readonly string[]): Promise<void> {
  const result = await host.run(command, {
    signal,
    environment: { LC_ALL: 'C' },
    onStderr: (text) => {
      const line = /^I: (.*)$/m.exec(text)?.[1]
      if (line !== undefined) progress(line)
    },
  })
  if (result.code === 0) return
  const reason = result.stderr
    .split('\n')
    .filter((line) => /^(E:|mke2fs|tar|cp|unshare)/.test(line))
    .slice(0, 3)
    .join('; ')
  throw new InfraError('failed', `${what}: ${reason === '' ? result.stderr.trim().slice(-400) : reason}`, {
    subject: what,
  })
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
