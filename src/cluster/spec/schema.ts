/** The file's shape: every key with its meaning, and every default, each written down here and nowhere else. */
import { z } from 'zod'
import { schedulerNames } from '../../lvs/service.ts'
import {
  address,
  choice,
  cidr,
  duration,
  endpoint,
  flag,
  integer,
  later,
  leaf,
  name,
  path,
  port,
  type Refusal,
  reference,
  show,
  size,
  text,
} from './leaf.ts'

const hour = 3_600_000
const checkTime = { minimumMs: 10, maximumMs: 24 * hour }

/** A map with these keys and no others; what it says about another key is the list of its own, for `explain`. */
function map<T extends z.ZodRawShape>(shape: T) {
  const keys = Object.keys(shape).join(' ')
  return z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? keys : undefined) })
}

const storage = map({
  dir: text('an absolute path such as /srv/baton', /^\/[^\0]*$/)
    .optional()
    .describe('A directory on the host for the disks of its guests; made when it is not there.'),
  lvm: later('storage on LVM is', 'leave it out, or write dir: and a directory'),
})

const host = map({
  ssh: later('hosts over SSH are', 'leave ssh out: the host is this machine then'),
  hypervisor: choice('hypervisor', ['qemu', 'fake'], ['libvirt', 'xen'])
    .prefault('qemu')
    .describe('What runs the guests: qemu, or fake to try a spec without real machines.'),
  bridge: text('the name of a network bridge', /^[^\s/]{1,15}$/)
    .optional()
    .describe('The bridge for guests with network: dhcp or an address.'),
  storage: storage.optional().describe('Where the guests keep their disks.'),
})

const localPath = (what: string) => path(`the path of ${what}`)

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
  'cloud-init': later('cloud-init is', 'prepare the disk image before'),
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

const guestPool = map({
  count: integer(0, 100_000)
    .optional()
    .describe('How many like guests: NAME-1, NAME-2 …; left out, one guest that bears the name itself.'),
  image: reference('the name of an image').describe('What the guests are made from: a name under images:, or tiny.'),
  memory: size('a size such as 256M or 8G').prefault('256M').describe('Memory of each guest, such as 256M or 2G.'),
  vcpus: integer(1, 1024).prefault(1).describe('Virtual processors of each guest.'),
  disk: size('a size such as 8G').optional().describe("Size of each guest's disk; the image's own when left out."),
  swap: later('swap is'),
  network: z
    .union([choice('network', ['user', 'dhcp']), fixedNetwork])
    .prefault('user')
    .describe("user (no privilege needed), dhcp (a card on the host's bridge), or a bridge with fixed addresses."),
  autostart: flag().prefault(false).describe('Start the guests when their host boots.'),
  host: reference('the name of a host').optional().describe('Where the guests run; the first host when left out.'),
})

const server = map({
  guests: reference('the name of a guest pool').optional().describe('All guests of this pool, each a real server.'),
  port: port().optional().describe('The port on the guests.'),
  address: endpoint('an address and port such as 192.168.1.9:80')
    .optional()
    .describe('A real server that is no guest: its address and port.'),
  weight: integer(0, 65_535).prefault(1).describe('Its share of the connections; 0 takes no new ones.'),
})

const statusCode = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 599 ? value : undefined

type StatusCodes = number | [number, number]

/** 200 or "200-299". */
function readCodes(value: unknown): StatusCodes | undefined {
  if (typeof value !== 'string') return statusCode(value)
  const [, from, to] = /^([0-9]{3})(?:-([0-9]{3}))?$/.exec(value) ?? []
  const low = statusCode(Number(from))
  if (to === undefined || low === undefined) return low
  const high = statusCode(Number(to))
  return high === undefined || high < low ? undefined : [low, high]
}

const statusExpected = 'status codes such as 200, "200-299" or [200, 301]'

function readStatus(value: unknown): StatusCodes[] | Refusal | undefined {
  if (!Array.isArray(value)) {
    const codes = readCodes(value)
    return codes === undefined ? undefined : [codes]
  }
  const accepted = value.map(readCodes)
  const entry = accepted.indexOf(undefined)
  if (entry >= 0) return { refused: `expected ${statusExpected}, found ${show(value[entry])}`, entry }
  return accepted.length === 0 ? undefined : accepted.filter((codes) => codes !== undefined)
}

function isRegularExpression(value: string): boolean {
  try {
    return new RegExp(value).source !== ''
  } catch {
    return false
  }
}

const tls = map({
  verify: flag().prefault(false).describe("Whether the server's certificate must be valid."),
  sni: text('a host name', /^[A-Za-z0-9.-]{1,253}$/)
    .optional()
    .describe('The host name asked for; the check’s host when left out.'),
})

const check = map({
  tcp: flag().optional().describe('Healthy when a TCP connection opens.'),
  http: text('a path such as /healthz', /^\/[\x21-\x7e]*$/)
    .optional()
    .describe('Healthy when a GET of this path is answered as expected.'),
  status: leaf(statusExpected, statusJson(), readStatus)
    .prefault(200)
    .describe('The accepted status codes, with http.'),
  body: leaf('a regular expression', { type: 'string', format: 'regex' }, (value) =>
    typeof value === 'string' && isRegularExpression(value) ? value : undefined,
  )
    .optional()
    .describe('A regular expression that the body must match, with http.'),
  host: text('a host name', /^[\x21-\x7e]{1,255}$/)
    .optional()
    .describe("The Host header, with http; the server's address when left out."),
  tls: z.union([flag(), tls]).prefault(false).describe('Speak TLS, with http: true, or a map of options.'),
  port: port().optional().describe("Where to probe, when not at the server's own port."),
  every: duration('a duration such as 2s', checkTime).prefault('2s').describe('Time between two probes.'),
  timeout: duration('a duration such as 1s', checkTime).prefault('1s').describe('How long one probe may take.'),
  rise: integer(1, 1000).prefault(2).describe('Successes in a row until a server is healthy.'),
  fall: integer(1, 1000).prefault(3).describe('Failures in a row until it is not.'),
})

const service = map({
  address: endpoint('an address and port such as 192.168.1.10:80').describe(
    'Where clients connect: ADDRESS:PORT, or "[IPv6]:PORT"; 0.0.0.0 and [::] are all addresses of the director.',
  ),
  protocol: choice('protocol', ['tcp', 'udp'], ['sctp']).prefault('tcp').describe('tcp or udp.'),
  scheduler: choice('scheduler', schedulerNames)
    .prefault('wlc')
    .describe('How a server is picked for a connection, as ipvsadm names it.'),
  forwarding: choice('forwarding', ['masq', 'tunnel', 'direct', 'local'])
    .prefault('masq')
    .describe('How connections reach the servers: masq (NAT), tunnel (IPIP), direct or local.'),
  persistence: duration('a duration such as 300s', { minimumMs: 1000, maximumMs: 31 * 24 * hour, isWholeSeconds: true })
    .optional()
    .describe('A client comes back to the same server for this long.'),
  servers: z.array(server).describe('The real servers: guest pools and plain addresses.'),
  check: z
    .union([choice('check', ['tcp']), check])
    .optional()
    .describe('How to tell whether a server is healthy: tcp, or a map; never checked when left out.'),
  'on-failure': choice('on-failure', ['drain', 'remove'])
    .prefault('drain')
    .describe('What becomes of a server that fails: drain (its connections may finish) or remove.'),
  fallback: endpoint('an address and port such as 127.0.0.1:8081')
    .optional()
    .describe('Takes the connections when no server is healthy.'),
  'idle-timeout': duration('a duration such as 10m', {
    minimumMs: 1000,
    maximumMs: 7 * 24 * hour,
    isWholeSeconds: true,
  })
    .optional()
    .describe('Close a connection after this long without a byte.'),
  'proxy-protocol': choice('PROXY protocol version', ['v1', 'v2'])
    .optional()
    .describe('Tell the servers who the client is.'),
})

const directors = map({
  hosts: z
    .array(reference('the name of a host'))
    .optional()
    .describe('The hosts that run a director; the first host when left out.'),
  engine: choice('engine', ['auto', 'userspace', 'fake'], ['ebpf', 'ipvs'])
    .prefault('auto')
    .describe('What moves the connections; auto takes the best that the host can run.'),
  vrrp: later('VRRP between directors is', 'run one director'),
  sync: later('connection synchronisation is', 'run one director'),
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
export type ServiceShape = z.output<typeof service>
export type CheckShape = z.output<typeof check>
export type HostShape = z.output<typeof host>

/** The sections whose members have names. */
export const namedSections = ['hosts', 'images', 'guests', 'services'] as const

/** A host that is not described: this machine. */
export const defaultHost = { name: 'local', shape: host.parse({}) }
export const defaultCheck: CheckShape = check.parse({})
/** Only their defaults count: the rest is there because a pool and a service cannot be without. */
export const defaultPool: PoolShape = guestPool.parse({ image: 'tiny' })
export const defaultService: ServiceShape = service.parse({ address: '127.0.0.1:1', servers: [] })
export const defaultCmdline = 'console=ttyS0'

function statusJson(): Record<string, unknown> {
  const one = {
    anyOf: [
      { type: 'integer', minimum: 100, maximum: 599 },
      { type: 'string', pattern: '^[0-9]{3}(-[0-9]{3})?$' },
    ],
  }
  return { anyOf: [...one.anyOf, { type: 'array', items: one, minItems: 1 }] }
}
