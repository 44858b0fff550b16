import { describe, expect, test } from 'vitest'
import { buildPlan, buildFollowed as buildService, service, statusOf } from '../../../../test/build/ldirectord.ts'
import type { DirectorEvent } from '../../../director/events.ts'
import type { Health } from '../../../director/states.ts'
import { type Narrator, narrator } from './narrate.ts'

const server = '10.9.0.1:80'
const about = { cluster: 'web.cf', service, server, guest: undefined }
const health = (to: Health, from: Health = 'unknown'): DirectorEvent =>
  ({ ...about, kind: 'server.health', from, to, reason: 'refused', after: 1 }) as const
const table = (
  kind: 'server.added' | 'server.changed' | 'server.removed',
  from: number | undefined,
  to: number | undefined,
  which = server,
): DirectorEvent => ({ cluster: 'web.cf', service, server: which, kind, from, to, reason: 'so' })
const ofService = (kind: 'service.added' | 'service.changed' | 'service.removed'): DirectorEvent => ({
  cluster: 'web.cf',
  service,
  kind,
})
const come = [ofService('service.added'), health('healthy'), table('server.added', undefined, 5)]

/** Each line with what becomes of it as a mail. */
function said(tells: Narrator, ...events: readonly DirectorEvent[]): string[] {
  return events
    .flatMap((event) => tells.event(event))
    .map(({ message, alert }) => (alert === undefined ? message : `${message} <${alert.kind}>`))
}

const V = '10.0.0.1:80'

type Case = {
  readonly name: string
  readonly plan?: Parameters<typeof buildService>[0]
  /** What is there before. */
  readonly before?: readonly DirectorEvent[]
  readonly events: readonly DirectorEvent[]
  readonly lines: readonly string[]
}

describe('the events of a director in the words of ldirectord', () => {
  test.each<Case>([
    {
      name: 'a service and a server that works',
      events: come,
      lines: [`Added virtual server: ${V}`, `Added real server: ${server} (${V}) (Weight set to 5) <up>`],
    },
    {
      name: 'a changed service',
      before: come,
      events: [ofService('service.changed')],
      lines: [`Changed virtual server: ${V}`],
    },
    {
      name: 'a server that never worked is said to be out, though it never was in',
      events: [health('unhealthy'), ofService('service.added')],
      lines: [`Added virtual server: ${V}`, `Deleted real server: ${server} (${V}) <down>`],
    },
    {
      name: 'the same when its check ends later',
      events: [ofService('service.added'), health('unhealthy')],
      lines: [`Added virtual server: ${V}`, `Deleted real server: ${server} (${V}) <down>`],
    },
    {
      name: 'quiescent, it stays with weight 0, and is only told of when it has failed',
      plan: { isQuiescent: true },
      events: [ofService('service.added'), table('server.added', undefined, 0), health('unhealthy')],
      lines: [
        `Added virtual server: ${V}`,
        `Added real server: ${server} (${V}) (Weight set to 0)`,
        `Quiescent real server: ${server} (${V}) (Weight set to 0) <down>`,
      ],
    },
    {
      name: 'quiescent, and failed before it came into the table',
      plan: { isQuiescent: true },
      events: [health('unhealthy'), ofService('service.added'), table('server.added', undefined, 0)],
      lines: [`Added virtual server: ${V}`, `Quiescent real server: ${server} (${V}) (Weight set to 0) <down>`],
    },
    {
      name: 'a failure and a recovery',
      before: come,
      events: [
        health('unhealthy', 'healthy'),
        table('server.removed', 5, undefined),
        health('healthy', 'unhealthy'),
        table('server.added', undefined, 5),
      ],
      lines: [
        `Deleted real server: ${server} (${V}) <down>`,
        `Resetting soft failure count: ${server} (tcp:${V}) <quiet>`,
        `Added real server: ${server} (${V}) (Weight set to 5) <up>`,
      ],
    },
    {
      name: 'a quiescent failure and recovery',
      plan: { isQuiescent: true },
      before: come,
      events: [
        health('unhealthy', 'healthy'),
        table('server.changed', 5, 0),
        health('healthy', 'unhealthy'),
        table('server.changed', 0, 5),
      ],
      lines: [
        `Quiescent real server: ${server} (${V}) (Weight set to 0) <down>`,
        `Resetting soft failure count: ${server} (tcp:${V}) <quiet>`,
        `Restored real server: ${server} (${V}) (Weight set to 5) <up>`,
      ],
    },
    {
      name: 'maintenance is a failure',
      before: come,
      events: [health('maintenance', 'healthy'), table('server.removed', 5, undefined)],
      lines: [`Deleted real server: ${server} (${V}) <down>`],
    },
    {
      name: 'a drain by hand is no failure',
      before: come,
      events: [table('server.changed', 5, 0)],
      lines: [`Quiescent real server: ${server} (${V}) (Weight set to 0)`],
    },
    {
      name: 'what was drained by hand and fails then is a failure all the same',
      before: [...come, table('server.changed', 5, 0)],
      events: [health('unhealthy', 'healthy'), health('healthy', 'unhealthy')],
      lines: [
        `Quiescent real server: ${server} (${V}) (Weight set to 0) <down>`,
        `Resetting soft failure count: ${server} (tcp:${V}) <quiet>`,
      ],
    },
    {
      name: 'a server of weight 0 fails, too',
      plan: { weight: 0 },
      before: [ofService('service.added'), health('healthy'), table('server.added', undefined, 0)],
      events: [health('unhealthy', 'healthy'), table('server.removed', 0, undefined)],
      lines: [`Deleted real server: ${server} (${V}) <down>`],
    },
    {
      name: 'soft failures',
      before: come,
      events: [
        { ...about, kind: 'server.wavered', health: 'healthy', count: 1, needed: 3, reason: 'x' },
        { ...about, kind: 'server.steadied', health: 'healthy' },
        { ...about, kind: 'server.wavered', health: 'unhealthy', count: 1, needed: 3, reason: 'x' },
      ],
      lines: [
        `Soft failure real server: ${server} (tcp:${V}) failure 1/3`,
        `Resetting soft failure count: ${server} (tcp:${V})`,
      ],
    },
    {
      name: 'the fallback',
      plan: { fallback: '127.0.0.1:81' },
      events: [
        table('server.added', undefined, 1, '127.0.0.1:81'),
        table('server.removed', 1, undefined, '127.0.0.1:81'),
      ],
      lines: [
        `Added fallback server: 127.0.0.1:81 (${V}) (Weight set to 1) <other>`,
        `Deleted fallback server: 127.0.0.1:81 (${V}) <other>`,
      ],
    },
    {
      name: 'a server that is reached at another port than written',
      plan: { shown: '10.9.0.1:8080' },
      before: come.slice(0, 2),
      events: [
        table('server.added', undefined, 5),
        health('unhealthy', 'healthy'),
        table('server.removed', 5, undefined),
      ],
      lines: [
        `Added real server: 10.9.0.1:8080 (${V}) (Weight set to 5) <up>`,
        `Deleted real server: ${server} mapped from 10.9.0.1:8080 (${V}) <down>`,
      ],
    },
    {
      name: 'a server of weight 0 is there as any other',
      plan: { weight: 0 },
      before: [ofService('service.added'), health('healthy')],
      events: [table('server.added', undefined, 0)],
      lines: [`Added real server: ${server} (${V}) (Weight set to 0) <up>`],
    },
    {
      name: 'what is told twice is said once',
      before: come,
      events: [ofService('service.added'), table('server.added', undefined, 5)],
      lines: [],
    },
    {
      name: 'a command that failed, and the table',
      events: [
        { cluster: 'web.cf', service, kind: 'command.ran', command: '/bin/sorry start :0 fwm', failure: 'exit code 1' },
        { cluster: 'web.cf', service, kind: 'command.ran', command: '/bin/sorry stop :0 fwm', failure: undefined },
        { kind: 'engine.failed', service: undefined, reason: 'busy' },
        { kind: 'engine.recovered', service: undefined, failures: 2 },
      ],
      lines: [
        'system(/bin/sorry start :0 fwm) failed: exit code 1',
        'The table could not be brought to what is wanted, trying again: busy',
        'The table is as wanted again',
      ],
    },
  ])('$name', ({ plan = {}, before = [], events, lines }) => {
    const tells = narrator(buildPlan(buildService(plan)))
    said(tells, ...before)
    expect(said(tells, ...events)).toEqual(lines)
  })

  test('what goes with a reload or a stop is purged', () => {
    const tells = narrator(buildPlan(buildService({})))
    said(tells, ...come)
    tells.follow(buildPlan(buildService({ servers: [] })))
    expect(said(tells, table('server.removed', 5, undefined))).toEqual([
      `Purged real server (start): ${server} (${V}) <other>`,
    ])
    tells.follow(buildPlan())
    expect(said(tells, ofService('service.removed'))).toEqual([`Purged virtual server (start): ${V}`])

    const stopped = narrator(buildPlan(buildService({})))
    said(stopped, ...come)
    stopped.stop()
    expect(said(stopped, ofService('service.removed'))).toEqual([
      `Purged real server (stop): ${server} (${V}) <other>`,
      `Purged virtual server (stop): ${V}`,
    ])
  })

  test('a director that serves already: only what is wrong is said, and nothing twice', () => {
    const tells = narrator(buildPlan(buildService({})))
    const line = `Deleted real server: ${server} (${V})`
    expect(tells.standing(statusOf({ health: 'healthy', weight: 5 }), 'web.cf', true)).toEqual([])
    expect(said(tells, ...come)).toEqual([])
    const sick = narrator(buildPlan(buildService({})))
    expect(sick.standing(statusOf({ health: 'unhealthy', weight: undefined }), 'web.cf', true)).toMatchObject([
      { message: line, alert: { kind: 'down' } },
    ])
    expect(sick.standing(statusOf({ health: 'unhealthy', weight: undefined }), 'other.cf', true)).toEqual([])
  })

  test('after events were missed what differs is said', () => {
    const tells = narrator(buildPlan(buildService({})))
    said(tells, ...come)
    const lines = (status: Parameters<typeof statusOf>[0]): string[] =>
      tells.standing(statusOf(status), 'web.cf', false).map(({ message }) => message)
    expect(lines({ health: 'healthy', weight: 5 })).toEqual([])
    expect(lines({ health: 'unhealthy', weight: undefined })).toEqual([`Deleted real server: ${server} (${V})`])
    expect(lines({ health: 'unhealthy', weight: undefined })).toEqual([])
  })

  test('it is settled when every first check is over and the table has followed', () => {
    const tells = narrator(buildPlan(buildService({})))
    expect(tells.isSettled()).toBe(false)
    said(tells, ofService('service.added'), health('healthy'))
    expect(tells.isSettled()).toBe(false)
    said(tells, table('server.added', undefined, 5))
    expect(tells.isSettled()).toBe(true)
    const sick = narrator(buildPlan(buildService({})))
    said(sick, ofService('service.added'), health('unhealthy'))
    expect(sick.isSettled()).toBe(true)
  })
})
