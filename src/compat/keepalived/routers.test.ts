import { describe, expect, test } from 'vitest'
import { wantedRouters } from '../../cluster/plan/wanted-routers.ts'
import { printSpec } from '../../cluster/spec/print.ts'
import { capabilitiesOf } from '../../engines/open.ts'
import { convertLines, convertText, said } from './convert-lines.ts'

/** An instance in lines of a file; `more` are lines of its block. */
const instance = (name: string, id: number, ...more: readonly string[]): string =>
  [`vrrp_instance ${name} {`, 'interface eth0', `virtual_router_id ${id}`, ...more, '}'].join('\n')
const addresses = (...written: readonly string[]): string => ['virtual_ipaddress {', ...written, '}'].join('\n')
const routers = (...blocks: readonly string[]) => {
  const converted = convertText(blocks.join('\n'))
  return { said: said(converted), are: converted.spec?.directors.vrrp ?? [] }
}

describe("a keepalived.conf's virtual routers", () => {
  test('an instance becomes a router with what keepalived fills in', () => {
    const { said: findings, are } = routers(
      instance('VI_1', 51, 'advert_int 2', 'priority 150', 'nopreempt', addresses('10.0.0.1/24', '10.0.1.1 dev eth1')),
    )
    expect(findings).toEqual([])
    expect(are).toMatchObject([
      {
        name: 'VI_1',
        interface: 'eth0',
        id: 51,
        version: 2,
        priority: 150,
        intervalMs: 2000,
        addresses: ['10.0.0.1/24', '10.0.1.1/32 dev eth1'],
        preempts: false,
        downAdverts: 3,
        announcing: { times: 5, delayMs: 5000, conflictTimes: 5, conflictDelayMs: 5000 },
      },
    ])
  })

  test('a master without a priority is the owner, and has no nopreempt', () => {
    const { are } = routers(instance('V', 1, 'state MASTER', 'nopreempt', addresses('10.0.0.1')))
    expect(are).toMatchObject([{ priority: 255, preempts: true }])
  })

  test('the last of accept and no_accept counts, and neither for an owner', () => {
    const accepts = (...more: string[]) => routers(instance('V', 1, addresses('10.0.0.1'), ...more)).are[0]?.accepts
    expect([accepts(), accepts('no_accept'), accepts('no_accept', 'accept'), accepts('accept', 'no_accept')]).toEqual([
      true,
      false,
      true,
      false,
    ])
    expect(accepts('no_accept', 'priority 255')).toBe(true)
  })

  test.each([
    ['vrrp_strict', 'global_defs {\nvrrp_strict\n}', []],
    ['its own strict_mode', 'global_defs {\n}', ['strict_mode']],
  ])('%s sets back what keepalived sets back, and says nothing of itself', (_, head, own) => {
    const { said: findings, are } = routers(
      head,
      instance(
        'V', 1, ...own, 'state MASTER', 'priority 120', 'nopreempt', 'preempt_delay 5', 'accept', 'down_timer_adverts 5',
        'garp_lower_prio_repeat 4', 'garp_lower_prio_delay 5', 'lower_prio_no_advert false',
        'authentication {', 'auth_type AH', 'auth_pass x', '}', addresses('10.0.0.1'),
      ),
    ) // biome-ignore format: as a file has them
    expect(findings.filter((one) => one.includes('taken over'))).toEqual([])
    expect(are).toMatchObject([
      {
        priority: 120,
        preempts: false,
        preemptDelayMs: 0,
        accepts: false,
        downAdverts: 3,
        answersLower: false,
        announcing: { times: 5, conflictTimes: 0, conflictDelayMs: 0 },
      },
    ])
    expect(are[0]?.password).toBeUndefined()
  })

  test('one that is kept to the RFCs accepts as an owner, or where version 3 is told to; strict_mode off goes before vrrp_strict', () => {
    const strict = (...more: string[]) =>
      routers('global_defs {\nvrrp_strict\n}', instance('V', 1, addresses('10.0.0.1'), ...more)).are[0]
    const accepts = (...more: string[]) => strict(...more)?.accepts
    expect([accepts(), accepts('version 3'), accepts('priority 255')]).toEqual([false, false, true])
    expect([accepts('accept'), accepts('version 3', 'accept')]).toEqual([false, true])
    expect(strict('strict_mode off')).toMatchObject({ accepts: true, answersLower: true })
  })

  test('no_accept where an engine has to listen is an error at the instance', () => {
    const server = 'virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\n}\n}'
    const text = `${instance('V', 1, addresses('10.0.0.1'), 'no_accept')}\n${server}`
    const { spec, diagnostics } = convertText(text, { engine: capabilitiesOf('userspace') })
    expect(spec).toBeUndefined()
    expect(diagnostics).toContainEqual(
      expect.objectContaining({ severity: 'error', line: 1, message: expect.stringContaining('no_accept of V') }),
    )
    expect(convertText(text, { engine: capabilitiesOf('ipvs') }).spec).toBeDefined()
    const strict = convertText(text.replace('no_accept', 'strict_mode'), { engine: capabilitiesOf('userspace') })
    expect(said(strict).join('\n')).toContain('strict mode, and so no_accept, of V')
  })

  test('what stands in global_defs counts where the instance says nothing', () => {
    const { said: findings, are } = routers(
      'global_defs {\nvrrp_version 3\nvrrp_garp_master_repeat 2\nvrrp_garp_lower_prio_repeat 1\nvrrp_mcast_group4 224.0.0.50\n}',
      instance('V', 1, 'advert_int 0.25', 'garp_master_refresh 60', addresses('10.0.0.1')),
    )
    expect(findings).toEqual([])
    expect(are).toMatchObject([
      {
        version: 3,
        intervalMs: 250,
        multicast: '224.0.0.50',
        announcing: { times: 2, conflictTimes: 1, refreshMs: 60_000, refreshTimes: 1 },
      },
    ])
  })

  test('peers, a password, and addresses that are not advertised', () => {
    const { are } = routers(
      instance(
        'V', 1, 'unicast_src_ip 10.0.0.5', 'unicast_peer {', '10.0.0.6', '}', addresses('10.0.0.1'),
        'authentication {', 'auth_type PASS', 'auth_pass 123456789', '}', 'virtual_ipaddress_excluded {', 'fd00::1/64', '}',
      ),
    ) // biome-ignore format: as a file has them
    expect(are).toMatchObject([
      { peers: ['10.0.0.6'], source: '10.0.0.5', password: '12345678', beside: ['fd00::1/64'] },
    ])
  })

  test('scripts and interfaces are tracked with their weights, and run as their user', () => {
    const { are } = routers(
      'vrrp_script ok {\nscript "/bin/true a b"\ninterval 2\nweight -4\nfall 3\nuser nobody\n}',
      'vrrp_script gone {\nscript "/no/such"\n}',
      instance(
        'V',
        1,
        addresses('10.0.0.1'),
        'track_interface {\neth1 weight 9\neth2\n}',
        'track_script {\nok\ngone\n}',
      ),
    )
    expect(are[0]?.tracked).toEqual([
      { kind: 'interface', interface: 'eth1', weight: 9 },
      { kind: 'interface', interface: 'eth2' },
      {
        kind: 'command',
        argv: ['setpriv', '--reuid', 'nobody', '--regid', '65534', '--init-groups', '--', '/bin/true', 'a', 'b'],
        everyMs: 2000,
        timeoutMs: 2000,
        rise: 1,
        fall: 3,
        weight: -4,
      },
    ])
  })

  test('members of a sync group are one group, whose fault is without weights', () => {
    const converted = convertLines(
      'vrrp_script ok {', 'script /bin/true', 'weight 5', '}',
      'vrrp_sync_group G_1 {', 'group {', 'A', 'B', '}', 'track_interface {', 'eth9', '}', '}',
      instance('A', 1, addresses('10.0.0.1'), 'track_script {', 'ok', '}'), instance('B', 2, addresses('10.0.0.2')),
    ) // biome-ignore format: as a file has them
    const [group, ...more] = (converted.spec && wantedRouters(converted.spec, 'local'))?.groups ?? []
    expect(more).toEqual([])
    expect(group?.name).toBe('k/G_1')
    expect(group?.members.map(({ config, tracked }) => [config.name, tracked.map(({ kind, weight }) => [kind, weight])]))
      .toEqual([['k/A', [['command', undefined], ['interface', undefined]]], ['k/B', [['interface', undefined]]]]) // biome-ignore format: a list to read at a glance
  })

  test.each([
    ['auth_type AH', ['authentication {', 'auth_type AH', 'auth_pass x', '}', addresses('10.0.0.1')], 'expected PASS or none'],
    ['an IPv6 address that is not link-local first', [addresses('fd00::1/64')], 'must be link-local'],
    ['nothing to have', [], 'needs an address'],
  ])('%s is an error with its line', (_, lines, message) => {
    const { spec, diagnostics } = convertText(instance('V', 1, ...lines))
    expect(spec).toBeUndefined()
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toMatchObject([
      { file: 'k.conf', line: 1, message: expect.stringContaining(message) as string },
    ])
  }) // biome-ignore format: a table

  test('its own interface is tracked unless the file says not', () => {
    const { said: findings, are } = routers(
      '',
      instance('V', 1, addresses('10.0.0.1'), 'dont_track_primary'),
      instance('W', 2, addresses('10.0.0.2')),
    )
    expect(are.map(({ tracksOwn }) => tracksOwn)).toEqual([false, true])
    expect(findings.filter((one) => one.includes('taken over'))).toEqual([])
  })

  test('what has no counterpart is said with its line, and its notices only where nobody runs them', () => {
    const text = instance(
      'V',
      1,
      addresses('10.0.0.1 use_vmac'),
      'virtual_routes {',
      '}',
      'notify /bin/true',
      'use_ipvlan',
    )
    const own = convertText(text).diagnostics.filter(({ message }) => message.includes('not taken over'))
    expect(own.map(({ line, message }) => `${line}: ${message}`)).toEqual([
      '9: notify of V is not taken over',
      '10: use_ipvlan of V is not taken over: the addresses stand at the interface itself',
      '5: use_vmac of 10.0.0.1 is not taken over: all addresses of an instance stand where its use_vmac says',
    ])
    expect(said(convertText(text, { hasCompany: true })).join('\n')).not.toContain('notify of V')
  })

  test('routes, rules and what always stands are taken over, names as numbers', () => {
    const { spec, diagnostics } = convertText(
      [
        'track_group T {\ngroup {\nV\n}\n}',
        'static_ipaddress {\n10.5.0.1/24 dev eth5 scope link track_group T\n10.5.0.2/24\n}',
        'static_routes {\n10.6.0.0/16 via 10.5.0.9 dev eth6 table main\n}',
        'static_rules {\nfrom 10.6.0.0/16 lookup 100\n}',
        instance(
          'V', 1, addresses('10.0.0.1/24 label eth0:a brd +', 'fd00::1'), 'virtual_routes {', 'src 10.0.0.1 default via 10.0.0.9 dev eth0', '}',
          'virtual_rules {', 'to 10.7.0.0/16 table 7', '}',
        ),
      ].join('\n'),
    ) // biome-ignore format: as a file has them
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(spec?.directors.standing).toEqual({
      addresses: ['10.5.0.1/24 dev eth5 scope 253', '10.5.0.2/24 dev eth0'],
      routes: ['10.6.0.0/16 via 10.5.0.9 dev eth6 table 254'],
      rules: ['from 10.6.0.0/16 table 100 preference 16384'],
    })
    expect(spec?.directors.vrrp).toMatchObject([
      {
        addresses: ['10.0.0.1/24 brd 10.0.0.255 label eth0:a'],
        routes: ['0.0.0.0/0 src 10.0.0.1 via 10.0.0.9 dev eth0'],
        rules: ['to 10.7.0.0/16 table 7 preference 16383'],
        tracked: [{ kind: 'interface', interface: 'eth5' }],
      },
    ])
  })

  test('a route that Baton does not carry out is an error with its line', () => {
    const { diagnostics } = convertText(
      instance('V', 1, addresses('10.0.0.1'), 'virtual_routes {', '10.0.0.0/8 encap mpls 5 via 10.0.0.9', '}'),
    )
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toMatchObject([
      { line: 8, message: expect.stringContaining('encap mpls') as string },
    ])
  })

  test('what it becomes can be written as a baton.yaml', () => {
    const { spec } = convertText(instance('VI_1', 7, addresses('10.0.0.1/24 dev eth1')))
    expect(spec && printSpec(spec)).toContain('10.0.0.1/24 dev eth1')
  })
})
