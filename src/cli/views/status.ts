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
  const protocol = service.protocol === null ? '' : `${service.protocol} `
  const title: Span = { text: `${service.name} ${protocol}${service.address} ${service.scheduler}`, style: 'bold' }
  const sum = (of: (server: ServerJson) => number): string =>
    String(service.servers.reduce((total, server) => total + of(server), 0))
  return [
    [title, '', '', '', sum((s) => s.active), sum((s) => s.inactive), String(service.counters.connections), ''],
    ...service.servers.map(serverRow),
  ]
}

function serverRow(server: ServerJson): Row {
  const health: Span = { text: server.health, style: healthStyle(server.health) }
  return [
    `  ${server.address}`,
    server.guest ?? (server.fallback ? '(fallback)' : '-'),
    server.drained ? { text: 'drained', style: 'yellow' } : health,
    server.inTable ? String(server.weight) : '-',
    String(server.active),
    String(server.inactive),
    String(server.connections),
    server.detail,
  ]
}
