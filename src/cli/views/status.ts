/** `baton status`: guests, services, servers and their health in one view. */
import type { ServerJson, ServiceJson, StatusJson } from '../local/status.ts'
import type { Paint } from '../terminal/paint.ts'
import { guestsView } from './guests.ts'
import type { Span } from './line.ts'
import { printable } from './line.ts'
import { healthStyle } from './styles.ts'
import { type Column, type Row, table } from './table.ts'

const columns: readonly Column[] = [
  { title: 'SERVICE / SERVER' },
  { title: 'GUEST' },
  { title: 'HEALTH' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'INACTIVE', align: 'right' },
  { title: 'CONNS', align: 'right' },
  { title: 'LAST CHECK' },
]

export function statusView(status: StatusJson, paint: Paint): string[] {
  return [...guestsView(status.guests, paint), '', ...serviceLines(status, paint)]
}

function serviceLines({ director, services, problem }: StatusJson, paint: Paint): string[] {
  if (problem !== null) return [paint('red', `the director does not answer: ${printable(problem)}`)]
  if (director === null) return ['no director runs']
  const { engine, processId, restarts, problems } = director
  const times = restarts === 0 ? '' : `, started again ${restarts === 1 ? 'once' : `${restarts} times`}`
  const heading = `director: engine ${engine}, process ${processId}${times}`
  const said = problems.map((problem) => paint('yellow', `problem: ${printable(problem)}`))
  if (services.length === 0) return [heading, ...said, 'no services']
  return [heading, ...said, ...table(columns, services.flatMap(serviceRows), paint)]
}

function serviceRows(service: ServiceJson): Row[] {
  const title: Span = { text: titleOf(service), style: 'bold' }
  const sum = (of: (server: ServerJson) => number): string =>
    String(service.servers.reduce((total, server) => total + of(server), 0))
  return [
    [title, '', '', '', sum((s) => s.active), sum((s) => s.inactive), String(service.counters.connections), ''],
    ...service.servers.map(serverRow),
  ]
}

/** `www tcp 10.0.0.1:80 wlc`, `www dns www.shop at 10.0.0.1:53 wrr`, `by hand fwmark 5 ipv4 rr persistent 300s`. */
function titleOf({ name, cluster, kind, protocol, address, dnsName, application, ...how }: ServiceJson): string {
  const where: Readonly<Record<ServiceJson['kind'], string>> = {
    address: `${applicationWord(application) ?? protocol} ${address}`,
    fwmark: address,
    dns: `dns ${dnsName} at ${address}`,
    pool: 'pool',
  }
  const more = [
    how.scheduler,
    ...(application === null || application.rules === 0
      ? []
      : [application.rules === 1 ? '1 rule' : `${application.rules} rules`]),
    ...(how.persistence === null ? [] : [`persistent ${how.persistence.timeoutSeconds}s`]),
  ]
  // What was made by hand has no other name than where it is.
  return `${cluster === null ? 'by hand' : name} ${where[kind]} ${more.join(' ')}`
}

function applicationWord(application: ServiceJson['application']): string | undefined {
  return application?.kind === 'http' && application.tls ? 'https' : application?.kind
}

function serverRow(server: ServerJson): Row {
  const health: Span = { text: server.health, style: healthStyle(server.health) }
  return [
    server.forwarding === 'masq' ? `  ${server.address}` : `  ${server.address} ${server.forwarding}`,
    server.guest ?? (server.fallback ? '(fallback)' : '-'),
    server.drained ? { text: 'drained', style: 'yellow' } : health,
    server.inTable ? String(server.weight) : '-',
    String(server.active),
    String(server.inactive),
    String(server.connections),
    server.detail,
  ]
}
