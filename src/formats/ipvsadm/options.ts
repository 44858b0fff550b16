/** The options of ipvsadm 1.31: how each is written, and which go with which command. */

/** `optional`: the next word is its value unless it begins with `-`. */
type ValueUse = 'none' | 'required' | 'optional'

export type Option = {
  readonly id: OptionId
  readonly short?: string
  readonly long: string
  readonly value: ValueUse
}

const commandLetters = {
  'add-service': 'A',
  'edit-service': 'E',
  'delete-service': 'D',
  flush: 'C',
  list: 'L',
  'add-server': 'a',
  'edit-server': 'e',
  'delete-server': 'd',
  zero: 'Z',
  restore: 'R',
  save: 'S',
} as const

/** By the names that error texts use. */
export type CommandName = keyof typeof commandLetters | 'set' | 'start-daemon' | 'stop-daemon'
type ServiceOption = 'tcp' | 'udp' | 'sctp' | 'fwmark'
type ForwardingOption = 'gatewaying' | 'ipip' | 'masquerading'
/** Those that set or say something about the command. */
export type ValueOption =
  | Exclude<CheckedOption, 'service-address' | 'forwarding-method'>
  | ServiceOption
  | ForwardingOption
  | 'ipv6'
  | 'sort'
export type OptionId = CommandName | 'help' | 'version' | ValueOption

/** What the validity matrix knows, in the order in which it is checked; the names that error texts use. */
export const checkedOptions = [
  'numeric', 'connection', 'service-address', 'scheduler', 'persistent', 'netmask', 'real-server', 'forwarding-method',
  'weight', 'u-threshold', 'l-threshold', 'mcast-interface', 'timeout', 'daemon', 'stats', 'rate', 'thresholds',
  'persistent-conn', 'nosort', 'syncid', 'exact', 'ops', 'pe', 'sched-flags', 'mcast-group', 'mcast-port', 'mcast-ttl',
  'sync-maxlen', 'tun-info', 'tun-type', 'tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum',
] as const // biome-ignore format: a list to read at a glance
export type CheckedOption = (typeof checkedOptions)[number]

const flag = (id: OptionId, short?: string, long: string = id): Option => ({
  id,
  ...(short === undefined ? {} : { short }),
  long,
  value: 'none',
})
const valued = (id: OptionId, short?: string, long: string = id): Option => ({
  ...flag(id, short, long),
  value: 'required',
})

export const optionTable: readonly Option[] = [
  flag('add-service', 'A'),
  flag('edit-service', 'E'),
  flag('delete-service', 'D'),
  flag('flush', 'C', 'clear'),
  flag('list', 'L'),
  { id: 'list', short: 'l', long: 'list', value: 'none' },
  flag('zero', 'Z'),
  flag('add-server', 'a'),
  flag('edit-server', 'e'),
  flag('delete-server', 'd'),
  flag('set'),
  flag('help', 'h'),
  flag('version', 'v'),
  flag('restore', 'R'),
  flag('save', 'S'),
  valued('start-daemon'),
  valued('stop-daemon'),
  valued('tcp', 't', 'tcp-service'),
  valued('udp', 'u', 'udp-service'),
  valued('sctp', undefined, 'sctp-service'),
  valued('fwmark', 'f', 'fwmark-service'),
  valued('scheduler', 's'),
  { id: 'persistent', short: 'p', long: 'persistent', value: 'optional' },
  valued('netmask', 'M'),
  valued('real-server', 'r'),
  flag('masquerading', 'm'),
  flag('ipip', 'i'),
  flag('gatewaying', 'g'),
  valued('weight', 'w'),
  valued('u-threshold', 'x'),
  valued('l-threshold', 'y'),
  flag('numeric', 'n'),
  flag('connection', 'c'),
  valued('mcast-interface'),
  valued('mcast-group'),
  valued('mcast-port'),
  valued('mcast-ttl'),
  valued('sync-maxlen'),
  valued('syncid'),
  flag('timeout'),
  flag('daemon'),
  flag('stats'),
  flag('rate'),
  flag('thresholds'),
  flag('persistent-conn'),
  flag('tun-info'),
  flag('nosort'),
  flag('sort'),
  flag('exact', 'X'),
  flag('ipv6', '6'),
  flag('ops', 'o'),
  valued('pe'),
  valued('sched-flags', 'b'),
  valued('tun-type'),
  valued('tun-port'),
  flag('tun-nocsum'),
  flag('tun-csum'),
  flag('tun-remcsum'),
]
