/** The files that make a tree this guest: its name, its network, its disks, how it boots. Pure. */
import { kernelWords } from './config-file.ts'
import { distributionOf } from './distributions.ts'
import type { CreateNetwork, CreateSettings } from './settings.ts'
import type { PlacedVolume } from './volumes.ts'

/** Path in the guest, without the first slash -> text. */
export type GuestFiles = Readonly<Record<string, string>>

export type HostTexts = { readonly hosts: string; readonly resolvConf: string; readonly timezone: string | undefined }

export function guestFiles(settings: CreateSettings, volumes: readonly PlacedVolume[], host: HostTexts): GuestFiles {
  const { hostname, network, dist } = settings
  const isNetplan = distributionOf(dist) === 'ubuntu' && settings.installation.method === 'debootstrap'
  return {
    'etc/hostname': `${hostname.split('.')[0]}\n`,
    'etc/mailname': `${hostname}\n`,
    'etc/hosts': hostsFile(settings, host.hosts),
    'etc/fstab': fstab(volumes),
    'etc/resolv.conf': resolvConf(settings.nameserver, host.resolvConf),
    ...(host.timezone === undefined ? {} : { 'etc/timezone': host.timezone }),
    ...(isNetplan
      ? { 'etc/netplan/01-netcfg.yaml': netplan(network) }
      : { 'etc/network/interfaces': interfacesFile(network) }),
  }
}

/** The line by which a name is found. */
export function hostsLine({ hostname, network }: CreateSettings): string {
  const [address = '127.0.1.1'] = network.addresses
  return `${address}    ${[...new Set([hostname, hostname.split('.')[0]])].join(' ')}`
}

function hostsFile(settings: CreateSettings, ofHost: string): string {
  const own = hostsLine(settings)
  if (settings.copiesHosts) return `${ofHost.trimEnd()}\n${own}\n`
  const local = ['::1     ip6-localhost ip6-loopback', 'ff02::1 ip6-allnodes', 'ff02::2 ip6-allrouters']
  return `${['127.0.0.1    localhost', own, ...local].join('\n')}\n`
}

function resolvConf(nameserver: string | undefined, ofHost: string): string {
  if (nameserver === undefined) return ofHost
  return nameserver
    .split(/[\s,]+/)
    .map((address) => `nameserver ${address}\n`)
    .join('')
}

function interfacesFile({ addresses, netmask, gateway, broadcast, pointToPoint }: CreateNetwork): string {
  const loopback = 'auto lo\niface lo inet loopback\n\nauto eth0\n'
  const [first, ...more] = addresses
  if (first === undefined) return `${loopback}iface eth0 inet dhcp\n`
  const given = Object.entries({ netmask, gateway, broadcast, pointopoint: pointToPoint })
  const lines = given.flatMap(([key, value]) => (value === undefined ? [] : [` ${key} ${value}\n`]))
  const aliases = more.map((address, index) => {
    const card = `eth0:${index + 1}`
    const mask = netmask === undefined ? '' : ` netmask ${netmask}\n`
    return `\nauto ${card}\niface ${card} inet static\n address ${address}\n${mask}`
  })
  return `${loopback}iface eth0 inet static\n address ${first}\n${lines.join('')}${aliases.join('')}`
}

function netplan({ addresses, netmask, gateway }: CreateNetwork): string {
  const head = 'network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    eth0:\n'
  if (addresses.length === 0) return `${head}      dhcp4: true\n`
  const bits = prefixLength(netmask ?? '255.255.255.0')
  const route = gateway === undefined ? '' : `      routes: [{ to: default, via: ${gateway} }]\n`
  return `${head}      addresses: [${addresses.map((address) => `${address}/${bits}`).join(', ')}]\n${route}`
}

function prefixLength(netmask: string): number {
  const bits = netmask.split('.').map((part) => Number(part).toString(2).replaceAll('0', '').length)
  return bits.reduce((sum, count) => sum + count, 0)
}

function fstab(volumes: readonly PlacedVolume[]): string {
  const lines = volumes.map(({ device, fs, mountpoint, mountOptions }) =>
    fs === 'swap'
      ? `/dev/${device} none swap ${mountOptions} 0 0`
      : `/dev/${device} ${mountpoint} ${fs} ${mountOptions} 0 ${mountpoint === '/' ? 1 : 2}`,
  )
  const own = ['proc            /proc           proc    defaults        0       0']
  return `${[...own, ...lines].join('\n')}\n`
}

/** `kernel` and `initrd` may be links that the guest's own packages keep pointing at the newest: no update-grub is needed. */
export function bootMenu(title: string, rootDevice: string, kernel: string, initrd: string | undefined): string {
  return [
    '# Read by pygrub in Dom0. It names links that follow each new kernel of the guest.',
    'default 0',
    'timeout 2',
    '',
    `title ${title}`,
    `root (hd0)`,
    `kernel ${kernel} root=/dev/${rootDevice} ro console=hvc0 ${kernelWords}`,
    ...(initrd === undefined ? [] : [`initrd ${initrd}`]),
    '',
  ].join('\n')
}
