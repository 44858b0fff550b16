/** Random specs that a file can say, for property tests. */
import fc from 'fast-check'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { CheckSpec } from '../../health/check.ts'
import { parseAddress } from '../../lvs/address.ts'
import { type Endpoint, familyOf, formatEndpoint, schedulerNames } from '../../lvs/service.ts'
import type { ClusterSpec, GuestPoolSpec, HostSpec, ServerSpec, ServiceSpec } from './model.ts'

const mebibyte = 1024 ** 2

const name = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,12}[a-z0-9]$/),
  // Names that YAML or JavaScript would take for something else.
  fc.constantFrom('null', 'true', '1e5', '0x1f', 'constructor', 'toString', 'y', 'No', 'tiny'),
)
/** `web-2` could be a guest of `web`. */
const nameWithoutNumber = name.filter((name) => !/-[0-9]+$/.test(name))
const port = fc.integer({ min: 1, max: 65_535 })
const ipv6 = fc.ipV6().map((text) => parseAddress(text) ?? '::')
const address = fc.oneof(fc.ipV4(), ipv6)
const endpoint: fc.Arbitrary<Endpoint> = fc.record({ address, port })
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
  fc.record(
    {
      name: fc.constant(name),
      hypervisor: fc.constant('fake' as const),
      bridge: fc.constantFrom('br0', 'xenbr0', '1'),
      storage: fc.record({ kind: fc.constant('dir' as const), path: localPath }),
    },
    { requiredKeys: ['name', 'hypervisor'] },
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
  fc.record({ kind: fc.constant('disk' as const), path: localPath }),
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

const check: fc.Arbitrary<CheckSpec> = fc.record(
  {
    probe: fc.oneof(
      fc.constant({ kind: 'tcp' as const }),
      fc.record(
        {
          kind: fc.constant('http' as const),
          path: fc.stringMatching(/^\/[!-~]{0,10}$/),
          status: fc.array(
            fc.oneof(
              fc.integer({ min: 100, max: 599 }),
              fc.tuple(fc.integer({ min: 100, max: 300 }), fc.integer({ min: 300, max: 599 })),
            ),
            { minLength: 1, maxLength: 3 },
          ),
          body: fc.constantFrom('ok', '^a$', '${X}', '[0-9]+: "$"', '12'),
          host: fc.constantFrom('example.org', '12', '[::1]:80'),
          tls: fc.record(
            { verify: fc.boolean(), sni: fc.constantFrom('example.org', '12') },
            { requiredKeys: ['verify'] },
          ),
        },
        { requiredKeys: ['kind', 'path', 'status'] },
      ),
    ),
    port,
    everyMs: fc.integer({ min: 10, max: 86_400_000 }),
    timeoutMs: fc.integer({ min: 10, max: 86_400_000 }),
    rise: fc.integer({ min: 1, max: 1000 }),
    fall: fc.integer({ min: 1, max: 1000 }),
  },
  { requiredKeys: ['probe', 'everyMs', 'timeoutMs', 'rise', 'fall'] },
)

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
      diskBytes: sizeBytes,
      autostart: fc.boolean(),
      host: fc.constantFrom(host, ...hosts),
    },
    { requiredKeys: ['name', 'image', 'memoryBytes', 'vcpus', 'autostart'] },
  )
  // An empty list of addresses is written as DHCP is: it counts as that.
  return fc.tuple(fc.oneof(fixed, free), rest).map(([net, rest]) => ({ ...rest, ...net }))
}

function service(name: string, index: number, pools: readonly string[]): fc.Arbitrary<ServiceSpec> {
  const server: fc.Arbitrary<ServerSpec> = fc.oneof(
    fc.record({ kind: fc.constant('address' as const), endpoint, weight: fc.integer({ min: 0, max: 65_535 }) }),
    ...(pools.length === 0
      ? []
      : [
          fc.record({
            kind: fc.constant('guests' as const),
            guests: fc.constantFrom(...pools),
            port,
            weight: fc.integer({ min: 0, max: 9 }),
          }),
        ]),
  )
  const key = (server: ServerSpec): string =>
    server.kind === 'address' ? formatEndpoint(server.endpoint) : `${server.guests} ${server.port}`
  return fc
    .tuple(
      fc.constantFrom('tcp' as const, 'udp' as const),
      fc.oneof(
        fc.ipV4().map((text) => text.replace(/^\d+/, '192')),
        fc.constantFrom('0.0.0.0', '::', 'fd00::1'),
      ),
      fc.record({ timeoutSeconds: fc.integer({ min: 1, max: 2_678_400 }) }),
      fc.record(
        {
          scheduler: fc.constantFrom(...schedulerNames),
          isPersistent: fc.boolean(),
          idleTimeoutSeconds: fc.integer({ min: 1, max: 604_800 }),
          proxyProtocol: fc.constantFrom('v1' as const, 'v2' as const),
        },
        { requiredKeys: ['scheduler', 'isPersistent'] },
      ),
      fc.record(
        {
          name: fc.constant(name),
          forwarding: fc.constantFrom('masq' as const, 'tunnel' as const, 'direct' as const, 'local' as const),
          servers: fc.uniqueArray(server, { selector: key, maxLength: 4 }),
          check,
          onFailure: fc.constantFrom('drain' as const, 'remove' as const),
          fallback: endpoint,
        },
        { requiredKeys: ['name', 'forwarding', 'servers', 'onFailure'] },
      ),
    )
    .map(([protocol, address, persistence, { isPersistent, ...more }, rest]): ServiceSpec => {
      // Every service has a port of its own, and none that its servers could have.
      const id = { kind: 'address' as const, protocol, address, port: 60_000 + index }
      const mask = familyOf(address) === 'ipv4' ? '255.255.255.255' : '128'
      const kept = isPersistent ? { persistence: { ...persistence, mask } } : {}
      return { ...rest, service: { id, schedulerFlags: [], onePacket: false, ...more, ...kept } }
    })
}

/** Each is the only one that its printed file can mean. */
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
          fc
            .uniqueArray(nameWithoutNumber, { maxLength: 4 })
            .chain((names) => fc.tuple(...names.map((name, index) => service(name, index, pools)))),
          fc.record({
            hosts: fc.constantFrom(...Object.keys(hosts)).map((host) => [host]),
            engine: fc.constantFrom('auto' as const, 'userspace' as const, 'fake' as const),
          }),
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
