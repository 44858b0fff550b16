import { describe, expect, test } from 'vitest'
import type { DirectorEvent } from '../../../director/events.ts'
import type { Health } from '../../../director/states.ts'
import type { RouterKind } from '../../../vrrp/machine/machine.ts'
import { parseLines } from '../convert-lines.ts'
import { type NoticePlan, noticePlan } from './plan.ts'
import { type Notice, Teller } from './tell.ts'

const { machine, parse } = parseLines
const teller = (...lines: readonly string[]): Teller => new Teller(noticePlan(parse(lines.join('\n')), machine), 'k')

/** As a reader of a file and of a pipe sees it. */
const shown = (notices: readonly Notice[]): string[] =>
  notices.flatMap((notice) =>
    notice.kind === 'run' ? [notice.argv.join(' ')] : notice.kind === 'line' ? [notice.text] : notice.kind === 'mail' ? [notice.subject] : [],
  ) // biome-ignore format: a choice

const turned = (router: string, to: RouterKind, more: object = {}): DirectorEvent => ({
  kind: 'vrrp.turned', router: `k/${router}`, id: 1, from: 'backup', to, reason: '', priority: 100, ...more,
}) // biome-ignore format: one event
const health = (to: Health, server: string): DirectorEvent => ({
  kind: 'server.health', cluster: 'k', service: 'tcp-10-0-0-1-80', server, guest: undefined, from: 'unknown', to, reason: '', after: 1,
}) // biome-ignore format: one event

const instance = (name: string, id: number, ...more: readonly string[]): readonly string[] => [
  `vrrp_instance ${name} {`, 'interface eth0', `virtual_router_id ${id}`, 'virtual_ipaddress {', `10.0.0.${id}`, '}', ...more, '}',
] // biome-ignore format: as a file has them

describe('what keepalived tells', () => {
  test('of an instance: the command of its state, then the one of all, with four words more', () => {
    const one = teller(...instance('A', 1, 'notify_master "/bin/m x"', 'notify /bin/n', 'notify_stop /bin/s'))
    expect(shown(one.event(turned('A', 'master')))).toEqual([
      'INSTANCE "A" MASTER 100',
      '/bin/m x',
      '/bin/n INSTANCE A MASTER 100',
    ])
    expect(shown(one.event(turned('A', 'stopped')))).toEqual([
      'INSTANCE "A" STOP 100',
      '/bin/s',
      '/bin/n INSTANCE A STOP 100',
    ])
  })

  test('of a group when all of its members are that, and at the end after everything', () => {
    const one = teller('vrrp_sync_group G {', 'group {', 'A', 'B', '}', '}', ...instance('A', 1), ...instance('B', 2), ...instance('C', 3)) // biome-ignore format: one file
    const line = (name: string, to: RouterKind): string[] => shown(one.event(turned(name, to)))
    expect(line('A', 'master')).toEqual(['INSTANCE "A" MASTER 100'])
    expect(line('B', 'master')).toEqual(['INSTANCE "B" MASTER 100', 'GROUP "G" MASTER 0'])
    expect(line('C', 'master')).toEqual(['INSTANCE "C" MASTER 100'])
    expect([...line('A', 'stopped'), ...line('B', 'stopped')]).not.toContain('GROUP "G" STOP 0')
    expect(one.isOver).toBe(false)
    expect(line('C', 'stopped')).toEqual(['INSTANCE "C" STOP 100', 'GROUP "G" STOP 0'])
    expect(one.isOver).toBe(true)
  })

  test('nothing while what is tracked was not looked at yet, and nothing twice', () => {
    const one = teller(...instance('A', 1))
    expect(one.event(turned('A', 'fault', { isWaiting: true }))).toEqual([])
    expect(shown(one.event(turned('A', 'fault')))).toEqual(['INSTANCE "A" FAULT 100'])
    expect(one.event(turned('A', 'fault'))).toEqual([])
    expect(one.event({ ...turned('A', 'master'), router: 'other/A' } as DirectorEvent)).toEqual([])
  })

  test('of an instance that another file has no more: FAULT, or DELETED with a command of its own', () => {
    const plan = (...lines: readonly string[]): NoticePlan => noticePlan(parse(lines.join('\n')), machine)
    const all = [
      ...instance('A', 1, 'notify /bin/n'),
      ...instance('B', 2, 'notify /bin/n', 'notify_fault /bin/f', 'notify_deleted "/bin/d x"'),
      ...instance('C', 3, 'notify /bin/n', 'notify_fault /bin/f'),
    ]
    const one = teller(...all)
    for (const name of ['A', 'B', 'C']) one.event(turned(name, 'master'))
    one.follow(plan(...instance('A', 1, 'notify /bin/n')))
    expect(shown(one.event(turned('B', 'stopped')))).toEqual([
      'INSTANCE "B" DELETED 100',
      '/bin/d x',
      '/bin/n INSTANCE B DELETED 100',
    ])
    expect(shown(one.event(turned('C', 'stopped')))).toEqual(['INSTANCE "C" FAULT 100', '/bin/n INSTANCE C FAULT 100'])
    expect(one.event(turned('C', 'stopped'))).toEqual([])
    one.follow(plan(...all))
    expect(shown(one.event(turned('B', 'backup')))).toContain('INSTANCE "B" BACKUP 100')
  })

  test('of changes of priority where the file wants that, and of masters of lower priority', () => {
    const priority = (name: string, to: number): DirectorEvent => ({
      kind: 'vrrp.priority', router: `k/${name}`, id: 1, role: 'master', from: 100, to,
    }) // biome-ignore format: one event
    const lower = { kind: 'vrrp.contested', router: 'k/B', id: 1, by: '10.0.0.2', priority: 50, own: 100 } as const
    const one = teller(
      ...instance('A', 1, 'notify_priority_changes on'),
      ...instance('B', 2, 'notify_master_rx_lower_pri "/bin/l x"'),
    )
    expect(shown(one.event(priority('A', 110)))).toEqual(['INSTANCE "A" MASTER_PRIORITY 110'])
    expect(one.event(priority('B', 110))).toEqual([])
    expect(shown(one.event(lower))).toEqual(['INSTANCE "B" MASTER_RX_LOWER_PRI 100', '/bin/l x'])
    expect(one.event({ ...lower, router: 'other/B' })).toEqual([])
    const all = teller('global_defs {', 'vrrp_notify_priority_changes', '}', ...instance('B', 2))
    expect(shown(all.event(priority('B', 90)))).toEqual(['INSTANCE "B" MASTER_PRIORITY 90'])
  })

  const virtual = (...more: readonly string[]): readonly string[] => [
    'virtual_server 10.0.0.1 80 {', 'protocol TCP', 'lb_algo rr', 'lb_kind NAT', 'quorum 3', 'hysteresis 1', 'quorum_up /bin/q+',
    'quorum_down "/bin/q- x"', ...more, ...[2, 3, 4, 5].flatMap((at) => [
      `real_server 10.0.0.${at} 80 {`, 'notify_up /bin/up', 'notify_down /bin/down', 'TCP_CHECK {', '}', '}']), '}',
  ] // biome-ignore format: as a file has them
  const server = (at: number, to: Health): DirectorEvent => health(to, `10.0.0.${at}:80`)

  test('of real servers, and of a virtual server that loses its quorum and gains it with hysteresis', () => {
    const one = teller(...virtual())
    expect(shown(one.begin())).toEqual(['VS [10.0.0.1]:tcp:80 UP', '/bin/q+'])
    expect(one.event(server(2, 'healthy'))).toEqual([])
    expect(shown(one.event(server(2, 'unhealthy')))).toEqual([
      'RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN',
      '/bin/down',
    ])
    expect(shown(one.event(server(3, 'unhealthy')))).not.toContain('VS [10.0.0.1]:tcp:80 DOWN')
    expect(shown(one.event(server(4, 'unhealthy')))).toEqual([
      'RS [10.0.0.4]:tcp:80 [10.0.0.1]:tcp:80 DOWN', '/bin/down', 'VS [10.0.0.1]:tcp:80 DOWN', '/bin/q- x',
    ]) // biome-ignore format: in order
    for (const at of [2, 3]) expect(shown(one.event(server(at, 'healthy')))).not.toContain('/bin/q+')
    expect(shown(one.event(server(4, 'healthy')))).toEqual([
      'RS [10.0.0.4]:tcp:80 [10.0.0.1]:tcp:80 UP', '/bin/up', 'VS [10.0.0.1]:tcp:80 UP', '/bin/q+',
    ]) // biome-ignore format: in order
  })

  test('with alpha servers come up first, and with omega all goes down at the end', () => {
    const one = teller(...virtual('alpha', 'omega'))
    expect(one.begin()).toEqual([])
    const up = [2, 3, 4, 5].flatMap((at) => shown(one.event(server(at, 'healthy'))))
    expect(up.filter((line) => line.endsWith('UP'))).toHaveLength(5)
    expect(shown(one.stop()).filter((line) => line.endsWith('DOWN'))).toHaveLength(5)
  })

  test('of one that was to prove itself and has not; and of who is replaced by a sorry server from the beginning', () => {
    const one = teller(...virtual('alpha', 'sorry_server 10.0.0.9 80'))
    // What is heard before the beginning was told waits for nothing.
    expect(shown(one.event(server(2, 'unhealthy')))).toEqual([
      'VS [10.0.0.1]:tcp:80 DOWN', '/bin/q- x', 'RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN', '/bin/down',
    ]) // biome-ignore format: in order
    expect(one.begin()).toEqual([])
    expect(one.event(server(2, 'unhealthy'))).toEqual([])
  })

  test('of servers that are up from the beginning, where the file wants that', () => {
    const begun = shown(teller('global_defs {', 'rs_init_notifies', '}', ...virtual()).begin())
    expect(begun.filter((line) => line.startsWith('RS'))).toHaveLength(4)
    expect(begun.at(-1)).toBe('/bin/q+')
  })

  test('by mail, where the file says to whom', () => {
    const one = teller('global_defs {', 'notification_email {', 'ops@example.org', '}', 'router_id R', 'smtp_alert', '}', ...instance('A', 1)) // biome-ignore format: one file
    expect(shown(one.event(turned('A', 'master')))).toContain('[R] VRRP Instance A - Entering MASTER state')
  })
})
