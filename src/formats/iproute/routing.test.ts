import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatAddressWords, readAddressWords } from './address.ts'
import { commonNames } from './names.ts'
import { readRoute } from './read-route.ts'
import { readRule } from './read-rule.ts'
import { formatRoute, type Route } from './route.ts'
import { formatRule, type Rule } from './rule.ts'

const u32 = fc.integer({ min: 0, max: 4_294_967_295 })
const byte = fc.integer({ min: 0, max: 255 })
const flag = fc.constant(true as const)
const realms = fc.record({ from: fc.integer({ min: 0, max: 65_535 }), to: fc.integer({ min: 0, max: 65_535 }) })
const link = fc.constantFrom('eth0', 'bond0.7')
const protocol = {
  tracked: fc.record({ isTracked: fc.constant(true), protocol: fc.constant(18) }),
  loose: fc.record({ isTracked: fc.constant(false), protocol: byte }),
}
const kept = fc.oneof(protocol.tracked, protocol.loose)

const of = {
  ipv4: {
    address: fc.constantFrom('10.0.0.1', '192.168.7.254'),
    network: { address: '10.1.0.0', prefix: 16 },
    everywhere: { address: '0.0.0.0', prefix: 0 },
  },
  ipv6: {
    address: fc.constantFrom('fd00::1', 'fe80::9'),
    network: { address: 'fd00:1::', prefix: 32 },
    everywhere: { address: '::', prefix: 0 },
  },
}

const metrics = fc.uniqueArray(
  fc.oneof(
    fc.record(
      { name: fc.constantFrom('mtu' as const, 'rtt' as const, 'initcwnd' as const), value: u32, isLocked: flag },
      { requiredKeys: ['name', 'value'] },
    ),
    fc.record({ name: fc.constant('features' as const), value: fc.constant(1) }),
    fc.record({ name: fc.constant('congctl' as const), value: fc.constantFrom('cubic', 'bbr') }),
  ),
  { selector: ({ name }) => name, maxLength: 4 },
)

const route = (family: 'ipv4' | 'ipv6'): fc.Arbitrary<Route> => {
  const { address, network, everywhere } = of[family]
  const hop = fc.record(
    { via: address, interface: link, weight: fc.integer({ min: 1, max: 256 }), isOnLink: flag, realms },
    { requiredKeys: ['via', 'weight'] },
  )
  const common = {
    family: fc.constant(family),
    type: fc.constantFrom('unicast' as const, 'local' as const, 'throw' as const),
    to: fc.constantFrom(network, everywhere),
    source: address,
    isOnLink: flag,
    table: u32,
    tos: byte,
    scope: byte,
    metric: u32,
    metrics,
    realms,
    preference: fc.constantFrom('low' as const, 'medium' as const, 'high' as const),
    propagatesTtl: fc.boolean(),
    isAppended: flag,
  }
  const requiredKeys = ['family', 'type', 'to', 'metrics'] as const
  const single = fc.record(
    { ...common, via: address, interface: link, hops: fc.constant([]) },
    { requiredKeys: [...requiredKeys, 'hops'] },
  )
  const spread = fc.record(
    { ...common, hops: fc.array(hop, { minLength: 1, maxLength: 3 }) },
    { requiredKeys: [...requiredKeys, 'hops'] },
  )
  return fc.tuple(fc.oneof(single, spread), kept).map(([one, how]) => ({ ...one, ...how }))
}

const range = (max: number) =>
  fc.tuple(fc.integer({ min: 1, max }), fc.integer({ min: 1, max })).map(([first, last]) => ({ first, last }))
const rule: fc.Arbitrary<Rule> = fc
  .constantFrom('ipv4' as const, 'ipv6' as const)
  .chain((family) =>
    fc.tuple(
      fc.record(
        {
          family: fc.constant(family),
          isInverted: flag,
          from: fc.constant(of[family].network),
          to: fc.constant(of[family].network),
          action: fc.oneof(
            fc.record({ kind: fc.constant('table' as const), table: fc.integer({ min: 1, max: 4_294_967_295 }) }),
            fc.record({ kind: fc.constant('goto' as const), preference: fc.constant(4_294_967_295) }),
            fc.record({
              kind: fc.constantFrom('nop' as const, 'blackhole' as const, 'prohibit' as const, 'l3mdev' as const),
            }),
          ),
          preference: fc.integer({ min: 0, max: 99_999 }),
          tos: byte,
          mark: fc.record({ value: u32, mask: u32 }, { requiredKeys: ['value'] }),
          in: link,
          out: link,
          users: range(4_294_967_295),
          transport: byte,
          sourcePorts: range(65_535),
          ports: range(65_535),
        },
        { requiredKeys: ['family', 'action', 'preference'] },
      ),
      kept,
    ),
  )
  .map(([one, how]) => ({ ...one, ...how }))

describe('routes and rules in words', () => {
  test('what was written is read again', () => {
    fc.assert(
      fc.property(fc.oneof(route('ipv4'), route('ipv6')), (wanted) => {
        expect(readRoute(formatRoute(wanted).split(' '), commonNames)).toMatchObject({ kind: 'read', value: wanted })
      }),
    )
    fc.assert(
      fc.property(rule, (wanted) => {
        expect(readRule(formatRule(wanted).split(' '), commonNames, { preference: 1 })).toEqual({
          kind: 'read',
          value: wanted,
          said: [],
        })
      }),
    )
  })

  test.each([
    ['10.0.0.0/8 via 10.9.0.1 dev eth0', []],
    ['10.0.0.0/8 via fe80::1', ['Cannot mix IPv4 and IPv6 addresses for route']],
    ['10.0.0.0/8 dev eth0 table blue', ['Routing table blue not found for route']],
    [
      '10.0.0.0/8 dev eth0 hoplimit 256',
      ["number '256' outside range [0, 255]", 'Invalid hoplimit 256 specified for route'],
    ],
    ['dev eth0', ['Route must have a destination']],
  ])('%s: keepalived says %j', (text, said) => {
    const read = readRoute(text.split(' '), commonNames)
    expect('said' in read && read.said).toEqual(said)
    expect(read.kind).toBe(said.length === 0 ? 'read' : 'wrong')
  })

  test('times are in the kernel’s parts of a millisecond, plain numbers as they are', () => {
    const metricsOf = (text: string): unknown => {
      const read = readRoute(`10.0.0.0/8 dev eth0 ${text}`.split(' '), commonNames)
      return read.kind === 'read' ? read.value.metrics : read
    }
    expect(metricsOf('rtt 10ms rttvar 1.5s rto_min 5')).toEqual([
      { name: 'rtt', value: 80 },
      { name: 'rttvar', value: 6000 },
      { name: 'rto_min', value: 5 },
    ])
  })

  test('what keepalived knows and Baton does not carry out is refused, not passed over', () => {
    expect(readRoute(['10.0.0.0/8', 'encap', 'mpls', '100', 'via', '10.0.0.1'], commonNames)).toMatchObject({
      kind: 'read',
      refused: expect.stringContaining('encap mpls'),
    })
  })

  test('words of an address', () => {
    const own = { address: '10.1.2.3', prefix: 24 }
    const read = (text: string) => readAddressWords(text.split(' '), own)
    const words = read('dev eth1 brd + scope link label eth1:a -nodad home preferred_lft 0 no_track')
    expect(words).toEqual({
      interface: 'eth1', broadcast: '10.1.2.255', scope: 253, label: 'eth1:a', flags: ['nodad', 'home'],
      preferredSeconds: 0, isUntracked: true,
    }) // biome-ignore format: all of them
    expect(typeof words === 'string' ? words : read(formatAddressWords(words).join(' '))).toEqual(words)
    expect(read('peer 10.9.9.9')).toEqual({ peer: { address: '10.9.9.9', prefix: 32 } })
    expect([read('peer fe80::1'), read('scope'), read('foo')]).toEqual([
      'peer cannot be fe80::1', 'scope lacks its value', 'foo is no word of an address',
    ]) // biome-ignore format: one each
  })
})
