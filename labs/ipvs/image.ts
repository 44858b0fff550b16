/** The kernel-IPVS guest's image: Debian's cloud kernel, its IPVS modules, ipvsadm, ip, iptables, and the agent. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Apt } from '../../src/guests/images/debian-packages.ts'
import { dependenciesOf, resolveKernel, unpackPackages, withApt } from '../../src/guests/images/debian-packages.ts'
import {
  fileEntry,
  listTree,
  moduleEntries,
  type Platform,
  packKernelAndInitramfs,
  platformOf,
  programEntries,
  skeletonEntries,
  textEntry,
} from '../../src/guests/images/initramfs.ts'
import type { Host } from '../../src/hosts/host.ts'
import { type BuildPlace, builtOnce } from '../images/once.ts'

export type GuestImage = { readonly kernel: string; readonly initrd: string; readonly cmdline: string }

const schedulers = 'rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh'.split(' ')

/** dummy, veth, tunnels and bridges are for worlds of several namespaces; the filters give packets their marks. */
const modules = [
  ...'virtio_pci virtio_console tun dummy veth bridge ipip ip6_tunnel sit gre ip_gre fou nf_conntrack'.split(' '),
  ...'iptable_mangle ip6table_mangle iptable_nat xt_mark xt_dscp xt_MASQUERADE'.split(' '),
  ...['ip_vs', ...schedulers.map((name) => `ip_vs_${name}`), 'ip_vs_ftp', 'ip_vs_pe_sip'],
]

/** What iptables calls its matches and targets: it loads them by path. */
const plugins = 'libxt_MARK.so libxt_mark.so libxt_tos.so libxt_dscp.so libxt_standard.so libxt_NAT.so'.split(' ')

const packages = ['busybox-static', 'ipvsadm', 'perl-base', 'iproute2', 'iptables', 'netbase']
const folders = 'bin dev etc lib lib64 lib/modules lib/perl lib/xtables proc root run sys tmp usr usr/lib'.split(' ')
const applets = 'sh mount mkdir cat echo insmod sleep dmesg ls'.split(' ')

const init = `#!/bin/sh
export PATH=/bin HOME=/root XTABLES_LIBDIR=/lib/xtables
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /lib/modules/order); do insmod /lib/modules/$module.ko; done
echo 1 > /proc/sys/net/ipv4/ip_forward
for port in /sys/class/virtio-ports/*; do
  [ "$(cat $port/name)" = agent ] && exec perl -I/lib/perl /agent.pl /dev/\${port##*/}
done
echo "no port for the agent"
`

/** Part of the digest, with everything above and the agent: another recipe is another image. */
const recipe = [packages, modules, plugins, init, folders, applets]

export async function guestImage(host: Host, signal: AbortSignal): Promise<GuestImage> {
  const agent = await readFile(join(import.meta.dirname, 'agent.pl'), 'utf8')
  const directory = await builtOnce({ host, signal }, 'ipvs', [recipe, agent], (place) => build(place, agent))
  return {
    kernel: `${directory}/vmlinuz`,
    initrd: `${directory}/initrd.gz`,
    // Without address randomisation TCG translates a program once, not at every start of it: four times as fast.
    cmdline: 'console=ttyS0 quiet panic=-1 net.ifnames=0 norandmaps mitigations=off',
  }
}

async function build(place: BuildPlace, agent: string): Promise<void> {
  const { host, scratch, signal } = place
  const platform = await platformOf(place, 'of the kernel-IPVS guest')
  const tree = `${scratch}/tree`
  await host.makeDirectory(tree, { signal })
  await withApt(
    { host, signal, directory: scratch },
    () => undefined,
    async (apt) => {
      const kernel = await resolveKernel(apt, `linux-image-cloud-${platform.debian}`)
      await unpackPackages(apt, [kernel, ...packages, ...(await librariesOf(apt))], tree)
    },
  )
  const unpacked = await listTree(place, tree)
  const entries = [
    ...skeletonEntries(folders, applets),
    textEntry('init', 0o755, init),
    textEntry('agent.pl', 0o644, agent),
    textEntry('etc/hosts', 0o644, '127.0.0.1 localhost\n::1 localhost\n'),
    textEntry('etc/nsswitch.conf', 0o644, 'hosts: files\nservices: files\nprotocols: files\n'),
    await fileEntry(place, unpacked(/\/etc\/services$/), 'etc/services', 0o644),
    await fileEntry(place, unpacked(/\/etc\/protocols$/), 'etc/protocols', 0o644),
    await fileEntry(place, unpacked(/\/s?bin\/busybox$/), 'bin/busybox', 0o755),
    ...(await perlCore(place, unpacked)),
    ...(await programs(place, platform, tree, unpacked)),
    ...(await moduleEntries(place, tree, modules)),
  ]
  await packKernelAndInitramfs(place, unpacked(/\/boot\/vmlinuz-[^/]*$/), entries)
}

/** The libraries that the programs depend on, as deep as it goes. */
async function librariesOf(apt: Apt): Promise<string[]> {
  const all = new Set<string>()
  for (let level = packages; level.length > 0; ) {
    const needed = await dependenciesOf(apt, ...level)
    level = [...new Set(needed)].filter((name) => /^(lib|zlib)/.test(name) && !all.has(name))
    for (const name of level) all.add(name)
  }
  return [...all]
}

async function perlCore(place: BuildPlace, unpacked: (pattern: RegExp) => string) {
  const names = ['strict.pm', 'warnings.pm']
  return await Promise.all(
    names.map((name) => fileEntry(place, unpacked(new RegExp(`/perl-base/${name}$`)), `lib/perl/${name}`, 0o644)),
  )
}

async function programs(place: BuildPlace, platform: Platform, tree: string, unpacked: (pattern: RegExp) => string) {
  const wanted = {
    'bin/ipvsadm': /\/s?bin\/ipvsadm$/,
    'bin/perl': /\/bin\/perl$/,
    'bin/ip': /\/s?bin\/ip$/,
    'bin/iptables-restore': /\/xtables-legacy-multi$/,
  }
  return [
    ...(await programEntries(
      place,
      platform,
      tree,
      Object.entries(wanted).map(([to, pattern]) => ({ from: unpacked(pattern), to })),
    )),
    { kind: 'symlink' as const, path: 'bin/ip6tables-restore', target: 'iptables-restore' },
    ...(await Promise.all(
      plugins.map((name) => fileEntry(place, unpacked(new RegExp(`/xtables/${name}$`)), `lib/xtables/${name}`, 0o644)),
    )),
  ]
}
