/** The file's shape: every key with its meaning, and every default, each written down here and nowhere else. */
import * as z from 'zod'
import { check } from './check-schema.ts'
import { cloudInit } from './cloud-init-schema.ts'
import { ebpf } from './ebpf-schema.ts'
import { cpu, firmware, graphics } from './hardware-schema.ts'
import {
  address,
  choice,
  cidr,
  destination,
  duration,
  flag,
  integer,
  leaf,
  name,
  path,
  reference,
  size,
  text,
} from './leaf.ts'
import { map } from './map.ts'
import { metrics, notify } from './notify-schema.ts'
import { service, sysctls, timeouts } from './service-schema.ts'
import { sync } from './sync-schema.ts'
import { standing, vrrp } from './vrrp-schema.ts'

const storage = map({
  dir: text('an absolute path such as /srv/baton', /^\/[^\0]*$/)
    .optional()
    .describe('A directory on the host for the disks of its guests; made when it is not there.'),
  lvm: text('the name of a volume group', /^(?!-)[a-zA-Z0-9+_.-]{1,127}$/)
    .optional()
    .describe(
      'The LVM volume group that gives each disk a volume, with hypervisor: xen. Only volumes that Baton made are ever touched.',
    ),
})

const capacity = map({
  memory: size('a size such as 64G').optional().describe('Memory; all that the host has when left out.'),
  vcpus: integer(0, 1_000_000)
    .optional()
    .describe('Virtual processors, all guests together; not limited when left out.'),
  disk: size('a size such as 2T').optional().describe('The disks of guests, all together; not limited when left out.'),
})

const xendomains = map({
  auto: flag().optional().describe('Guests with autostart are started with the host.'),
  save: flag()
    .optional()
    .describe("When the host halts, guests' memory is saved to /var/lib/xen/save; false: they are shut down."),
  restore: flag().optional().describe('What was saved there goes on when the host starts.'),
  migrate: text('a host, with options of xl migrate before it where they are wanted', /^[^"'$`\\\n]*$/)
    .optional()
    .describe('Where guests are moved to when the host halts, as xl migrate has it; "" for nowhere.'),
})

const host = map({
  ssh: destination()
    .optional()
    .describe(
      'Where the host is reached by SSH, as ssh(1) would: its key must be known, and what ssh_config says of it counts. Left out, the host is this machine.',
    ),
  sudo: flag()
    .optional()
    .describe('With ssh, for a user who is not root: everything is done by sudo, which must not ask for a password.'),
  hypervisor: choice('hypervisor', ['qemu', 'libvirt', 'xen', 'fake'])
    .prefault('qemu')
    .describe(
      'What runs the guests: qemu, libvirt, xen (by xl, under Xen), or fake to try a spec without real machines.',
    ),
  bridge: text('the name of a network bridge', /^[^\s/]{1,15}$/)
    .optional()
    .describe('The bridge for guests with network: dhcp or an address.'),
  'bridge-address': cidr('an address with its prefix length such as 10.0.0.1/24')
    .optional()
    .describe(
      "Baton makes the bridge, with this address of the host's own, and takes it away with its last guest; left out, the bridge is there. It is the router of guests with fixed addresses that name none.",
    ),
  storage: storage.optional().describe('Where the guests keep their disks.'),
  xendomains: xendomains
    .optional()
    .describe(
      'With hypervisor: xen, what becomes of guests when the host halts and starts; what is left out stays as it is there. Set by baton host prepare.',
    ),
  capacity: capacity.optional().describe('What the host gives to guests that are placed; docs/pools.md.'),
})

const localPath = (what: string) => path(`the path of ${what}`)

const checksumForm = /^(sha256:[0-9a-fA-F]{64}|sha512:[0-9a-fA-F]{128}|https?:\/\/[^\s/]+\/\S+)$/

const image = map({
  builtin: choice('built-in image', ['tiny'])
    .optional()
    .describe('An image that Baton makes itself. tiny: a small Linux that serves HTTP with its own name.'),
  kernel: localPath('a kernel').optional().describe('A kernel file that guests boot directly.'),
  initrd: localPath('an initial ramdisk').optional().describe('The initial ramdisk for kernel.'),
  cmdline: leaf('a kernel command line', { type: 'string' }, (value) => (typeof value === 'string' ? value : undefined))
    .optional()
    .describe('The kernel command line for kernel; console=ttyS0 when left out.'),
  disk: localPath('a qcow2 or raw disk image')
    .optional()
    .describe('A disk image file, qcow2 or raw; guests write to copies.'),
  iso: localPath('a disc (ISO) that boots')
    .optional()
    .describe(
      'A disc that installs a system: guests boot from it while nothing on their own disk boots; docs/images.md.',
    ),
  unattended: z
    .array(localPath('a preseed or kickstart file, or user data'))
    .optional()
    .describe(
      'With iso: the image is what the disc installs by itself, answered by these files; an empty list for a disc that asks nothing.',
    ),
  append: leaf('words for a kernel', { type: 'string' }, (value) => (typeof value === 'string' ? value : undefined))
    .optional()
    .describe("With unattended: more words for the installer's kernel."),
  size: size('a size such as 10G')
    .optional()
    .describe('With unattended: the disk that it is installed on; 10G when left out.'),
  memory: size('a size such as 2G')
    .optional()
    .describe('With unattended: memory of the guest that installs; 2G when left out.'),
  url: text('a URL such as https://mirror.example/debian-12.qcow2', /^https?:\/\/[^\s/]+\/\S+$/)
    .optional()
    .describe('A disk image over HTTP, qcow2 or raw: fetched once, and believed by its checksum.'),
  checksum: text('sha256: or sha512: with its digits, or the URL of SHA256SUMS or SHA512SUMS', checksumForm)
    .optional()
    .describe('With url: sha256:DIGITS, sha512:DIGITS, or the URL of the list in which its publisher has it.'),
  stored: text('the name of an image of this machine', /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/)
    .optional()
    .describe('An image of this machine by the name that baton image has given it; docs/images.md.'),
  debootstrap: text('the name of a Debian suite such as bookworm', /^[a-z][a-z0-9.-]*$/)
    .optional()
    .describe('Build the image from packages of this Debian suite.'),
  packages: z
    .array(text('the name of a Debian package', /^[a-z0-9][a-z0-9+.-]+$/))
    .optional()
    .describe('Packages to install, with debootstrap.'),
  files: z
    .record(z.string(), localPath('a local file'))
    .optional()
    .describe('Files to put in, with debootstrap: the absolute path in the image, then the local file.'),
  mirror: text('a URL such as http://mirror.example/debian', /^(https?|file):\/\/\S+$/)
    .optional()
    .describe('The package mirror, with debootstrap.'),
  'cloud-init': cloudInit
    .optional()
    .describe('The seed of guests of this image whose pool has none of its own; docs/cloud-init.md.'),
})

const fixedNetwork = map({
  bridge: text('the name of a network bridge', /^[^\s/]{1,15}$/)
    .optional()
    .describe("The bridge; the host's own when left out."),
  address: cidr('an address with its prefix length such as 10.0.0.5/24')
    .optional()
    .describe('The fixed address of a pool with one guest; DHCP when left out.'),
  addresses: z
    .array(cidr('an address with its prefix length such as 10.0.0.5/24'))
    .optional()
    .describe('The fixed addresses, one for each guest in order.'),
  gateway: address('the address of a router')
    .optional()
    .describe('The router for fixed addresses; it lies in their network.'),
})

const second = 1000
const day = 24 * 3_600_000

const restart = map({
  after: duration('a duration such as 60s', { minimumMs: second, maximumMs: day })
    .prefault('60s')
    .describe('For how long its checks have to fail; longer than a guest takes to boot.'),
  'back-off': duration('a duration such as 30s', { minimumMs: second, maximumMs: day })
    .prefault('30s')
    .describe('The least time between two restarts of one guest; twice as long after each.'),
  limit: integer(1, 1000)
    .prefault(3)
    .describe('So many restarts within the time of within, then it is left to people.'),
  within: duration('a duration such as 1h', { minimumMs: second, maximumMs: 31 * day })
    .prefault('1h')
    .describe('The time in which restarts are counted.'),
})

const guestPool = map({
  count: integer(0, 100_000)
    .optional()
    .describe('How many like guests: NAME-1, NAME-2 …; left out, one guest that bears the name itself.'),
  image: reference('the name of an image').describe('What the guests are made from: a name under images:, or tiny.'),
  memory: size('a size such as 256M or 8G').prefault('256M').describe('Memory of each guest, such as 256M or 2G.'),
  vcpus: integer(1, 1024).prefault(1).describe('Virtual processors of each guest.'),
  firmware,
  cpu,
  graphics,
  disk: size('a size such as 8G').optional().describe("Size of each guest's disk; the image's own when left out."),
  swap: size('a size such as 1000M')
    .optional()
    .describe('Swap space of each guest, on a disk of its own with the label `swap`; docs/images.md.'),
  'cloud-init': cloudInit
    .optional()
    .describe('A seed for cloud-init in the guests (NoCloud), on a small disc of their own; docs/cloud-init.md.'),
  network: z
    .union([choice('network', ['user', 'dhcp']), fixedNetwork])
    .prefault('user')
    .describe("user (no privilege needed), dhcp (a card on the host's bridge), or a bridge with fixed addresses."),
  autostart: flag().prefault(false).describe('Start the guests when their host boots.'),
  host: reference('the name of a host')
    .optional()
    .describe('Where the guests run; left out, each is placed on one of the hosts, apart from its like.'),
  drain: duration('a duration such as 30s', { minimumMs: 0, maximumMs: day })
    .optional()
    .describe('How long connections may take to finish before a guest is shut down or replaced; 15s when left out.'),
  restart: restart
    .optional()
    .describe('The director restarts a guest whose checks keep failing; {} for the usual times, left out: never.'),
})

const directors = map({
  hosts: z
    .array(reference('the name of a host'))
    .optional()
    .describe(
      'The hosts that run a director, each with all services; the first host when left out. Of several VRRP says who has the addresses.',
    ),
  timeouts: timeouts.optional().describe('How long the engine remembers what is idle, as ipvsadm --set.'),
  sysctls: sysctls.optional().describe("Settings of the engine, with the kernel's names and numbers."),
  maintenance: path('the path of a directory')
    .optional()
    .describe(
      'A directory: servers that a file in it names (ADDRESS:PORT, ADDRESS, NAME:PORT, NAME) get no connections.',
    ),
  notify,
  metrics,
  engine: choice('engine', ['auto', 'userspace', 'ebpf', 'ipvs', 'fake'])
    .prefault('auto')
    .describe(
      'What moves the connections; auto takes the best that the host has and that can carry all: docs/engines.md.',
    ),
  ebpf: ebpf.optional().describe('How the ebpf engine begins: where it takes packets, and what its tables hold.'),
  vrrp,
  standing,
  sync,
})

export const fileSchema = map({
  name: name('a name').describe('The name of the cluster: guests and services are marked with it.'),
  include: z
    .union([path('a path'), z.array(path('a path'))])
    .optional()
    .describe('More files, relative to this one; each name may be defined in one file only.'),
  hosts: z.record(z.string(), host).optional().describe('The machines; left out, it is this machine with qemu.'),
  images: z.record(z.string(), image).prefault({}).describe('What guests are made from, by name.'),
  guests: z.record(z.string(), guestPool).prefault({}).describe('Pools of like virtual machines, by name.'),
  services: z.record(z.string(), service).prefault({}).describe('Virtual services, by name.'),
  directors: directors.prefault({}).describe('The load balancers that carry the services.'),
})

/** The file as the schema read it: defaults filled in, sizes in bytes, durations in milliseconds. */
export type FileShape = z.output<typeof fileSchema>
export type ImageShape = z.output<typeof image>
export type PoolShape = z.output<typeof guestPool>
export type RestartShape = z.output<typeof restart>
export type ServiceShape = z.output<typeof service>
export type CheckShape = z.output<typeof check>
export type HostShape = z.output<typeof host>

/** The sections whose members have names. */
export const namedSections = ['hosts', 'images', 'guests', 'services'] as const

/** A host that is not described: this machine. */
export const defaultHost = { name: 'local', shape: host.parse({}) }
/** Of an image that a disc installs. */
export const defaultInstall = { sizeBytes: 10 * 1024 ** 3, memoryBytes: 2 * 1024 ** 3 }
export const defaultCheck: CheckShape = check.parse({})
/** Only their defaults count: the rest is there because a pool and a service cannot be without. */
export const defaultPool: PoolShape = guestPool.parse({ image: 'tiny' })
export const defaultRestart: RestartShape = restart.parse({})
export const defaultService: ServiceShape = service.parse({ servers: [] })
export const defaultCmdline = 'console=ttyS0'
