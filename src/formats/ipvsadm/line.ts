/** The values of one command line of ipvsadm while it is read, in the order of its words: what follows may change them. */
import { isInNetwork, parseAddress } from '../../lvs/address.ts'
import type { SyncRole } from '../../lvs/edit.ts'
import type { Family, Forwarding, Protocol, Tunnel } from '../../lvs/service.ts'
import { refuse } from './command.ts'
import type { CheckedOption, ValueOption } from './options.ts'
import { type TunnelType, tunnelTypes } from './validity.ts'
import { hostAddress, leadingNumber, type Names, wholeNumber, writtenEndpoint } from './values.ts'

/** ipvsadm's own defaults stand in `newLine`. */
export type Line = {
  readonly given: Set<CheckedOption>
  protocol: Protocol | undefined
  family: Family | undefined
  address: string
  port: number
  /** 0: the service has an address. */
  fwmark: number
  scheduler: string
  timeoutSeconds: number | undefined
  mask: string
  engine: string
  flags: string | undefined
  server: { family: Family; address: string; port: number }
  forwarding: Forwarding
  weight: number
  upperThreshold: number
  lowerThreshold: number
  tunnelType: TunnelType
  tunnelPort: number
  checksum: Extract<Tunnel, { readonly type: 'gue' }>['checksum']
  role: SyncRole
  interface: string
  syncId: number
  maxLength: number | undefined
  group: string
  groupPort: number
  ttl: number
}

export function newLine(): Line {
  return {
    given: new Set(),
    protocol: undefined,
    family: undefined,
    address: '0.0.0.0',
    port: 0,
    fwmark: 0,
    scheduler: '',
    timeoutSeconds: undefined,
    mask: '255.255.255.255',
    engine: '',
    flags: undefined,
    server: { family: 'ipv4', address: '0.0.0.0', port: 0 },
    forwarding: 'direct',
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    tunnelType: 'ipip',
    tunnelPort: 0,
    checksum: 'nocsum',
    role: 'master',
    interface: '',
    syncId: 0,
    maxLength: undefined,
    group: '224.0.0.81',
    groupPort: 8848,
    ttl: 1,
  }
}

const maxInt = 0x7fff_ffff
const maxTimeoutSeconds = 86_400 * 31
/** Not what the manual says: what the program does. */
const defaultPersistenceSeconds = 360

/** `value` is undefined for options that take none, and for `-p` alone. */
type Reader = (line: Line, value: string | undefined, names: Names) => void

function setting(option: CheckedOption, read: (line: Line, text: string, names: Names) => void): Reader {
  return (line, value, names) => {
    giveOnce(line, option)
    read(line, value ?? '', names)
  }
}

function giveOnce(line: Line, option: CheckedOption): void {
  if (line.given.has(option)) refuse(`multiple '${option}' options specified`)
  line.given.add(option)
}

/** An option that says all by being there. */
function present(option: CheckedOption): Reader {
  return setting(option, () => undefined)
}

function number(
  option: CheckedOption,
  least: number,
  most: number,
  complaint: string,
  put: (line: Line, value: number) => void,
): Reader {
  return setting(option, (line, text) => {
    const value = wholeNumber(text, least, most)
    if (value === undefined) refuse(`illegal ${complaint} specified`)
    put(line, value)
  })
}

const service = (protocol: Protocol): Reader =>
  setting('service-address', (line, text, names) => {
    const written = writtenEndpoint(text, protocol, names)
    if (written === undefined) refuse('illegal virtual server address[:port] specified')
    line.protocol = protocol
    line.family = written.family
    line.address = written.address
    line.port = written.port ?? 0
    if (written.family === 'ipv6') line.mask = '128'
  })

const forwarding = (method: Forwarding): Reader =>
  setting('forwarding-method', (line) => {
    line.forwarding = method
  })

const checksum = (option: 'tun-nocsum' | 'tun-csum' | 'tun-remcsum', kind: Line['checksum']): Reader =>
  setting(option, (line) => {
    line.checksum = kind
  })

/** @throws LineRefused when the value is not one for that option. */
export const optionReaders: Readonly<Record<ValueOption, Reader>> = {
  tcp: service('tcp'),
  udp: service('udp'),
  sctp: service('sctp'),
  fwmark: setting('service-address', (line, text) => {
    const mark = wholeNumber(text, 1, 0xffff_ffff)
    if (mark === undefined) refuse(`invalid fwmark value \`${text}' specified`)
    line.family = 'ipv4'
    // Service names of its real servers' ports are those of tcp.
    line.protocol = 'tcp'
    line.fwmark = mark
  }),
  ipv6: (line) => {
    if (line.fwmark === 0) refuse('-6 used before -f\n')
    line.family = 'ipv6'
    line.mask = '128'
  },
  scheduler: setting('scheduler', (line, text) => {
    line.scheduler = text.slice(0, 15)
  }),
  persistent: (line, value) => {
    giveOnce(line, 'persistent')
    line.timeoutSeconds = value === undefined ? defaultPersistenceSeconds : timeoutSeconds(value, 1)
  },
  netmask: setting('netmask', readMask),
  'real-server': setting('real-server', (line, text, names) => {
    const written = writtenEndpoint(text, line.protocol, names)
    if (written === undefined) refuse('illegal real server address[:port] specified')
    line.server = { ...written, port: written.port ?? line.port }
  }),
  masquerading: forwarding('masq'),
  ipip: forwarding('tunnel'),
  gatewaying: forwarding('direct'),
  weight: number('weight', 0, maxInt, 'weight', (line, value) => {
    line.weight = value
  }),
  'u-threshold': number('u-threshold', 0, maxInt, 'u_threshold', (line, value) => {
    line.upperThreshold = value
  }),
  'l-threshold': number('l-threshold', 0, maxInt, 'l_threshold', (line, value) => {
    line.lowerThreshold = value
  }),
  numeric: present('numeric'),
  connection: present('connection'),
  'mcast-interface': setting('mcast-interface', (line, text) => {
    line.interface = text.slice(0, 15)
  }),
  'mcast-group': setting('mcast-group', readGroup),
  'mcast-port': number('mcast-port', 1, 65_535, 'mcast-port', (line, value) => {
    line.groupPort = value
  }),
  'mcast-ttl': number('mcast-ttl', 1, 255, 'mcast-ttl', (line, value) => {
    line.ttl = value
  }),
  'sync-maxlen': number('sync-maxlen', 1, 65_507, 'sync-maxlen', (line, value) => {
    line.maxLength = value
  }),
  syncid: number('syncid', 0, 255, 'syncid', (line, value) => {
    line.syncId = value
  }),
  timeout: present('timeout'),
  daemon: present('daemon'),
  stats: present('stats'),
  rate: present('rate'),
  thresholds: present('thresholds'),
  'persistent-conn': present('persistent-conn'),
  'tun-info': present('tun-info'),
  nosort: present('nosort'),
  // Kept for old scripts: listings are sorted by themselves.
  sort: () => undefined,
  exact: present('exact'),
  ops: present('ops'),
  pe: setting('pe', (line, text) => {
    line.engine = text.slice(0, 16)
  }),
  'sched-flags': setting('sched-flags', (line, text) => {
    line.flags = text
  }),
  'tun-type': setting('tun-type', (line, text) => {
    const type = tunnelTypes.find((known) => known === text)
    if (type === undefined) refuse('illegal tunnel type specified')
    line.tunnelType = type
  }),
  'tun-port': number('tun-port', 1, 65_535, 'tunnel port', (line, value) => {
    line.tunnelPort = value
  }),
  'tun-nocsum': checksum('tun-nocsum', 'nocsum'),
  'tun-csum': checksum('tun-csum', 'csum'),
  'tun-remcsum': checksum('tun-remcsum', 'remcsum'),
}

export function timeoutSeconds(text: string, least: number): number {
  const seconds = wholeNumber(text, least, maxTimeoutSeconds)
  if (seconds === undefined) refuse(`invalid timeout value \`${text}' specified`)
  return seconds
}

/** A prefix length once the service is known to be IPv6, else a dotted mask, of any bits. */
function readMask(line: Line, text: string, names: Names): void {
  if (line.family === 'ipv6') {
    const prefix = leadingNumber(text)
    if (prefix < 1 || prefix > 128) refuse('illegal ipv6 netmask specified')
    line.mask = String(prefix)
    return
  }
  const mask = hostAddress(text, names)
  if (mask === undefined) refuse('illegal virtual server persistent mask specified')
  line.mask = mask
}

function readGroup(line: Line, text: string): void {
  const isIpv6 = text.includes(':')
  const group = parseAddress(text)
  const network = isIpv6 ? { address: 'ff00::', prefix: 8 } : { address: '224.0.0.0', prefix: 4 }
  if (group === undefined || !isInNetwork(group, network))
    refuse(`invalid ${isIpv6 ? 'IPv6' : 'IPv4'} mcast-group \`${text}'`)
  line.group = group
}
