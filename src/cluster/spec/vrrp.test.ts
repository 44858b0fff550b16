import { describe, expect, test } from 'vitest'
import { capabilitiesOf } from '../../engines/open.ts'
import { wantedRouters } from '../plan/wanted-routers.ts'
import type { ChosenEngine } from './engine-check.ts'
import { given } from './given.ts'
import { parseSpec } from './parse.ts'
import { printSpec } from './print.ts'

const services = 'services: { www: { address: 10.0.0.100:80, servers: [{ address: 10.0.0.9:80 }] } }'
const file = (vrrp: string, more = services): string => `name: shop\n${more}\ndirectors:\n  vrrp: ${vrrp}\n`
const parse = (text: string, engine?: () => ChosenEngine) =>
  parseSpec({ file: 'baton.yaml', text, environment: {}, readInclude: () => undefined, ...given('engine', engine) })

describe('virtual routers in the file', () => {
  test('the shortest one has the addresses of the services, and every default', () => {
    const { spec, diagnostics } = parse(file('{ interface: eth0, id: 51 }'))
    expect(diagnostics).toEqual([])
    const [group] = (spec && wantedRouters(spec, 'local'))?.groups ?? []
    expect(group).toMatchObject({
      name: 'shop/vrrp',
      members: [
        {
          config: {
            name: 'shop/vrrp',
            id: 51,
            version: 3,
            family: 'ipv4',
            priority: 100,
            intervalMs: 1000,
            addresses: ['10.0.0.100'],
            preempts: true,
            isGrouped: false,
            paths: [{ interface: 'eth0', to: { kind: 'multicast', group: '224.0.0.18' } }],
          },
          holds: [{ address: '10.0.0.100', prefix: 32, interface: 'eth0' }],
        },
      ],
    })
  })

  test('each of several directors has a priority of its own, also when the file is printed and read again', () => {
    const hosts = 'hosts: { lb1: { ssh: lb1 }, lb2: { ssh: lb2 } }'
    const text = `name: shop\n${hosts}\n${services}\ndirectors: { hosts: [lb1, lb2], vrrp: { interface: eth0, id: 51, priority: { lb1: 150, lb2: 90 } } }\n`
    const { spec, diagnostics } = parse(text)
    expect(diagnostics).toEqual([])
    const priorityOn = (host: string) => spec && wantedRouters(spec, host)?.groups[0]?.members[0]?.config.priority
    expect(['lb1', 'lb2'].map(priorityOn)).toEqual([150, 90])
    expect(parse(spec === undefined ? '' : printSpec(spec)).spec).toEqual(spec)
  })

  test('two of one group, several paths, and what is tracked', () => {
    const { spec, diagnostics } = parse(
      file(`
    - { name: in, interface: eth1, id: 2, addresses: [192.168.0.1/24], group: all, also: [{ interface: eth2, peers: [10.9.0.2] }] }
    - { name: out, interface: eth0, id: 1, addresses: ['fe80::1/64', 'fd00::1/64'], group: all, track: [{ service: www, weight: -20 }, { command: test -e /ok }] }`),
    )
    expect(diagnostics).toEqual([])
    const [group, ...more] = (spec && wantedRouters(spec, 'local'))?.groups ?? []
    expect(more).toEqual([])
    expect(group?.name).toBe('shop/all')
    expect(group?.members.map(({ config }) => [config.name, config.family, config.isGrouped])).toEqual([
      ['shop/in', 'ipv4', true],
      ['shop/out', 'ipv6', true],
    ])
    expect(group?.members[0]?.config.paths[1]).toEqual({
      interface: 'eth2',
      to: { kind: 'unicast', peers: ['10.9.0.2'] },
    })
    expect(group?.members[1]?.tracked).toEqual([
      { kind: 'service', service: 'shop/www', weight: -20 },
      { kind: 'command', argv: ['/bin/sh', '-c', 'test -e /ok'], everyMs: 1000, timeoutMs: 1000, rise: 1, fall: 1 },
    ])
  })

  test.each([
    ['{ interface: eth0 }', 'directors.vrrp has no id'],
    ['{ interface: eth0, id: 256 }', 'a whole number from 1 to 255'],
    ['{ interface: eth0, id: 1, every: 500ms, version: 2 }', 'version 2 of VRRP can say 1s to 255s in steps of 1s'],
    ['{ interface: eth0, id: 1, every: 15ms }', 'in steps of 10ms'],
    ['{ interface: eth0, id: 1, every: 60s }', 'version 3 of VRRP can say'],
    ['{ interface: eth0, id: 1, password: x }', 'version 3 of VRRP has no passwords'],
    ['{ interface: eth0, id: 1, addresses: [10.0.0.1/24, "fd00::1/64"] }', 'are of two families'],
    ['{ interface: eth0, id: 1, addresses: ["fd00::1/64"] }', 'must be link-local'],
    ['{ interface: eth0, id: 1, version: 2, addresses: ["fe80::1/64"] }', 'version 2 of VRRP has no IPv6'],
    ['{ interface: eth0, id: 1, addresses: [] }', 'needs an address'],
    ['{ interface: eth0, id: 1, addresses: [10.0.0.1] }', 'an address with its prefix length'],
    ['{ interface: eth0, id: 1, source: 10.0.0.1 }', 'source goes with peers'],
    ['{ interface: eth0, id: 1, peers: [] }', 'reaches nobody'],
    ['{ interface: eth0, id: 1, priority: 255, accept: false }', 'accept: false does not go with priority: 255'],
    ['{ interface: eth0, id: 1, also: [{ interface: eth0 }] }', 'hear each other on eth0 already'],
    ['{ interface: eth0, id: 1, track: [{ service: wwww }] }', 'there is no service wwww'],
    ['{ interface: eth0, id: 1, track: [{ weight: 3 }] }', 'does not say what it is'],
    ['{ interface: eth0, id: 1, track: [{ interface: eth1, every: 2s }] }', 'every does not go with interface'],
    ['[{ interface: eth0, id: 1 }, { interface: eth0, id: 2 }]', 'two virtual routers are called vrrp'],
    ['[{ name: a, interface: eth0, id: 1 }, { name: b, interface: eth0, id: 1 }]', 'a has the id 1 on eth0 already'],
    ['[{ name: a, interface: eth0, id: 1, addresses: [10.0.0.1/24] }, { name: b, interface: eth0, id: 2, addresses: [10.0.0.1/32] }]', 'a has 10.0.0.1 already'],
  ])('%s is refused', (vrrp, message) => {
    const { spec, diagnostics } = parse(file(vrrp))
    expect(spec).toBeUndefined()
    expect(diagnostics.map((one) => one.message).join('\n')).toContain(message)
    expect(diagnostics.map(({ line }) => line)).toEqual(diagnostics.map(() => 4))
  }) // biome-ignore format: a table

  test('without a service that has an address there is nothing to have', () => {
    expect(parse(file('{ interface: eth0, id: 1 }', 'services: {}')).diagnostics[0]?.message).toContain(
      'needs an address',
    )
  })

  test.each([
    ['userspace' as const, '{ interface: eth0, id: 1, accept: false }', 'the userspace engine listens at 10.0.0.100'],
    ['userspace' as const, '{ interface: eth0, id: 1, accept: false, addresses: [10.0.0.100/24] }', 'router vrrp has accept: false'],
    ['userspace' as const, '{ interface: eth0, id: 1, accept: false, addresses: [10.0.0.101/24] }', ''],
    ['userspace' as const, '{ interface: eth0, id: 1 }', ''],
    ['ebpf' as const, '{ interface: eth0, id: 1, accept: false }', ''],
    ['ipvs' as const, '{ interface: eth0, id: 1, accept: false }', ''],
  ])('%s, %s: what listens at addresses that take no packets is refused', (name, vrrp, message) => {
    const { diagnostics } = parse(file(vrrp), () => capabilitiesOf(name))
    expect(diagnostics.map((one) => one.message).join('\n')).toContain(message)
    expect(diagnostics.map(({ line }) => line)).toEqual(message === '' ? [] : [2])
  }) // biome-ignore format: a table

  test('a service that is read is listened for whatever the engine', () => {
    const read = services.replace('address: 10.0.0.100:80,', 'address: 10.0.0.100:80, http: {},')
    const { diagnostics } = parse(file('{ interface: eth0, id: 1, accept: false }', read), () => capabilitiesOf('ebpf'))
    expect(diagnostics[0]?.message).toContain('such a service is listened for at 10.0.0.100')
  })
})
