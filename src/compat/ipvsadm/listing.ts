/** What `ipvsadm -L` and `-S` print, as ipvsadm 1.31 prints it. Pure: the names of hosts and ports come in. */
import type { EngineInfo, ServerSnapshot, ServiceSnapshot } from '../../engines/engine.ts'
import type { ListFormat } from '../../formats/ipvsadm/command.ts'
import { printedFlags } from '../../formats/ipvsadm/flags.ts'
import { ruleLines } from '../../formats/ipvsadm/rule-lines.ts'
import { endpointText, type Namer, printedMask, serviceProtocol } from '../../formats/ipvsadm/text.ts'
import type { SyncDaemon } from '../../lvs/edit.ts'
import { familyOf, type RealServer, type Service } from '../../lvs/service.ts'
import type { Timeouts } from '../../lvs/settings.ts'
import { numberCell } from './number-cell.ts'
import { inKernelOrder, sortServers, sortServices } from './order.ts'

/** The whole table, with its header. */
export function tableLines(
  services: readonly ServiceSnapshot[],
  info: EngineInfo,
  format: ListFormat,
  namer: Namer,
): string[] {
  const kept = inKernelOrder(services)
  return [
    `IP Virtual Server version 1.2.1 (size=${info.tableSize})`,
    ...serviceListLines(format.nosort ? kept : sortServices(kept), format, namer),
  ]
}

/** These services, in this order, under the columns' titles. */
export function serviceListLines(services: readonly ServiceSnapshot[], format: ListFormat, namer: Namer): string[] {
  return [...titles[format.columns], ...services.flatMap((snapshot) => snapshotLines(snapshot, format, namer))]
}

const first = 'Prot LocalAddress:Port'
const second = '  -> RemoteAddress:Port'

const titles: Readonly<Record<ListFormat['columns'], readonly string[]>> = {
  normal: [`${first} Scheduler Flags`, `${second}           Forward Weight ActiveConn InActConn`],
  'tun-info': [`${first} Scheduler Flags`, `${second}           Forward TunnelInfo    Weight ActiveConn InActConn`],
  stats: [row([first, 33], ...cells(['Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'])), second],
  rate: [row([first, 33], ...cells(['CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'])), second],
  thresholds: [row([first, 33], ['Uthreshold', 10], ['Lthreshold', 10], ['ActiveConn', 10], ['InActConn', 10]), second],
  'persistent-conn': [
    row([first, 33], ['Weight', 9], ['PersistConn', 11], ['ActiveConn', 10], ['InActConn', 10]),
    second,
  ],
}

/** Columns with one space between them; a negative width means flush right. */
function row(...columns: readonly (readonly [string | number, number])[]): string {
  return columns
    .map(([value, width]) => (width < 0 ? String(value).padStart(-width) : String(value).padEnd(width)))
    .join(' ')
}

function cells(names: readonly string[]): [string, number][] {
  return names.map((name) => [name, -8])
}

function snapshotLines(snapshot: ServiceSnapshot, format: ListFormat, namer: Namer): string[] {
  const { service, servers } = snapshot
  const ordered = format.nosort
    ? servers
    : sortServers(servers.map((one) => ({ ...one.server, one }))).map(({ one }) => one)
  return [serviceLine(snapshot, format, namer), ...ordered.map((server) => serverLine(service, server, format, namer))]
}

function serviceLine(
  { service, counters, rates }: ServiceSnapshot,
  { columns, exact }: ListFormat,
  namer: Namer,
): string {
  const name = serviceName(service, namer)
  if (columns === 'stats') return name.padEnd(33) + numberCells(counters, exact)
  if (columns === 'rate') return name.padEnd(33) + numberCells(rates, exact)
  return `${name} ${service.scheduler}${serviceFlags(service)}`
}

function numberCells(counters: ServiceSnapshot['counters'], exact: boolean): string {
  const { connections, packetsIn, packetsOut, bytesIn, bytesOut } = counters
  return [connections, packetsIn, packetsOut, bytesIn, bytesOut].map((value) => numberCell(value, exact)).join('')
}

function serviceName({ id }: Service, namer: Namer): string {
  // ipvsadm prints a mark as a signed number.
  if (id.kind === 'fwmark') return `FWM  ${id.mark | 0}${id.family === 'ipv6' ? ' IPv6' : ''}`
  if (id.kind !== 'address') return ''
  const text = `${id.protocol.toUpperCase().padEnd(4)} ${endpointText(id, id.protocol, namer)}`
  return familyOf(id.address) === 'ipv6' ? text : text.slice(0, 33)
}

function serviceFlags(service: Service): string {
  const { scheduler, schedulerFlags, persistence, onePacket } = service
  const mask = printedMask(service)
  return [
    schedulerFlags.length === 0 ? '' : ` (${printedFlags(schedulerFlags, scheduler)})`,
    persistence === undefined ? '' : ` persistent ${persistence.timeoutSeconds}`,
    mask === undefined ? '' : ` mask ${mask}`,
    persistence?.engine === undefined ? '' : ` pe ${persistence.engine}`,
    onePacket ? ' ops' : '',
  ].join('')
}

const forwardingNames = { masq: 'Masq', local: 'Local', tunnel: 'Tunnel', direct: 'Route' } as const

function serverLine(service: Service, snapshot: ServerSnapshot, { columns, exact }: ListFormat, namer: Namer): string {
  const { server, active, inactive, persistent, counters, rates } = snapshot
  const name = `  -> ${serverName(service, server, namer).padEnd(28)}`
  const forward = forwardingNames[server.forwarding]
  switch (columns) {
    case 'normal':
      return `${name} ${row([forward, 7], [server.weight, 6], [active, 10], [inactive, 10])}`
    case 'tun-info':
      return `${name} ${row([forward, 7], [tunnelInfo(server), 13], [server.weight, 6], [active, 10], [inactive, 10])}`
    case 'thresholds':
      return `${name} ${row([server.upperThreshold, 10], [server.lowerThreshold, 10], [active, 10], [inactive, 10])}`
    case 'persistent-conn':
      return `${name} ${row([server.weight, 9], [persistent, 11], [active, 10], [inactive, 10])}`
    case 'stats':
      return name + numberCells(counters, exact)
    case 'rate':
      return `${name} ${row(...[rates.connections, rates.packetsIn, rates.packetsOut].map((rate) => [rate, -8] as const))}${numberCell(rates.bytesIn, exact)}${numberCell(rates.bytesOut, exact)}`
  }
}

function serverName({ id }: Service, server: RealServer, namer: Namer): string {
  const text = endpointText(server, serviceProtocol(id), namer)
  return familyOf(server.address) === 'ipv6' ? text : text.slice(0, 28)
}

const checksums = { nocsum: '-c', csum: '+c', remcsum: 'r+c' } as const

function tunnelInfo({ forwarding, tunnel = { type: 'ipip' } }: RealServer): string {
  if (forwarding !== 'tunnel') return 'n/a'
  if (tunnel.type === 'ipip') return 'ipip'
  const checksum = checksums[tunnel.checksum]
  return tunnel.type === 'gue' ? `gue:${tunnel.port}:${checksum}` : `gre:${checksum}`
}

/** `-S`: sorted, so that a table that was restored from it has each service's servers the other way round. */
export function saveLines(services: readonly ServiceSnapshot[], namer: Namer): string[] {
  const flags = ({ schedulerFlags, scheduler }: Service): string | undefined =>
    schedulerFlags.length === 0 ? undefined : printedFlags(schedulerFlags, scheduler)
  return sortServices(inKernelOrder(services)).flatMap(({ service, servers }) =>
    ruleLines(service, sortServers(servers.map(({ server }) => server)), { namer, flags }),
  )
}

export function timeoutsLine({ tcp, tcpFin, udp }: Timeouts): string {
  return `Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}`
}

export function daemonLine({ role, syncId, maxLength = 0, group, port, ttl, ...daemon }: SyncDaemon): string {
  return `${role} sync daemon (mcast=${daemon.interface}, syncid=${syncId}, maxlen=${maxLength}, group=${group}, port=${port}, ttl=${ttl})`
}
