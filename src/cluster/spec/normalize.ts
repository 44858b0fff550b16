/** From the file's shape to the model: short forms written out, paths resolved, names put into their things. */
import type { ImageSpec } from '../../guests/images/image.ts'
import type { CheckSpec, ProbeSpec } from '../../health/check.ts'
import { familyOf } from '../../lvs/service.ts'
import type { ClusterSpec, GuestPoolSpec, HostSpec, NetworkSpec, ServerSpec, ServiceSpec } from './model.ts'
import {
  type CheckShape,
  defaultCheck,
  defaultCmdline,
  defaultHost,
  type FileShape,
  type HostShape,
  type ImageShape,
  type PoolShape,
  type ServiceShape,
} from './schema.ts'
import type { Path } from './source.ts'

/** Resolves a path that stands at this place of the file. */
export type ResolvePath = (written: string, path: Path) => string

/** `file` has passed every check: what is missing here cannot be missing. */
export function normalize(file: FileShape, resolve: ResolvePath): ClusterSpec {
  const written = file.hosts ?? {}
  const shapes = Object.keys(written).length === 0 ? { [defaultHost.name]: defaultHost.shape } : written
  const hosts = mapValues(shapes, (name, shape) => hostSpec(name, shape))
  const [firstHost = defaultHost.name] = Object.keys(hosts)
  const images = mapValues(file.images, (name, shape) => imageSpec(name, shape, resolve))
  const usesTiny = Object.values(file.guests).some(({ image }) => image === 'tiny')
  return {
    name: file.name,
    hosts,
    images: usesTiny && !Object.hasOwn(images, 'tiny') ? { ...images, tiny: { kind: 'tiny' } } : images,
    guests: mapValues(file.guests, (name, pool) => poolSpec(name, pool, hosts[pool.host ?? firstHost])),
    services: mapValues(file.services, serviceSpec),
    directors: { hosts: file.directors.hosts ?? [firstHost], engine: file.directors.engine },
  }
}

function mapValues<A, B>(from: Readonly<Record<string, A>>, change: (name: string, value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, change(name, value)]))
}

/** A part of an object, left out where there is no value. */
function given<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: T })
}

function hostSpec(name: string, { hypervisor, bridge, storage }: HostShape): HostSpec {
  const directory = storage?.dir
  return {
    name,
    hypervisor,
    ...given('bridge', bridge),
    ...(directory === undefined ? {} : { storage: { kind: 'dir', path: directory } }),
  }
}

function imageSpec(name: string, shape: ImageShape, resolve: ResolvePath): ImageSpec {
  const at = (written: string, ...key: string[]): string => resolve(written, ['images', name, ...key])
  if (shape.kernel !== undefined)
    return {
      kind: 'kernel',
      kernel: at(shape.kernel, 'kernel'),
      ...given('initrd', shape.initrd === undefined ? undefined : at(shape.initrd, 'initrd')),
      cmdline: shape.cmdline ?? defaultCmdline,
    }
  if (shape.disk !== undefined) return { kind: 'disk', path: at(shape.disk, 'disk') }
  if (shape.debootstrap === undefined) return { kind: 'tiny' }
  return {
    kind: 'debootstrap',
    suite: shape.debootstrap,
    packages: shape.packages ?? [],
    files: mapValues(shape.files ?? {}, (file, local) => at(local, 'files', file)),
    ...given('mirror', shape.mirror),
  }
}

function poolSpec(name: string, pool: PoolShape, host: HostSpec | undefined): GuestPoolSpec {
  return {
    name,
    ...given('count', pool.count),
    image: pool.image,
    memoryBytes: pool.memory,
    vcpus: pool.vcpus,
    ...given('diskBytes', pool.disk),
    network: networkSpec(pool.network, host),
    autostart: pool.autostart,
    ...given('host', pool.host),
  }
}

function networkSpec(network: PoolShape['network'], host: HostSpec | undefined): NetworkSpec {
  if (network === 'user') return { kind: 'user' }
  const { bridge, address, addresses, gateway } =
    network === 'dhcp' ? ({} as Exclude<PoolShape['network'], string>) : network
  return {
    kind: 'bridge',
    bridge: bridge ?? host?.bridge ?? '',
    addresses: addresses ?? (address === undefined ? [] : [address]),
    ...given('gateway', gateway),
  }
}

function serviceSpec(name: string, shape: ServiceShape): ServiceSpec {
  const { address, port } = shape.address
  const persistence =
    shape.persistence === undefined
      ? undefined
      : { timeoutSeconds: shape.persistence / 1000, mask: familyOf(address) === 'ipv4' ? '255.255.255.255' : '128' }
  const idleMs = shape['idle-timeout']
  return {
    name,
    service: {
      id: { kind: 'address', protocol: shape.protocol, address, port },
      scheduler: shape.scheduler,
      schedulerFlags: [],
      ...given('persistence', persistence),
      onePacket: false,
      ...given('idleTimeoutSeconds', idleMs === undefined ? undefined : idleMs / 1000),
      ...given('proxyProtocol', shape['proxy-protocol']),
    },
    forwarding: shape.forwarding,
    servers: shape.servers.map(serverSpec),
    ...given('check', shape.check === undefined ? undefined : checkSpec(shape.check)),
    onFailure: shape['on-failure'],
    ...given('fallback', shape.fallback),
  }
}

function serverSpec({ guests, port, address, weight }: ServiceShape['servers'][number]): ServerSpec {
  if (address !== undefined) return { kind: 'address', endpoint: address, weight }
  return { kind: 'guests', guests: guests ?? '', port: port ?? 0, weight }
}

function checkSpec(shape: NonNullable<ServiceShape['check']>): CheckSpec {
  const check: CheckShape = shape === 'tcp' ? defaultCheck : shape
  const { every, timeout, rise, fall, port } = check
  return { probe: probeSpec(check), ...given('port', port), everyMs: every, timeoutMs: timeout, rise, fall }
}

function probeSpec({ http, status, body, host, tls }: CheckShape): ProbeSpec {
  if (http === undefined) return { kind: 'tcp' }
  const options =
    tls === true ? { verify: false } : tls === false ? undefined : { verify: tls.verify, ...given('sni', tls.sni) }
  return { kind: 'http', path: http, status, ...given('body', body), ...given('host', host), ...given('tls', options) }
}
