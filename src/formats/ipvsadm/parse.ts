/** A command line of ipvsadm 1.31, word by word as the program takes it, and its checks in the program's order. */
import type { SyncDaemon, TableEdit } from '../../lvs/edit.ts'
import {
  familyOf,
  type RealServer,
  type SchedulerName,
  type Service,
  type ServiceId,
  schedulerNames,
  type Tunnel,
} from '../../lvs/service.ts'
import {
  type Command,
  type EditName,
  isSyncRole,
  LineRefused,
  type ListFormat,
  listColumns,
  type Parsed,
  refuse,
} from './command.ts'
import { parseFlags } from './flags.ts'
import { type Line, newLine, optionReaders, timeoutSeconds } from './line.ts'
import { type CommandName, type OptionId, optionTable, type ValueOption } from './options.ts'
import { type PoptReader, poptReader } from './popt.ts'
import { checkOptions, checkTunnelOptions } from './validity.ts'
import type { Names } from './values.ts'

/** `words` without the program's own name; none at all is a listing. */
export function parseLine(words: readonly string[], names: Names): Parsed {
  try {
    return {
      ok: true,
      command: words.length === 0 ? { kind: 'list-all', format: formatOf(newLine()) } : readLine(words, names),
    }
  } catch (error) {
    if (!(error instanceof LineRefused)) throw error
    return { ok: false, refusal: error.refusal }
  }
}

function readLine(words: readonly string[], names: Names): Command {
  const reader = poptReader(optionTable, words)
  const line = newLine()
  // Whatever is wrong with the first option, all that is said is where to find help.
  const first = reader.next()
  if (first?.kind !== 'option' || isValueOption(first.option.id)) throw new LineRefused({ kind: 'usage' })
  const name = first.option.id
  if (name === 'help' || name === 'version') return { kind: name }
  if (name === 'start-daemon' || name === 'stop-daemon') readRole(name, line, first.value ?? '')
  readOptions(reader, line, names)
  const operands = [...reader.operands]
  const timeouts = name === 'set' ? takeTimeouts(operands) : {}
  if (operands[0] !== undefined) refuse(`unexpected argument ${operands[0]}`)
  const flags = line.flags === undefined ? [] : parseFlags(line.flags, schedulerOf(line))
  checkOptions(name, line.given)
  if (name === 'set') return { kind: 'edit', name, edit: { kind: 'timeouts', timeouts } }
  return commandOf(name, line, flags)
}

function isValueOption(id: OptionId): id is ValueOption {
  return Object.hasOwn(optionReaders, id)
}

function readOptions(reader: PoptReader, line: Line, names: Names): void {
  for (;;) {
    const step = reader.next()
    if (step === undefined) return
    if (step.kind === 'error') throw new LineRefused({ kind: 'option', message: `${step.word}: ${step.reason}` })
    const { id } = step.option
    // A second command.
    if (!isValueOption(id)) refuse(`invalid option \`${step.word}'`)
    optionReaders[id](line, step.value, names)
  }
}

function readRole(name: 'start-daemon' | 'stop-daemon', line: Line, text: string): void {
  if (!isSyncRole(text))
    refuse(name === 'start-daemon' ? 'illegal start-daemon parameter specified' : 'illegal start_daemon specified')
  line.role = text
}

/** Takes three words; 0 keeps a timeout as it is. */
function takeTimeouts(operands: string[]): { tcp: number; tcpFin: number; udp: number } {
  const [tcp, tcpFin, udp] = operands.splice(0, 3)
  if (tcp === undefined || tcpFin === undefined || udp === undefined) refuse('--set option requires 3 timeout values')
  return { tcp: timeoutSeconds(tcp, 0), tcpFin: timeoutSeconds(tcpFin, 0), udp: timeoutSeconds(udp, 0) }
}

function commandOf(name: Exclude<CommandName, 'set'>, line: Line, flags: readonly string[]): Command {
  const edit = (made: TableEdit): Command => ({ kind: 'edit', name: name as EditName, edit: made })
  switch (name) {
    case 'add-service':
    case 'edit-service':
      return serviceEdit(name, line, flags)
    case 'delete-service':
      return edit({ kind: 'service.delete', id: serviceIdOf(line) })
    case 'add-server':
      return edit({ kind: 'server.add', id: serviceIdOf(line), server: serverOf(line) })
    case 'edit-server':
      return edit({ kind: 'server.edit', id: serviceIdOf(line), server: serverOf(line) })
    case 'delete-server': {
      const { address, port } = line.server
      return edit({ kind: 'server.delete', id: serviceIdOf(line), server: { address, port } })
    }
    case 'flush':
      return edit({ kind: 'flush' })
    case 'zero':
      return edit(line.given.has('service-address') ? { kind: 'zero', id: serviceIdOf(line) } : { kind: 'zero' })
    case 'start-daemon':
      return edit({ kind: 'daemon.start', daemon: daemonOf(line) })
    case 'stop-daemon':
      return edit({ kind: 'daemon.stop', role: line.role })
    case 'list':
      return listOf(line)
    case 'save':
      return { kind: 'save', numeric: line.given.has('numeric') }
    case 'restore':
      return { kind: 'restore' }
  }
}

function serviceEdit(name: 'add-service' | 'edit-service', line: Line, flags: readonly string[]): Command {
  const isPersistent = line.timeoutSeconds !== undefined
  if (line.fwmark === 0 && line.port === 0 && !isPersistent) refuse('Zero port specified for non-persistent service')
  const onePacket = line.given.has('ops')
  if (onePacket && line.fwmark === 0 && line.protocol !== 'udp')
    refuse('One-Packet Scheduling is only for UDP virtual services')
  const id = serviceIdOf(line)
  const scheduler = schedulerOf(line)
  const engine = line.engine === '' ? {} : { engine: 'sip' as const }
  if (!isScheduler(scheduler) || (line.engine !== '' && line.engine !== 'sip'))
    return { kind: 'unknown-module', name, id }
  const idle = line.engine === '' ? {} : { idlePersistenceEngine: 'sip' as const }
  const service: Service = {
    id,
    scheduler,
    schedulerFlags: flags,
    ...(line.timeoutSeconds === undefined
      ? idle
      : { persistence: { timeoutSeconds: line.timeoutSeconds, mask: line.mask, ...engine } }),
    onePacket,
  }
  return { kind: 'edit', name, edit: { kind: name === 'add-service' ? 'service.add' : 'service.edit', service } }
}

function schedulerOf(line: Line): string {
  return line.scheduler === '' ? 'wlc' : line.scheduler
}

function isScheduler(name: string): name is SchedulerName | 'none' {
  return name === 'none' || schedulerNames.some((known) => known === name)
}

function serviceIdOf({ fwmark, family = 'ipv4', protocol = 'tcp', address, port }: Line): ServiceId {
  return fwmark === 0 ? { kind: 'address', protocol, address, port } : { kind: 'fwmark', mark: fwmark, family }
}

function serverOf(line: Line): RealServer {
  const { forwarding, weight, upperThreshold, lowerThreshold } = line
  const { address } = line.server
  // A packet that is not rewritten arrives at the service's port.
  const port = line.fwmark === 0 && forwarding !== 'masq' ? line.port : line.server.port
  if (familyOf(address) !== line.family && forwarding !== 'tunnel')
    refuse('Different address family is allowed only for tunneling servers')
  return { address, port, forwarding, weight, upperThreshold, lowerThreshold, ...tunnelOf(line) }
}

function tunnelOf({ given, forwarding, tunnelType: type, tunnelPort: port, checksum }: Line): {
  readonly tunnel?: Tunnel
} {
  if (forwarding !== 'tunnel') {
    if ([...given].some((option) => option.startsWith('tun-'))) refuse('Tunnel options conflict with forward method')
    return {}
  }
  checkTunnelOptions(type, given)
  if (type === 'gue') return { tunnel: { type, port, checksum } }
  return type === 'gre' ? { tunnel: { type, checksum: checksum === 'csum' ? 'csum' : 'nocsum' } } : {}
}

function daemonOf({ role, syncId, maxLength, group, groupPort, ttl, ...line }: Line): SyncDaemon {
  return {
    role,
    interface: line.interface === '' ? 'eth0' : line.interface,
    syncId,
    ...(maxLength === undefined ? {} : { maxLength }),
    group,
    port: groupPort,
    ttl,
  }
}

function listOf(line: Line): Command {
  const { given } = line
  const has = (...options: readonly Parameters<typeof given.has>[0][]): boolean =>
    options.some((option) => given.has(option))
  if (
    (has('connection', 'timeout', 'daemon') && has('stats', 'rate', 'thresholds')) ||
    (has('timeout', 'daemon') && has('persistent-conn'))
  )
    refuse('options conflicts in the list command')
  const format = formatOf(line)
  if (has('connection')) return { kind: 'list-connections', format }
  if (has('service-address')) return { kind: 'list-service', id: serviceIdOf(line), format }
  if (has('timeout')) return { kind: 'list-timeouts' }
  return has('daemon') ? { kind: 'list-daemons' } : { kind: 'list-all', format }
}

function formatOf({ given }: Line): ListFormat {
  return {
    numeric: given.has('numeric'),
    exact: given.has('exact'),
    nosort: given.has('nosort'),
    columns: listColumns.find((columns) => given.has(columns)) ?? 'normal',
    persistenceData: given.has('persistent-conn'),
  }
}
