/** Random virtual routers that a file can say, for property tests. */
import fc from 'fast-check'
import type { TrackSpec } from '../../vrrp/spec.ts'
import type { VirtualRouterSpec } from './model.ts'

const weight = fc.integer({ min: -253, max: 253 })
const milliseconds = fc.integer({ min: 10, max: 86_400_000 })
const track: fc.Arbitrary<TrackSpec> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('file' as const),
      path: fc.constantFrom('/run/a', '/b c'),
      weight,
      isReversed: fc.constant(true as const),
    },
    { requiredKeys: ['kind', 'path'] },
  ),
  fc.record(
    {
      kind: fc.constant('process' as const),
      program: fc.constant('nginx'),
      parameters: fc.record({
        words: fc.constantFrom(['-g', 'a b'], ['']),
        match: fc.constantFrom('exact' as const, 'initial' as const, 'partial' as const),
      }),
      least: fc.integer({ min: 1, max: 9 }),
      most: fc.nat(9),
      forkDelayMs: fc.nat(1000),
      terminateDelayMs: fc.nat(1000),
      weight,
    },
    { requiredKeys: ['kind', 'program', 'least', 'forkDelayMs', 'terminateDelayMs'] },
  ),
  fc.record(
    { kind: fc.constant('interface' as const), interface: fc.constantFrom('eth1', 'bond0.7'), weight },
    { requiredKeys: ['kind', 'interface'] },
  ),
  fc.record(
    {
      kind: fc.constant('command' as const),
      argv: fc.constantFrom(['/bin/true'], ['/bin/sh', '-c', 'test -e /run/ok'], ['/bin/sh', '-c', ' '], ['a b', '']),
      everyMs: milliseconds,
      timeoutMs: milliseconds,
      rise: fc.integer({ min: 1, max: 100 }),
      fall: fc.integer({ min: 1, max: 100 }),
      weight,
    },
    { requiredKeys: ['kind', 'argv', 'everyMs', 'timeoutMs', 'rise', 'fall'] },
  ),
)
const announcing = fc.record(
  {
    times: fc.integer({ min: 0, max: 100 }),
    delayMs: fc.integer({ min: 0, max: 3_600_000 }),
    refreshMs: fc.integer({ min: 100, max: 86_400_000 }),
    refreshTimes: fc.integer({ min: 0, max: 100 }),
    conflictTimes: fc.integer({ min: 0, max: 100 }),
    conflictDelayMs: fc.integer({ min: 0, max: 3_600_000 }),
  },
  { requiredKeys: ['times', 'delayMs', 'refreshTimes', 'conflictTimes', 'conflictDelayMs'] },
)
const peers = fc.constantFrom(['10.9.0.2'], ['10.9.0.2', '10.9.0.3'])
const path = { interface: fc.constantFrom('eth8', 'eth9'), peers }

/** The `at`th of a file: no two take the same id, name or address. */
function router(at: number): fc.Arbitrary<VirtualRouterSpec> {
  const common = {
    name: fc.constantFrom(`vrrp${at}`, `r-${at}`, `VI_${at}`),
    interface: fc.constantFrom('eth0', 'br0'),
    id: fc.integer({ min: 1, max: 50 }).map((id) => at * 50 + id),
    priority: fc.integer({ min: 1, max: 255 }),
    preempts: fc.boolean(),
    preemptDelayMs: fc.integer({ min: 0, max: 1_000_000 }),
    peers,
    also: fc.uniqueArray(fc.record(path, { requiredKeys: ['interface'] }), {
      selector: (one) => one.interface,
      maxLength: 2,
    }),
    checksum: fc.constantFrom('rfc5798' as const, 'rfc9568' as const),
    checksAddresses: fc.boolean(),
    hasVirtualMac: fc.boolean(),
    accepts: fc.boolean(),
    tracksOwn: fc.boolean(),
    tracked: fc.array(track, { maxLength: 3 }),
    group: fc.constantFrom('all', 'some'),
    announcing,
    beside: fc.constantFrom([], [`10.7.${at}.1/24`], [`10.7.${at}.1/24 dev eth5`, `fd00::1${at}/64`]),
    routes: fc.constantFrom(
      ['0.0.0.0/0 via 10.7.0.9 table 100'],
      ['10.6.0.0/16 dev eth5 no_track', 'blackhole 10.5.0.0/16'],
    ),
    rules: fc.constantFrom(['from 10.6.0.0/16 table 100 preference 500']),
    downAdverts: fc.integer({ min: 1, max: 100 }),
    answersLower: fc.boolean(),
  }
  const addresses = (prefix: string, length: number) =>
    fc
      .integer({ min: 1, max: 3 })
      .map((count) => Array.from({ length: count }, (_, index) => `${prefix}${at}${index}/${length}`))
  const requiredKeys = [
    'name', 'interface', 'id', 'version', 'priority', 'intervalMs', 'preempts', 'preemptDelayMs', 'also', 'checksum',
    'checksAddresses', 'hasVirtualMac', 'accepts', 'tracksOwn', 'tracked', 'announcing', 'addresses', 'beside', 'downAdverts',
    'answersLower',
  ] as const // biome-ignore format: a list to read at a glance
  const second = fc.record(
    {
      ...common,
      version: fc.constant(2 as const),
      intervalMs: fc.integer({ min: 1, max: 255 }).map((seconds) => seconds * 1000),
      addresses: addresses('10.8.0.1', 24),
      password: fc.constantFrom('secret', '${X}', '#"!'),
    },
    { requiredKeys: [...requiredKeys] },
  )
  const third = fc.record(
    {
      ...common,
      version: fc.constant(3 as const),
      intervalMs: fc.integer({ min: 1, max: 4095 }).map((hundredths) => hundredths * 10),
      addresses: fc.oneof(addresses('10.8.0.1', 32), addresses('fe80::8', 64)),
    },
    { requiredKeys: [...requiredKeys] },
  )
  // The owner takes what is sent to its addresses.
  return fc.oneof(second, third).map((one) => (one.priority === 255 ? { ...one, accepts: true } : one))
}

export const randomRouters: fc.Arbitrary<VirtualRouterSpec[]> = fc.oneof(
  fc.tuple(router(0)),
  fc.tuple(router(0), router(1)),
  fc.tuple(router(0), router(1), router(2)),
)
