/** Random specs that a file can say, for property tests. */
import fc from 'fast-check'
import type { NotifySink } from '../../director/control.ts'
import { eventKinds } from '../../director/events.ts'
import { type EbpfTuning, xdpWays } from '../../engines/ebpf/tuning.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import { given } from './given.ts'
import type { ClusterSpec, GuestPoolSpec, HostSpec } from './model.ts'
import { randomRouters } from './random-router.ts'
import { randomServices, randomSettings } from './random-service.ts'
import { randomSync } from './random-sync.ts'

const mebibyte = 1024 ** 2

const name = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,12}[a-z0-9]$/),
  // Names that YAML or JavaScript would take for something else.
  fc.constantFrom('null', 'true', '1e5', '0x1f', 'constructor', 'toString', 'y', 'No', 'tiny'),
)
/** `web-2` could be a guest of `web`. */
const nameWithoutNumber = name.filter((name) => !/-[0-9]+$/.test(name))
const sizeBytes = fc.integer({ min: 1, max: 1 << 24 }).map((size) => size * mebibyte)
const anyText = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
const trickyText = fc.oneof(
  fc.constantFrom('$', '$$', '${X}', '${X:-y}', '~', 'null', '12', 'a: b', '- a', ' a ', '#', '"', "'", '{', '[', '*x', '&x', '!x', '%', '@', '\n'),
  anyText.filter((text) => !/[\uf600-\uf67f]/.test(text)),
) // biome-ignore format: a list to read at a glance
/** An absolute path in the form that the parser keeps. */
const localPath = fc
  .array(
    trickyText.map((text) => text.replaceAll('/', '').replaceAll('\0', '')),
    { minLength: 1, maxLength: 3 },
  )
  .map((parts) => `/${parts.filter((part) => part !== '' && part !== '.' && part !== '..').join('/')}`)

const host = (name: string): fc.Arbitrary<HostSpec> =>
  fc
    .record(
      {
        name: fc.constant(name),
        hypervisor: fc.constant('fake' as const),
        bridge: fc.constantFrom('br0', 'xenbr0', '1'),
        bridgeAddress: fc.constant('10.99.0.1/24'),
        storage: fc.record({ kind: fc.constant('dir' as const), path: localPath }),
        capacity: fc.record({ memoryBytes: sizeBytes, vcpus: fc.nat(64), diskBytes: sizeBytes }, { requiredKeys: [] }),
      },
      { requiredKeys: ['name', 'hypervisor'] },
    )
    .map(({ bridgeAddress, ...rest }) =>
      rest.bridge === undefined ? rest : { ...rest, ...given('bridgeAddress', bridgeAddress) },
    )

const hosts: fc.Arbitrary<Record<string, HostSpec>> = fc
  .uniqueArray(name, { minLength: 1, maxLength: 4 })
  .chain((names) => fc.tuple(...names.map(host)))
  .map((hosts) => Object.fromEntries(hosts.map((host) => [host.name, host])))

const debianName = fc.stringMatching(/^[a-z][a-z0-9.-]{1,8}$/)
const image: fc.Arbitrary<ImageSpec> = fc.oneof(
  fc.constant<ImageSpec>({ kind: 'tiny' }),
  fc.record(
    { kind: fc.constant('kernel' as const), kernel: localPath, initrd: localPath, cmdline: trickyText },
    { requiredKeys: ['kind', 'kernel', 'cmdline'] },
  ),
  fc.record({ kind: fc.constantFrom('disk' as const, 'iso' as const), path: localPath }),
  fc.record(
    {
      kind: fc.constant('install' as const),
      path: localPath,
      answers: fc.array(localPath, { maxLength: 2 }),
      append: trickyText,
      sizeBytes: fc.integer({ min: 1, max: 20 }).map((count) => count * 1024 ** 3),
      memoryBytes: fc.integer({ min: 1, max: 20 }).map((count) => count * 1024 ** 2),
    },
    { requiredKeys: ['kind', 'path', 'answers', 'sizeBytes', 'memoryBytes'] },
  ),
  fc.record({
    kind: fc.constant('url' as const),
    url: fc.constantFrom('https://mirror.example/a.qcow2', 'http://mirror.example/b%20c.raw'),
    checksum: fc.constantFrom(`sha256:${'0a'.repeat(32)}`, 'https://mirror.example/SHA512SUMS'),
  }),
  fc.record({ kind: fc.constant('stored' as const), name: debianName }),
  fc.record(
    {
      kind: fc.constant('debootstrap' as const),
      suite: debianName,
      packages: fc.array(debianName, { maxLength: 3 }),
      files: fc.dictionary(fc.stringMatching(/^\/[a-z0-9 ]{1,8}$/), localPath, { maxKeys: 3, noNullPrototype: true }),
      mirror: fc.constantFrom('http://mirror.example/debian', 'file:///srv'),
    },
    { requiredKeys: ['kind', 'suite', 'packages', 'files'] },
  ),
)

const randomSeed = fc.record(
  {
    userData: trickyText.map((text) => `#cloud-config\n${text}\n`),
    metaData: fc.constantFrom({}, { 'public-keys': ['ssh-ed25519 ${A}'], 'a b': 'yes' }),
    networkConfig: fc.constantFrom('version: 2\n', '{ "version": 1, "config": "disabled" }\n'),
  },
  { requiredKeys: [] },
)

const randomHardware = fc
  .record(
    {
      firmware: fc.constant('uefi' as const),
      cpu: fc.constantFrom('host-passthrough', 'Skylake-Server', 'null'),
      graphics: fc.record(
        {
          type: fc.constantFrom('vnc' as const, 'spice' as const),
          listen: fc.constantFrom('127.0.0.1', '0.0.0.0', '::1'),
          port: fc.integer({ min: 5900, max: 65_535 }),
        },
        { requiredKeys: ['type', 'listen'] },
      ),
    },
    { requiredKeys: [] },
  )
  .filter((hardware) => Object.keys(hardware).length > 0)

function pool(
  name: string,
  host: string,
  images: readonly string[],
  hosts: readonly string[],
  index: number,
): fc.Arbitrary<GuestPoolSpec> {
  const fixed = fc.integer({ min: 0, max: 3 }).map((count) => ({
    count,
    network: {
      kind: 'bridge' as const,
      bridge: 'br1',
      addresses: Array.from({ length: count }, (_, guest) => `10.${index}.0.${guest + 10}/16`),
      ...(count > 0 && { gateway: `10.${index}.1.1` }),
    },
  }))
  const free = fc.record(
    {
      count: fc.integer({ min: 0, max: 40 }),
      network: fc.constantFrom({ kind: 'user' as const }, { kind: 'bridge' as const, bridge: 'br1', addresses: [] }),
    },
    { requiredKeys: ['network'] },
  )
  const rest = fc.record(
    {
      name: fc.constant(name),
      image: fc.constantFrom(...images),
      memoryBytes: sizeBytes,
      vcpus: fc.integer({ min: 1, max: 64 }),
      hardware: randomHardware,
      diskBytes: sizeBytes,
      swapBytes: sizeBytes,
      cloudInit: randomSeed,
      autostart: fc.boolean(),
      host: fc.constantFrom(host, ...hosts),
      drainMs: fc.constantFrom(0, 500, 90_000),
      restart: fc.record({
        afterMs: fc.constantFrom(60_000, 5_000),
        backOffMs: fc.constantFrom(30_000, 1_000),
        limit: fc.integer({ min: 1, max: 9 }),
        withinMs: fc.constantFrom(3_600_000, 86_400_000),
      }),
    },
    { requiredKeys: ['name', 'image', 'memoryBytes', 'vcpus', 'autostart'] },
  )
  // An empty list of addresses is written as DHCP is: it counts as that.
  return fc.tuple(fc.oneof(fixed, free), rest).map(([net, rest]) => ({ ...rest, ...net }))
}

const events = fc.subarray([...eventKinds], { minLength: 1 })
const words = fc.constantFrom('/usr/bin/page', '--to', 'a b', '${X}: "y"', '')
const randomSink: fc.Arbitrary<NotifySink> = fc.oneof(
  fc.record(
    {
      kind: fc.constant('webhook' as const),
      url: fc.constantFrom('https://hooks.example.org/baton?a=b&c=${D}', 'http://[::1]:9000/', 'http://me:p@127.0.0.1'),
      headers: fc.constantFrom({ 'X-Token': '1' }, { a: '', b: '${X}: "y"' }),
      events,
    },
    { requiredKeys: ['kind', 'url'] },
  ),
  fc.record(
    {
      kind: fc.constant('command' as const),
      argv: fc.oneof(
        fc.array(words, { minLength: 1, maxLength: 4 }),
        words.map((line) => ['/bin/sh', '-c', line]),
      ),
      events,
    },
    { requiredKeys: ['kind', 'argv'] },
  ),
)

/** Each is the only one that its printed file can mean. */
const limit = fc.integer({ min: 1000, max: 16_384 })
const randomTuning: fc.Arbitrary<EbpfTuning> = fc.record(
  {
    interfaces: fc.constant(['eth0', 'lo']),
    xdp: fc.constantFrom(...xdpWays),
    limits: fc.record({ connections: fc.constant(20_000), 'half-open': limit, services: limit }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
)

export const randomSpec: fc.Arbitrary<ClusterSpec> = fc
  .tuple(name, hosts, fc.uniqueArray(name, { maxLength: 4 }), fc.array(image, { minLength: 4, maxLength: 4 }))
  .chain(([name, hosts, imageNames, images]) => {
    const [first = ''] = Object.keys(hosts)
    const byName = Object.fromEntries(
      imageNames.map((name, index) => [name, images[index] ?? { kind: 'tiny' as const }]),
    )
    if (!Object.hasOwn(byName, 'tiny')) byName['tiny'] = { kind: 'tiny' }
    return fc
      .uniqueArray(nameWithoutNumber, { maxLength: 4 })
      .chain((pools) =>
        fc.tuple(
          fc.tuple(...pools.map((pool_, index) => pool(pool_, first, Object.keys(byName), Object.keys(hosts), index))),
          fc.uniqueArray(nameWithoutNumber, { maxLength: 4 }).chain((names) => randomServices(names, pools)),
          fc.record(
            {
              hosts: fc.constantFrom(...Object.keys(hosts)).map((host) => [host]),
              engine: fc.constantFrom('auto' as const, 'ebpf' as const),
              settings: randomSettings,
              ebpf: randomTuning,
              notify: fc.array(randomSink, { minLength: 1, maxLength: 3 }),
              // None at which a service stands.
              metrics: fc.record({
                address: fc.constantFrom('127.9.9.9', '::1'),
                port: fc.integer({ min: 1, max: 65_535 }),
              }),
              maintenance: localPath,
              vrrp: randomRouters,
              sync: randomSync(localPath),
            },
            { requiredKeys: ['hosts', 'engine'] },
          ),
        ),
      )
      .map(([pools, services, directors]) => ({
        name,
        hosts,
        images: byName,
        guests: Object.fromEntries(pools.map((pool) => [pool.name, pool])),
        services: Object.fromEntries(services.map((service) => [service.name, service])),
        directors,
      }))
  })
