/** The Xen lab's machine: Debian's Xen 4.17, its kernel as Dom0, and a Debian with the toolstack on a disk. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { fileEntry, listTree, moduleEntries, skeletonEntries, textEntry } from '../../src/guests/images/initramfs.ts'
import type { Host } from '../../src/hosts/host.ts'
import { encodeArchive } from '../../src/wire/newc.ts'
import { type BuildPlace, builtOnce } from '../images/once.ts'
import { dom0Files, dom0Init, ramdiskInit } from './dom0-init.ts'

export type XenImage = {
  /** The hypervisor, a plain ELF file as QEMU's -kernel takes it. */
  readonly xen: string
  readonly kernel: string
  readonly ramdisk: string
  readonly disk: string
}

const suite = 'bookworm'
/** What Debian counts as essential, and so names nowhere, as far as scripts here need it; then Xen's and LVM's. */
const packages = [
  ...'base-files base-passwd bash bsdutils coreutils dash debianutils diffutils dpkg findutils grep gzip hostname mawk'.split(
    ' ',
  ),
  ...'mount perl-base sed sysvinit-utils tar util-linux'.split(' '),
  ...'linux-image-amd64 xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils busybox-static kmod'.split(' '),
  ...'iproute2 bridge-utils lvm2 thin-provisioning-tools e2fsprogs procps qemu-utils socat openssh-client ncurses-base'.split(
    ' ',
  ),
]
/** Documents and translations make a third of it, and nobody reads them here. */
const leftOut = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/doc/*']
const folders = 'bin dev lib lib/modules machine proc'.split(' ')
const applets = 'sh mount umount cat echo insmod switch_root'.split(' ')
const modules = 'virtio_pci virtio_blk ext4 crc32c_generic'.split(' ')
const spareMebibytes = 1024

/** Two minutes the first time. */
export async function xenImage(host: Host, signal: AbortSignal): Promise<XenImage> {
  const agent = await readFile(join(import.meta.dirname, 'agent.pl'), 'utf8')
  return filesIn(await builtOnce({ host, signal }, 'xen', [recipe, agent], (place) => build(place, agent)))
}

const filesIn = (directory: string): XenImage => ({
  xen: `${directory}/xen`,
  kernel: `${directory}/vmlinuz`,
  ramdisk: `${directory}/ramdisk.gz`,
  disk: `${directory}/disk.raw`,
})

async function build({ host, directory, scratch, signal }: BuildPlace, agent: string): Promise<void> {
  const tree = `${scratch}/tree`
  const files = { host, signal }
  const must = async (...command: readonly string[]): Promise<void> => {
    const { code, stderr } = await host.run(command, { signal, environment: { LC_ALL: 'C' } })
    if (code !== 0) throw new Error(`${command[0]}: ${stderr.slice(-2000)}`)
  }
  await host.makeDirectory(tree, { signal })
  // Unpacked only: without maintainer scripts it takes a fraction of the time, and Dom0 has an init of its own.
  await must(
    ...['mmdebstrap', '--mode=root', '--variant=extract', '--format=tar', `--include=${packages.join(',')}`],
    ...[
      '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
      ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    ],
    ...['--aptopt=Apt::Install-Recommends "false"', '--', suite, `${scratch}/root.tar`],
  )
  await must('tar', '-C', tree, '--exclude', './dev/*', '--numeric-owner', '-xpf', `${scratch}/root.tar`)
  await must('sh', '-euc', finish, 'sh', tree)
  for (const [path, text] of Object.entries(dom0Files)) await host.writeFile(`${tree}/${path}`, text, { signal })
  await host.writeFile(`${tree}/sbin/lab-init`, dom0Init, { signal, mode: 0o755 })
  await host.writeFile(`${tree}/agent.pl`, agent, { signal })
  await must('mkdir', '-p', `${tree}/var/log/xen/console`, `${tree}/etc/xen/auto`, `${tree}/srv/guests`)
  const { xen, kernel, ramdisk, disk } = filesIn(directory)
  await must(
    'sh',
    '-euc',
    'cp "$1"/boot/vmlinuz-* "$2"; gunzip -c "$1"/boot/xen-4.17-amd64.gz > "$3"',
    'sh',
    tree,
    kernel,
    xen,
  )
  const archive = encodeArchive([
    ...skeletonEntries(folders, applets),
    textEntry('init', 0o755, ramdiskInit),
    await fileEntry(files, (await listTree(files, tree))(/\/s?bin\/busybox$/), 'bin/busybox', 0o755),
    ...(await moduleEntries(files, tree, modules)),
  ])
  await host.writeFile(ramdisk, await promisify(gzip)(archive), { signal })
  await must('sh', '-euc', makeDisk, 'sh', tree, disk, String(spareMebibytes))
}

/** What maintainer scripts would have made: users, awk, and which module needs which. */
const finish = `
cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
ln -sf mawk "$1/usr/bin/awk"
for modules in "$1"/lib/modules/*; do chroot "$1" depmod "\${modules##*/}"; done
`

const makeDisk = `
rm -rf "$1"/var/cache/apt/archives/*.deb
size=$(du -sm --apparent-size "$1" | cut -f1)
truncate -s "$((size * 5 / 4 + $3))M" "$2"
mke2fs -q -t ext4 -L dom0 -d "$1" "$2"
`

const recipe = [
  suite,
  packages,
  leftOut,
  folders,
  applets,
  modules,
  spareMebibytes,
  finish,
  makeDisk,
  ramdiskInit,
  dom0Init,
  dom0Files,
]
