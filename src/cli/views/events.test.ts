import { describe, expect, test } from 'vitest'
import type { DirectorEvent } from '../../director/events.ts'
import { eventKinds } from '../../director/events.ts'
import { plainPaint } from '../terminal/paint.ts'
import { eventView } from './events.ts'

const www = { cluster: 'shop', service: 'www' }
const web1 = { ...www, server: '10.0.0.1:80', guest: 'web-1' }
const lines: readonly [DirectorEvent, string][] = [
  [
    { kind: 'server.health', ...web1, from: 'healthy', to: 'unhealthy', reason: 'connection refused', after: 9 },
    'server.health shop/www 10.0.0.1:80 (web-1) healthy → unhealthy (connection refused)',
  ],
  [
    { kind: 'server.wavered', ...web1, health: 'healthy', count: 1, needed: 3, reason: 'status 500' },
    'server.wavered shop/www 10.0.0.1:80 (web-1) healthy 1 of 3 against (status 500)',
  ],
  [
    { kind: 'server.steadied', ...web1, guest: undefined, health: 'healthy' },
    'server.steadied shop/www 10.0.0.1:80 healthy',
  ],
  [
    { kind: 'check.result', ...web1, healthy: true, detail: 'status 200', tookMs: 1.25 },
    'check.result shop/www 10.0.0.1:80 (web-1) passed 1ms (status 200)',
  ],
  [{ kind: 'service.state', ...www, from: 'absent', to: 'served' }, 'service.state shop/www absent → served'],
  [
    { kind: 'server.added', ...www, server: '10.0.0.1:80', from: undefined, to: 1, reason: 'wanted' },
    'server.added shop/www 10.0.0.1:80 weight none → 1 (wanted)',
  ],
  [
    { kind: 'server.changed', ...www, server: '10.0.0.1:80', from: 1, to: 0, reason: 'its check fails' },
    'server.changed shop/www 10.0.0.1:80 weight 1 → 0 (its check fails)',
  ],
  [
    { kind: 'server.removed', ...www, server: '10.0.0.1:80', from: 0, to: undefined, reason: 'not wanted any more' },
    'server.removed shop/www 10.0.0.1:80 weight 0 → none (not wanted any more)',
  ],
  [{ kind: 'service.added', cluster: undefined, service: 'tcp 10.0.0.9:80' }, 'service.added tcp 10.0.0.9:80'],
  [{ kind: 'service.changed', ...www }, 'service.changed shop/www'],
  [{ kind: 'service.removed', ...www }, 'service.removed shop/www'],
  [
    { kind: 'command.ran', ...www, command: 'page me', failure: 'exit code 1' },
    'command.ran shop/www page me (exit code 1)',
  ],
  [
    { kind: 'engine.failed', service: 'tcp 10.0.0.9:80', reason: 'the port is taken' },
    'engine.failed tcp 10.0.0.9:80 the port is taken',
  ],
  [{ kind: 'checks.hindered', reason: 'too busy' }, 'checks.hindered too busy'],
  [{ kind: 'checks.unhindered' }, 'checks.unhindered'],
  [{ kind: 'engine.recovered', service: undefined, failures: 1 }, 'engine.recovered after 1 failure'],
  [{ kind: 'cluster.put', cluster: 'shop', services: 2 }, 'cluster.put shop 2 services'],
  [{ kind: 'cluster.removed', cluster: 'shop', services: 2 }, 'cluster.removed shop 2 services'],
  [{ kind: 'cluster.refused', cluster: 'shop', reason: 'no' }, 'cluster.refused shop no'],
  [{ kind: 'server.drained', target: { guest: 'web-1' }, servers: 2 }, 'server.drained web-1 2 servers'],
  [
    { kind: 'server.undrained', target: { endpoint: { address: '::1', port: 80 } }, servers: 0 },
    'server.undrained [::1]:80 0 servers',
  ],
  [{ kind: 'table.edited', edits: 3, refused: 1 }, 'table.edited 3 edits 1 refused'],
  [{ kind: 'table.changed', changes: 2000 }, 'table.changed 2000 changes'],
  [{ kind: 'settings.changed', settings: { timeouts: { tcp: 9 } } }, 'settings.changed {"timeouts":{"tcp":9}}'],
  [{ kind: 'guest.moved', guest: 'web-1', servers: 1 }, 'guest.moved web-1 1 server'],
  [
    { kind: 'guest.restarting', cluster: 'shop', guest: 'web-1', attempt: 1, limit: 3 },
    'guest.restarting shop/web-1 1 of 3',
  ],
  [{ kind: 'guest.restarted', cluster: 'shop', guest: 'web-1' }, 'guest.restarted shop/web-1'],
  [{ kind: 'guest.failed', cluster: 'shop', guest: 'web-1', reason: 'no memory' }, 'guest.failed shop/web-1 no memory'],
  [
    { kind: 'guest.left', cluster: 'shop', guest: 'web-1', reason: 'restarts did not help' },
    'guest.left shop/web-1 restarts did not help',
  ],
  [{ kind: 'intent.trouble', reason: 'set aside' }, 'intent.trouble set aside'],
  [{ kind: 'maintenance.trouble', cluster: 'shop', reason: 'ENOENT' }, 'maintenance.trouble shop (ENOENT)'],
  [
    {
      kind: 'vrrp.turned',
      router: 'shop/edge',
      id: 51,
      from: 'backup',
      to: 'master',
      reason: '10.0.0.2 has resigned',
      priority: 100,
    },
    'vrrp.turned shop/edge (51) backup → master (10.0.0.2 has resigned)',
  ],
  [
    { kind: 'vrrp.trouble', router: 'shop/edge', id: 51, trouble: 'split brain', count: 10 },
    'vrrp.trouble shop/edge (51) split brain',
  ],
  [
    { kind: 'vrrp.priority', router: 'shop/edge', id: 51, role: 'master', from: 110, to: 100 },
    'vrrp.priority shop/edge (51) master, priority 110 → 100',
  ],
  [
    { kind: 'vrrp.contested', router: 'shop/edge', id: 51, by: '10.0.0.2', priority: 50, own: 100 },
    'vrrp.contested shop/edge (51) by 10.0.0.2 of priority 50',
  ],
  [
    { kind: 'events.lost', to: 'a listener', lost: 7, reason: 'too slow' },
    'events.lost 7 events not told to a listener (too slow)',
  ],
]

describe('events', () => {
  test('there is a line for every kind', () => {
    expect(lines.map(([{ kind }]) => kind).sort()).toEqual([...eventKinds].sort())
  })

  test.each(lines)('%j', (event, line) => {
    const at = '2026-11-30T09:15:02.123Z'
    expect(eventView({ id: 12, at, event }, plainPaint)).toBe(`12 ${at} ${line}`)
  })

  test('what a server has said does not steer the terminal', () => {
    const event: DirectorEvent = { kind: 'intent.trouble', reason: '\u001b[2J\nnext' }
    expect(eventView({ id: 1, at: '', event }, plainPaint)).toContain('?[2J?next')
  })
})
