/** From the file's shape to the model: short forms written out, paths resolved, names put into their things. */
import type { RestartPolicy } from '../../director/control.ts'
import type { EbpfTuning, LimitName, LimitTuning } from '../../engines/ebpf/tuning.ts'
import type { SeedContent } from '../../guests/hypervisor.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { CloudInitShape } from './cloud-init-schema.ts'
import { cloudInitSpec } from './cloud-init-spec.ts'
import { given } from './given.ts'
import { hardwareSpec } from './hardware-spec.ts'
import type { ClusterSpec, GuestPoolSpec, HostSpec, NetworkSpec } from './model.ts'
import { serviceSpec, settingsOf } from './normalize-service.ts'
import { sinkSpecs } from './notify-spec.ts'
import {
  defaultCmdline,
  defaultHost,
  defaultInstall,
  type FileShape,
  type HostShape,
  type ImageShape,
  type PoolShape,
  type RestartShape,
} from './schema.ts'
import type { Path } from './source.ts'
import { syncSpec } from './sync-spec.ts'
import { routerSpecs, standingSpec } from './vrrp-spec.ts'

/** Resolves a path that stands at this place of the file. */
export type ResolvePath = (written: string, path: Path) => string

export type FileReader = {
  readonly resolve: ResolvePath
  /** The text of the file that is named at this place; undefined once it is reported that it cannot be read. */
  readonly read: (written: string, path: Path) => string | undefined
  /** Something is wrong with what stands at this place, or in the file that it names. */
  readonly refuse: (path: Path, message: string, hint?: string) => void
}

/** `file` has passed every check: what is missing here cannot be missing. */
export function normalize(file: FileShape, reader: FileReader): ClusterSpec {
  const { resolve } = reader
  const written = file.hosts ?? {}
  const shapes = Object.keys(written).length === 0 ? { [defaultHost.name]: defaultHost.shape } : written
  const hosts = mapValues(shapes, (name, shape) => hostSpec(name, shape))
  const [firstHost = defaultHost.name] = Object.keys(hosts)
  const images = mapValues(file.images, (name, shape) => imageSpec(name, shape, resolve))
  // Of images that no guest has, too: what is wrong there is said now.
  const seeds = mapValues(file.images, (name, shape) => seedSpec(shape['cloud-init'], ['images', name], reader))
  const usesTiny = Object.values(file.guests).some(({ image }) => image === 'tiny')
  return {
    name: file.name,
    hosts,
    images: usesTiny && !Object.hasOwn(images, 'tiny') ? { ...images, tiny: { kind: 'tiny' } } : images,
    guests: mapValues(file.guests, (name, pool) => ({
      ...poolSpec(name, pool, hosts[pool.host ?? firstHost]),
      ...given('cloudInit', seedSpec(pool['cloud-init'], ['guests', name], reader) ?? seeds[pool.image]),
    })),
    services: mapValues(file.services, (name, shape) =>
      serviceSpec(name, shape, (written, ...key) => resolve(written, ['services', name, ...key])),
    ),
    directors: {
      hosts: file.directors.hosts ?? [firstHost],
      engine: file.directors.engine,
      ...given('ebpf', tuningOf(file)),
      ...given('settings', settingsOf(file.directors)),
      ...given('maintenance', directoryOf(file, resolve)),
      ...given('notify', sinkSpecs(file.directors.notify)),
      ...given('metrics', file.directors.metrics),
      ...given('vrrp', routerSpecs(file.directors.vrrp)),
      ...given('standing', standingSpec(file.directors.standing)),
      ...given(
        'sync',
        syncSpec(file.directors.sync, (written) => resolve(written, ['directors', 'sync', 'key-file'])),
      ),
    },
  }
}

function tuningOf({ directors: { ebpf } }: FileShape): EbpfTuning | undefined {
  if (ebpf === undefined) return undefined
  const { interfaces, xdp, limits } = ebpf
  return { ...given('interfaces', interfaces), ...given('xdp', xdp), ...given('limits', limits && withoutGaps(limits)) }
}

function withoutGaps(limits: Readonly<Partial<Record<LimitName, number | undefined>>>): LimitTuning {
  return Object.fromEntries(Object.entries(limits).filter(([, most]) => most !== undefined))
}

function directoryOf({ directors: { maintenance } }: FileShape, resolve: ResolvePath): string | undefined {
  return maintenance === undefined ? undefined : resolve(maintenance, ['directors', 'maintenance'])
}

function mapValues<A, B>(from: Readonly<Record<string, A>>, change: (name: string, value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, change(name, value)]))
}

function hostSpec(
  name: string,
  { ssh, sudo, hypervisor, bridge, storage, xendomains, capacity, ...others }: HostShape,
): HostSpec {
  const [directory, volumeGroup] = [storage?.dir, storage?.lvm]
  return {
    name,
    ...given('ssh', ssh),
    ...(sudo === true ? { sudo } : {}),
    hypervisor,
    ...given('bridge', bridge),
    ...given('bridgeAddress', others['bridge-address']),
    ...(directory === undefined ? {} : { storage: { kind: 'dir', path: directory } }),
    ...(volumeGroup === undefined ? {} : { storage: { kind: 'lvm', volumeGroup } }),
    ...given(
      'xendomains',
      xendomains && {
        ...given('auto', xendomains.auto),
        ...given('save', xendomains.save),
        ...given('restore', xendomains.restore),
        ...given('migrate', xendomains.migrate),
      },
    ),
    ...given(
      'capacity',
      capacity && {
        ...given('memoryBytes', capacity.memory),
        ...given('vcpus', capacity.vcpus),
        ...given('diskBytes', capacity.disk),
      },
    ),
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
  if (shape.iso !== undefined) return discSpec(at(shape.iso, 'iso'), shape, at)
  if (shape.url !== undefined) return { kind: 'url', url: shape.url, checksum: shape.checksum ?? '' }
  if (shape.stored !== undefined) return { kind: 'stored', name: shape.stored }
  if (shape.debootstrap === undefined) return { kind: 'tiny' }
  return {
    kind: 'debootstrap',
    suite: shape.debootstrap,
    packages: shape.packages ?? [],
    files: mapValues(shape.files ?? {}, (file, local) => at(local, 'files', file)),
    ...given('mirror', shape.mirror),
  }
}

function discSpec(
  path: string,
  { unattended, append, size, memory }: ImageShape,
  at: (written: string, ...key: string[]) => string,
): ImageSpec {
  if (unattended === undefined) return { kind: 'iso', path }
  return {
    kind: 'install',
    path,
    answers: unattended.map((file) => at(file, 'unattended')),
    ...given('append', append),
    sizeBytes: size ?? defaultInstall.sizeBytes,
    memoryBytes: memory ?? defaultInstall.memoryBytes,
  }
}

function seedSpec(shape: CloudInitShape | undefined, owner: Path, reader: FileReader): SeedContent | undefined {
  if (shape === undefined) return undefined
  const place = (key: string): Path => [...owner, 'cloud-init', key]
  return cloudInitSpec(
    shape,
    (written, key) => reader.read(written, place(key)),
    (key, message, hint) => reader.refuse(place(key), message, hint),
  )
}

function poolSpec(name: string, pool: PoolShape, host: HostSpec | undefined): GuestPoolSpec {
  return {
    name,
    ...given('count', pool.count),
    image: pool.image,
    memoryBytes: pool.memory,
    vcpus: pool.vcpus,
    ...given('hardware', hardwareSpec(pool)),
    ...given('diskBytes', pool.disk),
    ...given('swapBytes', pool.swap),
    network: networkSpec(pool.network, host),
    autostart: pool.autostart,
    ...given('host', pool.host),
    ...given('drainMs', pool.drain),
    ...given('restart', pool.restart && restartPolicy(pool.restart)),
  }
}

function restartPolicy({ after, limit, within, ...rest }: RestartShape): RestartPolicy {
  return { afterMs: after, backOffMs: rest['back-off'], limit, withinMs: within }
}

function networkSpec(network: PoolShape['network'], host: HostSpec | undefined): NetworkSpec {
  if (network === 'user') return { kind: 'user' }
  const { bridge, address, addresses, gateway } =
    network === 'dhcp' ? ({} as Exclude<PoolShape['network'], string>) : network
  const fixed = addresses ?? (address === undefined ? [] : [address])
  const name = bridge ?? host?.bridge ?? ''
  const bridgeAddress = name === host?.bridge ? host.bridgeAddress : undefined
  return {
    kind: 'bridge',
    bridge: name,
    ...given('bridgeAddress', bridgeAddress),
    addresses: fixed,
    ...given('gateway', gateway ?? (fixed.length === 0 ? undefined : bridgeAddress?.split('/')[0])),
  }
}
