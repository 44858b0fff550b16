/** Which options go with which command of ipvsadm 1.31, and with which kind of tunnel. */
import { refuse } from './command.ts'
import { type CheckedOption, type CommandName, checkedOptions } from './options.ts'

/** `alone`: none of the others marked so may be there, too. What is not named is illegal. */
type Use = 'needed' | 'optional' | 'alone'
type Uses = Partial<Record<CheckedOption, Use>>

const service: Uses = {
  'service-address': 'needed',
  scheduler: 'optional',
  persistent: 'optional',
  netmask: 'optional',
  ops: 'optional',
  pe: 'optional',
  'sched-flags': 'optional',
}
const server: Uses = {
  'service-address': 'needed',
  'real-server': 'needed',
  'forwarding-method': 'optional',
  weight: 'optional',
  'u-threshold': 'optional',
  'l-threshold': 'optional',
  'tun-type': 'optional',
  'tun-port': 'optional',
  'tun-nocsum': 'optional',
  'tun-csum': 'optional',
  'tun-remcsum': 'optional',
}

const matrix: Readonly<Record<CommandName, Uses>> = {
  'add-service': service,
  'edit-service': service,
  'delete-service': { 'service-address': 'needed' },
  flush: {},
  set: {},
  restore: {},
  list: {
    numeric: 'optional',
    connection: 'alone',
    'service-address': 'alone',
    timeout: 'alone',
    daemon: 'alone',
    stats: 'optional',
    rate: 'optional',
    thresholds: 'optional',
    'persistent-conn': 'optional',
    nosort: 'optional',
    syncid: 'optional',
    exact: 'optional',
    'tun-info': 'optional',
  },
  'add-server': server,
  'edit-server': server,
  'delete-server': { 'service-address': 'needed', 'real-server': 'needed' },
  'start-daemon': {
    'mcast-interface': 'optional',
    syncid: 'optional',
    'mcast-group': 'optional',
    'mcast-port': 'optional',
    'mcast-ttl': 'optional',
    'sync-maxlen': 'optional',
  },
  'stop-daemon': { syncid: 'optional' },
  save: { numeric: 'optional' },
  zero: { 'service-address': 'optional' },
}

/** The first option in table order that is missing, illegal or one too many. */
export function checkOptions(command: CommandName, given: ReadonlySet<CheckedOption>): void {
  checkUses(checkedOptions, matrix[command], given, `'${command}' command`)
}

export const tunnelTypes = ['ipip', 'gue', 'gre'] as const
export type TunnelType = (typeof tunnelTypes)[number]

const tunnelOptions = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const satisfies CheckedOption[]

const tunnelMatrix: Readonly<Record<TunnelType, Uses>> = {
  ipip: {},
  gue: { 'tun-port': 'needed', 'tun-nocsum': 'alone', 'tun-csum': 'alone', 'tun-remcsum': 'alone' },
  gre: { 'tun-nocsum': 'alone', 'tun-csum': 'alone' },
}

export function checkTunnelOptions(type: TunnelType, given: ReadonlySet<CheckedOption>): void {
  checkUses(tunnelOptions, tunnelMatrix[type], given, `'${type}' tunnel type`)
}

function checkUses(
  options: readonly CheckedOption[],
  uses: Uses,
  given: ReadonlySet<CheckedOption>,
  where: string,
): void {
  let alone: CheckedOption | undefined
  for (const option of options) {
    const use = uses[option]
    if (!given.has(option)) {
      if (use === 'needed') refuse(`You need to supply the '${option}' option for the ${where}`)
    } else if (use === undefined) {
      refuse(`Illegal '${option}' option with the ${where}`)
    } else if (use === 'alone') {
      if (alone !== undefined) refuse(`The option '${option}' conflicts with the '${alone}' option in the ${where}`)
      alone = option
    }
  }
}
