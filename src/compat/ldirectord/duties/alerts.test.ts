import { describe, expect, test } from 'vitest'
import { buildFollowed, buildPlan, server } from '../../../../test/build/ldirectord.ts'
import { type AlertContext, type AlertEvent, type Alerts, alertStep, noAlerts } from './alerts.ts'
import type { Alert } from './narrate.ts'

const to = ['ops@shop.example']
const context: AlertContext = { state: 'running', host: 'lb1', from: undefined }
const followed = (mail: Parameters<typeof buildFollowed>[0]['mail']) => buildFollowed({ mail: { to, ...mail } })

function said(kind: Alert['kind'], seconds: number, mail: Parameters<typeof followed>[0] = {}): AlertEvent {
  return {
    kind: 'said',
    message: `it is ${kind}`,
    alert: { kind, server, service: followed(mail) },
    atMs: seconds * 1000,
  }
}
const time = (seconds: number): AlertEvent => ({ kind: 'time', atMs: seconds * 1000 })

/** The subjects of the mails of each event. */
function subjects(events: readonly AlertEvent[], changes: Partial<AlertContext> = {}): string[][] {
  let alerts: Alerts = noAlerts
  return events.map((event) => {
    const step = alertStep(alerts, event, { ...context, ...changes })
    alerts = step.alerts
    return step.mails.map(({ mail }) => mail.subject)
  })
}
const again = `Inaccessible real server: ${server} (10.0.0.1:80)`

describe('mails', () => {
  test('each says what the log says, on this host, in this state', () => {
    const { mails } = alertStep(noAlerts, said('down', 0), context)
    expect(mails).toEqual([
      {
        log: 'emailalert: it is down',
        mail: {
          to,
          from: undefined,
          relay: undefined,
          subject: 'it is down',
          text: 'ldirectord host: lb1\nLog-Message: it is down\nDaemon-Status: running\n',
        },
      },
    ])
  })

  test('the name and the comment of the service stand in it', () => {
    const event = said('up', 0, { serviceName: 'shop', comment: 'call Eve', relay: 'relay' })
    const [first] = alertStep(noAlerts, event, { ...context, from: 'lb@shop.example' }).mails
    expect(first).toMatchObject({ log: 'emailalert: it is up' })
    expect(first?.mail).toMatchObject({ relay: 'relay', from: 'lb@shop.example', subject: '[shop] it is up' })
    expect(first?.mail.text).toBe(
      'ldirectord host: lb1\nLog-Message: [shop] it is up\nDaemon-Status: running\n\nService name: shop\nComment: call Eve\n\n',
    )
  })

  test.each([
    { name: 'nobody to write to', mail: { to: [] }, state: 'running' as const, sent: 0 },
    { name: 'a state that is not wanted', mail: { states: ['starting'] as const }, state: 'running' as const, sent: 0 },
    { name: 'a state that is', mail: { states: ['starting'] as const }, state: 'starting' as const, sent: 1 },
  ])('$name: $sent', ({ mail, state, sent }) => {
    expect(subjects([said('down', 0, mail)], { state })[0]).toHaveLength(sent)
  })

  test('what is down is told again as often as is wanted, until it is up', () => {
    const often = { everySeconds: 10 }
    expect(
      subjects([said('down', 0, often), time(9), time(10), time(15), time(20), said('up', 21, often), time(60)]),
    ).toEqual([['it is down'], [], [again], [], [again], ['it is up'], []])
  })

  test.each([
    { name: 'without a frequency', events: [said('down', 0), time(999)] },
    { name: 'after it is quietly well', events: [said('down', 0, { everySeconds: 5 }), said('quiet', 1), time(999)] },
    { name: 'of what was purged', events: [said('down', 0, { everySeconds: 5 }), said('other', 1), time(999)] },
  ])('nothing is repeated $name', ({ events }) => {
    expect(subjects(events).at(-1)).toEqual([])
  })

  test('a server that the new file has not is told of no more, another frequency holds', () => {
    const down = said('down', 0, { everySeconds: 5 })
    const gone: AlertEvent = { kind: 'plan', plan: buildPlan(buildFollowed({ servers: [] })) }
    expect(subjects([down, gone, time(999)]).at(-1)).toEqual([])
    const without: AlertEvent = { kind: 'plan', plan: buildPlan() }
    expect(subjects([down, without, time(999)]).at(-1)).toEqual([])
    const slower: AlertEvent = { kind: 'plan', plan: buildPlan(followed({ everySeconds: 60 })) }
    expect(subjects([down, slower, time(59), time(60)]).slice(2)).toEqual([[], [again]])
  })
})
