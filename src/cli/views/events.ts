/** One event of a director as one line: when, what, about whom, and why. */
import type { EventRecord } from '../../director/control.ts'
import type { DirectorEvent } from '../../director/events.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import type { Paint, Style } from '../terminal/paint.ts'
import { paintLine, printable, type Span } from './line.ts'
import { healthStyle, serviceStateStyle } from './styles.ts'
import { count } from './units.ts'

/** `12 2026-11-30T09:15:02.123Z server.health shop/www 127.0.0.1:1001 (web-1) healthy → unhealthy (connection refused)`. */
export function eventView({ id, at, event }: EventRecord, paint: Paint): string {
  const spans: Span[] = [
    { text: `${id} ${at} `, style: 'dim' },
    { text: event.kind, style: 'bold' },
  ]
  for (const part of [...about(event), ...said(event)]) spans.push(' ', part)
  return paintLine(
    spans.map((span) => (typeof span === 'string' ? printable(span) : { ...span, text: printable(span.text) })),
    paint,
  )
}

function about(event: DirectorEvent): Span[] {
  if (!('service' in event)) return []
  const { service } = event
  if (service === undefined) return []
  const owner = 'cluster' in event && event.cluster !== undefined ? `${event.cluster}/` : ''
  const guest = 'guest' in event && event.guest !== undefined ? [`(${event.guest})`] : []
  return [`${owner}${service}`, ...('server' in event ? [event.server] : []), ...guest]
}

function said(event: DirectorEvent): Span[] {
  switch (event.kind) {
    case 'server.health':
      return [event.from, '→', { text: event.to, style: healthStyle(event.to) }, ...because(event.reason)]
    case 'server.wavered':
      return [event.health, `${event.count} of ${event.needed} against`, ...because(event.reason)]
    case 'server.steadied':
      return [event.health]
    case 'check.result':
      return [
        { text: event.healthy ? 'passed' : 'failed', style: event.healthy ? 'green' : 'red' },
        `${Math.round(event.tookMs)}ms`,
        ...because(event.detail),
      ]
    case 'service.state':
      return [event.from, '→', { text: event.to, style: serviceStateStyle[event.to] }]
    case 'server.added':
    case 'server.changed':
    case 'server.removed':
      return [`weight ${event.from ?? 'none'} → ${event.to ?? 'none'}`, ...because(event.reason)]
    case 'command.ran':
      return event.failure === undefined ? [event.command] : [event.command, ...because(event.failure)]
    default:
      return ofWhole(event)
  }
}

type OfWhole = Exclude<
  DirectorEvent,
  {
    kind:
      | 'server.health'
      | 'server.wavered'
      | 'server.steadied'
      | 'check.result'
      | 'service.state'
      | 'server.added'
      | 'server.changed'
      | 'server.removed'
      | 'command.ran'
  }
>

function ofWhole(event: OfWhole): Span[] {
  switch (event.kind) {
    case 'service.added':
    case 'service.changed':
    case 'service.removed':
      return []
    case 'checks.unhindered':
      return []
    case 'checks.hindered':
    case 'engine.failed':
    case 'intent.trouble':
      return because(event.reason, 'red')
    case 'maintenance.trouble':
      return [event.cluster, ...because(event.reason)]
    case 'engine.recovered':
      return [`after ${count(event.failures, 'failure')}`]
    case 'cluster.put':
    case 'cluster.removed':
      return [event.cluster, count(event.services, 'service')]
    case 'cluster.refused':
      return [event.cluster, ...because(event.reason, 'red')]
    case 'server.drained':
    case 'server.undrained':
      return [
        'guest' in event.target ? event.target.guest : formatEndpoint(event.target.endpoint),
        count(event.servers, 'server'),
      ]
    case 'table.edited':
      return [count(event.edits, 'edit'), ...(event.refused === 0 ? [] : [`${event.refused} refused`])]
    case 'table.changed':
      return [count(event.changes, 'change')]
    case 'settings.changed':
      return [JSON.stringify(event.settings)]
    case 'guest.moved':
      return [event.guest, count(event.servers, 'server')]
    case 'guest.restarting':
      return [guestOf(event), `${event.attempt} of ${event.limit}`]
    case 'guest.restarted':
      return [guestOf(event), ...(event.passed === undefined ? [] : because(event.passed))]
    case 'guest.failed':
    case 'guest.left':
      return [guestOf(event), ...because(event.reason, 'red')]
    case 'vrrp.turned':
      return [`${event.router} (${event.id})`, `${event.from} → ${event.to}`, ...because(event.reason)]
    case 'vrrp.trouble':
      return [`${event.router} (${event.id})`, { text: event.trouble, style: 'yellow' }]
    case 'vrrp.priority':
      return [`${event.router} (${event.id})`, `${event.role}, priority ${event.from} → ${event.to}`]
    case 'vrrp.contested':
      return [`${event.router} (${event.id})`, `by ${event.by} of priority ${event.priority}`]
    case 'events.lost':
      return [
        { text: `${count(event.lost, 'event')} not told to ${event.to}`, style: 'yellow' },
        ...because(event.reason),
      ]
  }
}

const guestOf = ({ cluster, guest }: { readonly cluster: string; readonly guest: string }): string =>
  `${cluster}/${guest}`

function because(reason: string, style?: Style): Span[] {
  return [style === undefined ? `(${reason})` : { text: reason, style }]
}
