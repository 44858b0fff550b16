/** A plain Debian on a disk with GRUB, as an installer leaves it: systemd, sshd, apt, and who sets up its network is chosen at boot. */
import type { Host } from '../../src/hosts/host.ts'
import { type BuildPlace, builtOnce } from '../images/once.ts'
import { firstBoot, firstBootUnit, networkFiles } from './first-boot.ts'

export type MachineImage = { readonly disk: string }

/** Debian 12, and Debian 13. */
export type Suite = 'bookworm' | 'trixie'

/** What `iface … inet dhcp` of ifupdown runs. */
const dhcpClient = { bookworm: 'isc-dhcp-client', trixie: 'dhcpcd-base' }
/** The full kernel: the cloud kernel of Debian cannot be Dom0. */
const packages = [
  ...'linux-image-amd64 initramfs-tools zstd systemd-sysv init-system-helpers dbus udev kmod apt ca-certificates procps less'.split(
    ' ',
  ),
  ...'iproute2 iputils-ping ifupdown netplan.io network-manager openssh-server'.split(' '),
  ...'grub-pc grub-common grub2-common lvm2 e2fsprogs util-linux sudo debianutils'.split(' '),
]
const leftOut = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/doc/*', '/usr/share/info/*']
const diskMebibytes = 6144
/** What the image's own initial ramdisk needs to find its disk, under Linux and under Xen. */
const ramdiskModules = 'virtio_pci virtio_blk virtio_net ext4'

/** Some two minutes the first time. */
export async function machineImage(host: Host, suite: Suite, signal: AbortSignal): Promise<MachineImage> {
  const directory = await builtOnce({ host, signal }, `machine-${suite}`, [suite, ...recipe], (place) =>
    build(suite, place),
  )
  return { disk: `${directory}/disk.raw` }
}

async function build(suite: Suite, { host, directory, scratch, signal }: BuildPlace): Promise<void> {
  const must = async (...command: readonly string[]): Promise<void> => {
    const { code, stderr } = await host.run(command, { signal, environment: { LC_ALL: 'C' } })
    if (code !== 0) throw new Error(`${command[0]}: ${stderr.slice(-3000)}`)
  }
  const files: Readonly<Record<string, string>> = {
    'early/etc/initramfs-tools/conf.d/lab': 'MODULES=list\nCOMPRESS=zstd\n',
    'early/usr/share/initramfs-tools/modules.d/lab': `${ramdiskModules.replaceAll(' ', '\n')}\n`,
    'etc/default/grub.d/serial.cfg': grubDefaults,
    'etc/fstab': '/dev/vda1 / ext4 errors=remount-ro 0 1\n',
    'etc/hostname': 'plain\n',
    'etc/hosts': '127.0.0.1 localhost\n127.0.1.1 plain\n',
    'etc/resolv.conf': 'nameserver 10.0.2.3\n',
    'etc/ssh/sshd_config.d/lab.conf': 'PermitRootLogin prohibit-password\nUseDNS no\n',
    'etc/systemd/system/first-boot.service': firstBootUnit,
    'usr/local/sbin/first-boot': firstBoot,
    'boot/grub/grub.cfg': firstMenu,
    ...Object.fromEntries(Object.entries(networkFiles).map(([path, text]) => [`usr/share/networks/${path}`, text])),
  }
  for (const [path, text] of Object.entries(files))
    await host.writeFile(`${scratch}/files/${path}`, text, { signal, mode: path.includes('/sbin/') ? 0o755 : 0o644 })
  await must(
    ...[
      'mmdebstrap',
      '--mode=root',
      '--variant=minbase',
      '--format=tar',
      `--include=${[...packages, dhcpClient[suite]].join(',')}`,
    ],
    ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...['--aptopt=Apt::Install-Recommends "false"', '--dpkgopt=force-unsafe-io'],
    // Before the kernel is configured, so that its ramdisk is made by these words.
    `--essential-hook=copy-in ${scratch}/files/early/etc ${scratch}/files/early/usr /`,
    ...[`--customize-hook=copy-in ${scratch}/files/etc ${scratch}/files/usr ${scratch}/files/boot /`],
    `--customize-hook=${finish}`,
    ...['--', suite, `${scratch}/root.tar`],
  )
  await must('sh', '-euc', makeDisk, 'sh', scratch, `${directory}/disk.raw`, String(diskMebibytes))
}

const grubDefaults = `GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX_DEFAULT="quiet"
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0 mitigations=off norandmaps"
GRUB_CMDLINE_LINUX_XEN_REPLACE="console=hvc0 mitigations=off norandmaps"
GRUB_CMDLINE_XEN="console=com1 com1=115200,8n1 noreboot"
GRUB_TERMINAL="serial console"
GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
`

/** Until update-grub is run in the machine itself, which knows its disk. */
const firstMenu = `serial --unit=0 --speed=115200
terminal_output serial
linux (hd0,msdos1)/vmlinuz root=/dev/vda1 ro quiet console=ttyS0 mitigations=off norandmaps
initrd (hd0,msdos1)/initrd.img
boot
`

const finish = `set -e
chroot "$1" systemctl enable first-boot.service ssh.service
chroot "$1" systemctl disable NetworkManager.service NetworkManager-wait-online.service systemd-networkd.service
chroot "$1" systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer
rm -f "$1"/etc/ssh/ssh_host_* "$1"/var/lib/dbus/machine-id; : > "$1/etc/machine-id"
(cd "$1"; mkdir -p boot/grub/i386-pc root/.ssh)
cp "$1"/usr/lib/grub/i386-pc/*.mod "$1"/usr/lib/grub/i386-pc/*.lst "$1/boot/grub/i386-pc/"
chroot "$1" grub-mkimage -O i386-pc -o /boot/core.img -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2`

/**
 * $1 scratch space, $2 the disk, $3 its size in MiB. No loop device is needed: GRUB's first sector and its core lie before
 * the one partition, where grub-install would have put them.
 */
const makeDisk = `
mkdir "$1/tree"
tar -C "$1/tree" --exclude './dev/*' --numeric-owner --xattrs --xattrs-include='*' -xpf "$1/root.tar"
rm -f "$1/root.tar"
truncate -s "$3M" "$2"
mv "$1/tree/boot/core.img" "$1/core.img"
head -c 440 "$1/tree/usr/lib/grub/i386-pc/boot.img" | dd of="$2" conv=notrunc status=none
dd if="$1/core.img" of="$2" bs=512 seek=1 conv=notrunc status=none
# One bootable partition of Linux from 1 MiB to the end; the sizes are in sectors.
sectors=$(( ($3 - 1) * 2048 ))
le32() { for shift in 0 8 16 24; do printf "\\\\$(printf %03o $(( ($1 >> shift) & 255 )))"; done; }
{ printf '\\200\\000\\000\\000\\203\\000\\000\\000'; le32 2048; le32 "$sectors"; } | dd of="$2" bs=1 seek=446 conv=notrunc status=none
printf '\\125\\252' | dd of="$2" bs=1 seek=510 conv=notrunc status=none
mke2fs -q -t ext4 -L plain -E offset=1048576 -d "$1/tree" "$2" "$(( ($3 - 1) * 1024 ))k"
rm -rf "$1/tree"
`

const recipe = [
  ...[packages, dhcpClient, leftOut, diskMebibytes, ramdiskModules, grubDefaults, firstMenu, finish, makeDisk],
  ...[firstBoot, firstBootUnit, networkFiles],
]
