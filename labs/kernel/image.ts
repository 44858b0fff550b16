/** Debian's cloud kernel, 6.1 on Debian 12, with an initramfs that goes over to this machine's own files. */
import { resolveKernel, unpackPackages, withApt } from '../../src/guests/images/debian-packages.ts'
import {
  fileEntry,
  listTree,
  moduleEntries,
  packKernelAndInitramfs,
  platformOf,
  skeletonEntries,
  textEntry,
} from '../../src/guests/images/initramfs.ts'
import type { Host } from '../../src/hosts/host.ts'
import { type BuildPlace, builtOnce } from '../images/once.ts'

export type KernelImage = { readonly kernel: string; readonly initrd: string }

/** What carries the files, commands and packets; what the eBPF engine and its labs need; and IPVS, the peer in labs and benchmarks. */
const modules = [
  ...'virtio_pci fuse virtiofs overlay virtio_console virtio_net'.split(' '),
  ...'veth dummy bridge sch_ingress cls_bpf act_bpf ipip ip6_tunnel sit gre ip_gre fou fou6'.split(' '),
  ...'ip_vs ip_vs_rr ip_vs_wlc iptable_nat nf_tables'.split(' '),
]

const folders = 'bin dev lib lib/modules proc sbin sys lower upper machine'.split(' ')
const applets = 'sh mount mkdir cat echo insmod chroot sync poweroff'.split(' ')

/**
 * The machine's files are seen through virtiofs, and changed in memory only; the modules are in its /run/modules. `baton.script`
 * names a script among them; what it writes goes to the console, and how it ended is the last line.
 */
const init = `#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /lib/modules/order); do insmod /lib/modules/$module.ko; done
mount -t virtiofs -o ro machine /lower
mount -t tmpfs upper /upper
mkdir -p /upper/changes /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work,redirect_dir=on overlay /machine
mount -t proc proc /machine/proc
mount -t sysfs sys /machine/sys
mount -t devtmpfs dev /machine/dev
for folder in dev/shm run; do mkdir -p /machine/$folder; mount -t tmpfs -o mode=1777 tmp /machine/$folder; done
mkdir /machine/run/modules
mount --bind /lib/modules /machine/run/modules
for word in $(cat /proc/cmdline); do
  case $word in baton.script=*) cat /lower/\${word#*=} > /machine/run/script ;; esac
done
echo "=== begins"
chroot /machine /bin/sh /run/script < /dev/null
echo "=== ended with $?"
poweroff -f
`

/** The kernel runs it where init has begun. */
const modprobe = `#!/bin/sh
exec /bin/chroot /machine /sbin/modprobe "$@"
`

/** A folder with the packages of another kernel than Debian's own (`*.deb`: its image, its modules). */
const { BATON_LAB_KERNEL: ownPackages } = process.env
const recipe = [modules, folders, applets, init, modprobe, ...(ownPackages === undefined ? [] : [ownPackages])]

export async function kernelImage(host: Host, signal: AbortSignal): Promise<KernelImage> {
  const directory = await builtOnce({ host, signal }, 'kernel', recipe, build)
  return { kernel: `${directory}/vmlinuz`, initrd: `${directory}/initrd.gz` }
}

async function build(place: BuildPlace): Promise<void> {
  const { host, scratch, signal } = place
  const platform = await platformOf(place, 'of the kernel lab')
  const tree = `${scratch}/tree`
  await host.makeDirectory(tree, { signal })
  await withApt(
    { host, signal, directory: scratch },
    () => undefined,
    async (apt) => {
      const kernels =
        ownPackages === undefined ? [await resolveKernel(apt, `linux-image-cloud-${platform.debian}`)] : []
      await unpackPackages(apt, [...kernels, 'busybox-static'], tree)
    },
  )
  if (ownPackages !== undefined) {
    const packages = ((await host.list(ownPackages, { signal })) ?? []).filter((name) => name.endsWith('.deb'))
    for (const name of packages) {
      const { code, stderr } = await host.run(['dpkg', '-x', `${ownPackages}/${name}`, tree], { signal })
      if (code !== 0) throw new Error(`dpkg -x ${name}: ${stderr.trim()}`)
    }
  }
  const unpacked = await listTree(place, tree)
  await packKernelAndInitramfs(place, unpacked(/\/boot\/vmlinuz-[^/]*$/), [
    ...skeletonEntries(folders, applets),
    textEntry('init', 0o755, init),
    textEntry('sbin/modprobe', 0o755, modprobe),
    await fileEntry(place, unpacked(/\/s?bin\/busybox$/), 'bin/busybox', 0o755),
    ...(await moduleEntries(place, tree, modules)),
  ])
}
