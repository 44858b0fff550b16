/** Which mails are sent of what happens: a machine with time as an event. Pure. */
import type { Alert } from './narrate.ts'
import type { DaemonState, FollowedService, MailSettings, WorkPlan } from './plan.ts'

export type Mail = {
  readonly to: readonly string[]
  /** undefined: whoever runs this. */
  readonly from: string | undefined
  readonly relay: string | undefined
  readonly subject: string
  readonly text: string
}

export type Alerts = {
  /** Those that are down and to be told again, by service and server. */
  readonly down: ReadonlyMap<string, Down>
}
type Down = { readonly alert: Alert; readonly atMs: number }

export type AlertEvent =
  | { readonly kind: 'said'; readonly message: string; readonly alert: Alert; readonly atMs: number }
  | { readonly kind: 'time'; readonly atMs: number }
  /** Another file: who is not in it is told of no more. */
  | { readonly kind: 'plan'; readonly plan: WorkPlan }

export type AlertContext = { readonly state: DaemonState; readonly host: string; readonly from: string | undefined }
/** `log`: what the log says of it. */
export type AlertStep = {
  readonly alerts: Alerts
  readonly mails: readonly { readonly log: string; readonly mail: Mail }[]
}

export const noAlerts: Alerts = { down: new Map() }

export function alertStep(alerts: Alerts, event: AlertEvent, context: AlertContext): AlertStep {
  switch (event.kind) {
    case 'said':
      return said(alerts, event, context)
    case 'time':
      return repeat(alerts, event.atMs, context)
    case 'plan':
      return { alerts: { down: kept(alerts.down, event.plan) }, mails: [] }
  }
}

const keyOf = ({ service, server }: Alert): string => `${server} ${service.id}`

function said(
  { down }: Alerts,
  { message, alert, atMs }: Extract<AlertEvent, { kind: 'said' }>,
  context: AlertContext,
): AlertStep {
  const next = new Map(down)
  next.delete(keyOf(alert))
  if (alert.kind === 'down' && alert.service.mail.everySeconds > 0) next.set(keyOf(alert), { alert, atMs })
  return { alerts: { down: next }, mails: alert.kind === 'quiet' ? [] : mailOf(message, alert.service.mail, context) }
}

function repeat({ down }: Alerts, atMs: number, context: AlertContext): AlertStep {
  const due = [...down].filter(([, one]) => atMs - one.atMs >= one.alert.service.mail.everySeconds * 1000)
  const next = new Map(down)
  for (const [key, { alert }] of due) next.set(key, { alert, atMs })
  const mails = due.flatMap(([, { alert }]) =>
    mailOf(`Inaccessible real server: ${alert.server} (${alert.service.shown})`, alert.service.mail, context),
  )
  return { alerts: { down: next }, mails }
}

/** With the settings that the new file has for them. */
function kept(down: ReadonlyMap<string, Down>, { services }: WorkPlan): Map<string, Down> {
  const byId = new Map<string, FollowedService>([...services.values()].map((service) => [service.id, service]))
  return new Map(
    [...down].flatMap(([key, { alert, atMs }]) => {
      const service = byId.get(alert.service.id)
      const isThere = service?.servers.has(alert.server) === true && service.mail.everySeconds > 0
      return isThere ? [[key, { alert: { ...alert, service }, atMs }] as const] : []
    }),
  )
}

function mailOf(message: string, settings: MailSettings, { state, host, from }: AlertContext): AlertStep['mails'] {
  const { to, states, relay, serviceName, comment } = settings
  if (to.length === 0 || !states.includes(state)) return []
  const subject = serviceName === undefined ? message : `[${serviceName}] ${message}`
  const about = [
    ...(serviceName === undefined ? [] : [`Service name: ${serviceName}\n`]),
    ...(comment === undefined ? [] : [`Comment: ${comment}\n`]),
  ].join('')
  const text = `ldirectord host: ${host}\nLog-Message: ${subject}\nDaemon-Status: ${state}\n`
  const mail = { to, from, relay, subject, text: about === '' ? text : `${text}\n${about}\n` }
  return [{ log: `emailalert: ${message}`, mail }]
}
