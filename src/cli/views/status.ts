/** `baton status`: guests, services, servers and their health in one view. */
import type { ServerJson, ServiceJson, StatusJson } from '../local/status.ts'
import type { Paint } from '../terminal/paint.ts'
import { guestsView } from './guests.ts'
import type { Span } from './line.ts'
import { printable } from './line.ts'
import { routersView } from './routers.ts'
import { healthStyle, serviceStateStyle } from './styles.ts'
import { syncView } from './sync.ts'
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

function serviceLines({ director, services, routers, sync, problem }: StatusJson, paint: Paint): string[] {
  if (problem !== null) return [paint('red', `the director does not answer: ${printable(problem)}`)]
  if (director === null) return ['no director runs']
  const { engine, engineReason, processId, restarts, problems } = director
  const times = restarts === 0 ? '' : `, started again ${restarts === 1 ? 'once' : `${restarts} times`}`
  const why = engineReason === null ? '' : ` (${printable(engineReason)})`
  const heading = `director: engine ${engine}${why}, process ${processId}${times}`
  const said = problems.map((problem) => paint('yellow', `problem: ${printable(problem)}`))
  const roles = [...routersView(routers, paint), ...syncView(sync, paint)]
  if (services.length === 0) return [heading, ...said, ...roles, 'no services']
  return [heading, ...said, ...roles, ...table(columns, services.flatMap(serviceRows), paint)]
}

function serviceRows(service: ServiceJson): Row[] {
  const { state } = service
  const title: Span = { text: titleOf(service), style: 'bold' }
  const who: Span | string =
    state === null || state === 'served' ? '' : { text: stateWords[state], style: serviceStateStyle[state] }
  const sum = (of: (server: ServerJson) => number): string =>
    String(service.servers.reduce((total, server) => total + of(server), 0))
  return [
    [title, '', '', '', sum((s) => s.active), sum((s) => s.inactive), String(service.counters.connections), who],
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
    lastCheck(server),
  ]
}

const stateWords = {
  panic: 'panic: too few servers are usable, all get connections',
  fallback: 'the fallback serves',
  unserved: 'nobody serves',
} as const

/** Of several checks each; and why the weight is another than one would think. */
function lastCheck({ checks, detail, reason, health }: ServerJson): string {
  const said =
    checks.length < 2 ? detail : checks.map((check) => `${check.kind} ${check.port}: ${check.detail}`).join('; ')
  const isPlain = plainReasons.has(reason) || (health === 'maintenance' && reason === detail)
  return isPlain ? said : `${said} (${reason})`
}

/** What the other columns say as well. */
const plainReasons = new Set([
  '',
  'its check passes',
  'its check fails',
  'not checked yet',
  'wanted',
  'drained by hand',
  'made by hand',
  'no server is usable',
  'too few servers are usable: all get connections',
])
