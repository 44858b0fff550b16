/** Builders for tests: a small cluster's spec, as `parseSpec` would give it, and random ones. */
import fc from 'fast-check'
import type { ClusterSpec, GuestPoolSpec, HostSpec, ServiceSpec } from '../../src/cluster/spec/model.ts'
import { buildService } from './services.ts'

export const mebibyte = 1024 ** 2

export function buildPool(name: string, changes: Partial<GuestPoolSpec> = {}): GuestPoolSpec {
  return {
    name,
    count: 2,
    image: 'tiny',
    memoryBytes: 128 * mebibyte,
    vcpus: 1,
    network: { kind: 'user' },
    autostart: false,
    ...changes,
  }
}

export function buildServiceSpec(name: string, changes: Partial<ServiceSpec> = {}): ServiceSpec {
  return {
    name,
    service: buildService(),
    forwarding: 'masq',
    servers: [{ kind: 'guests', guests: 'web', port: 80, weight: 1 }],
    checks: [{ probe: { kind: 'tcp' }, everyMs: 10, timeoutMs: 100, rise: 1, fall: 1 }],
    onFailure: 'drain',
    ...changes,
  }
}

type SpecChanges = {
  readonly hosts?: readonly HostSpec[]
  readonly guests?: readonly GuestPoolSpec[]
  readonly services?: readonly ServiceSpec[]
  readonly images?: ClusterSpec['images']
}

const byName = <T extends { readonly name: string }>(things: readonly T[]): Record<string, T> =>
  Object.fromEntries(things.map((thing) => [thing.name, thing]))

/** Two guests `web-1` and `web-2` behind one service, on the pretended host `local`. */
export function buildSpec(changes: SpecChanges = {}): ClusterSpec {
  const hosts = changes.hosts ?? [{ name: 'local', hypervisor: 'fake' }]
  return {
    name: 'shop',
    hosts: byName(hosts),
    images: changes.images ?? {},
    guests: byName(changes.guests ?? [buildPool('web')]),
    services: byName(changes.services ?? [buildServiceSpec('www')]),
    directors: { hosts: [hosts[0]?.name ?? 'local'], engine: 'fake' },
  }
}

const poolNames = ['web', 'db', 'mail'] as const

const pool = (name: string): fc.Arbitrary<GuestPoolSpec> =>
  fc
    .record({
      count: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      image: fc.constantFrom('tiny', 'other'),
      memory: fc.constantFrom(64, 128),
      vcpus: fc.constantFrom(1, 2),
      disk: fc.option(fc.constantFrom(1, 2), { nil: undefined }),
      host: fc.constantFrom('h1', 'h2'),
      autostart: fc.boolean(),
    })
    .map(({ count, image, memory, vcpus, disk, host, autostart }) => {
      const { count: _count, ...rest } = buildPool(name, {
        image,
        memoryBytes: memory * mebibyte,
        vcpus,
        host,
        autostart,
      })
      return {
        ...rest,
        ...(count === undefined ? {} : { count }),
        ...(disk === undefined ? {} : { diskBytes: disk * 1024 * mebibyte }),
      }
    })

/** Any cluster of up to three pools on two pretended hosts, each pool perhaps behind a service. */
export const anySpec: fc.Arbitrary<ClusterSpec> = fc
  .record({
    pools: fc.tuple(...poolNames.map((name) => fc.option(pool(name), { nil: undefined }))),
    served: fc.subarray([...poolNames]),
    scheduler: fc.constantFrom('rr', 'wlc' as const),
    weight: fc.integer({ min: 1, max: 3 }),
    port: fc.constantFrom(80, 81),
  })
  .map(({ pools, served, scheduler, weight, port }) => {
    const guests = pools.filter((one) => one !== undefined)
    return buildSpec({
      hosts: [
        { name: 'h1', hypervisor: 'fake' },
        { name: 'h2', hypervisor: 'fake' },
      ],
      images: { other: { kind: 'kernel', kernel: '/k', cmdline: '' } },
      guests,
      services: guests
        .filter(({ name }) => served.includes(name as (typeof poolNames)[number]))
        .map(({ name }, index) =>
          buildServiceSpec(name, {
            service: buildService({
              scheduler,
              id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 8000 + index },
            }),
            servers: [{ kind: 'guests', guests: name, port, weight }],
          }),
        ),
    })
  })
