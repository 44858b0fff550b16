/** From the spec to a file that says the same: what the schema's defaults say is left out. */
import { stringify } from 'yaml'
import type { RestartPolicy } from '../../director/control.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import { cloudInitText } from './cloud-init-spec.ts'
import { formatDuration } from './duration.ts'
import { hardwareText } from './hardware-spec.ts'
import type { ClusterSpec, GuestPoolSpec, HostSpec, NetworkSpec } from './model.ts'
import { sinkText } from './notify-spec.ts'
import { serviceText, settingsText } from './print-service.ts'
import { defaultCmdline, defaultHost, defaultPool, defaultRestart } from './schema.ts'
import { formatSize } from './size.ts'
import { syncText } from './sync-spec.ts'
import { routersText } from './vrrp-spec.ts'
import { unless, type Written } from './written.ts'

/** YAML text for which parseSpec gives an equal spec. */
export function printSpec(spec: ClusterSpec): string {
  const hosts = Object.values(spec.hosts)
  const [first] = hosts
  const isDefaultHost = hosts.length === 1 && first !== undefined && isBare(first) && first.name === defaultHost.name
  const directors = {
    hosts:
      spec.directors.hosts.length === 1 && spec.directors.hosts[0] === first?.name ? undefined : spec.directors.hosts,
    engine: spec.directors.engine === 'auto' ? undefined : spec.directors.engine,
    ebpf: spec.directors.ebpf,
    ...settingsText(spec.directors.settings),
    maintenance: spec.directors.maintenance,
    notify: spec.directors.notify?.map(sinkText),
    metrics: spec.directors.metrics && formatEndpoint(spec.directors.metrics),
    vrrp: routersText(spec.directors.vrrp),
    standing: spec.directors.standing,
    sync: syncText(spec.directors.sync),
  }
  const file = {
    name: spec.name,
    hosts: isDefaultHost ? undefined : named(hosts, hostText),
    images: mapOrNothing(Object.entries(spec.images).map(([name, image]) => [name, imageText(image)])),
    guests: named(Object.values(spec.guests), poolText),
    services: named(Object.values(spec.services), serviceText),
    directors: mapOrNothing(Object.entries(directors).filter(([, value]) => value !== undefined)),
  }
  return stringify(escape(file), { lineWidth: 0, aliasDuplicateObjects: false, version: '1.2' })
}

function named<T extends { readonly name: string }>(
  things: readonly T[],
  text: (thing: T) => Written,
): Written | undefined {
  return mapOrNothing(things.map((thing) => [thing.name, text(thing)]))
}

function mapOrNothing(entries: readonly (readonly [string, unknown])[]): Written | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Leaves out what has no value, and doubles dollar signs: they would begin variables. */
function escape(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('$', '$$$$')
  if (Array.isArray(value)) return value.map(escape)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (inner === undefined ? [] : [[key, escape(inner)]])),
  )
}

function isBare({ hypervisor, bridge, storage, ssh, capacity }: HostSpec): boolean {
  return (
    hypervisor === defaultHost.shape.hypervisor &&
    bridge === undefined &&
    storage === undefined &&
    ssh === undefined &&
    capacity === undefined
  )
}

function hostText({ ssh, sudo, hypervisor, bridge, bridgeAddress, storage, xendomains, capacity }: HostSpec): Written {
  const sizeText = (bytes: number | undefined) => (bytes === undefined ? undefined : formatSize(bytes))
  const gives = capacity && {
    memory: sizeText(capacity.memoryBytes),
    vcpus: capacity.vcpus,
    disk: sizeText(capacity.diskBytes),
  }
  const place = storage?.kind === 'dir' ? { dir: storage.path } : storage && { lvm: storage.volumeGroup }
  const machine = { ssh, sudo, hypervisor: unless(defaultHost.shape.hypervisor, hypervisor) }
  return { ...machine, bridge, 'bridge-address': bridgeAddress, storage: place, xendomains, capacity: gives }
}

function imageText(image: ImageSpec): Written {
  switch (image.kind) {
    case 'tiny':
      return { builtin: 'tiny' }
    case 'kernel':
      return { kernel: image.kernel, initrd: image.initrd, cmdline: unless(defaultCmdline, image.cmdline) }
    case 'disk':
      return { disk: image.path }
    case 'iso':
      return { iso: image.path }
    case 'install':
      return {
        iso: image.path,
        unattended: image.answers,
        append: image.append,
        size: formatSize(image.sizeBytes),
        memory: formatSize(image.memoryBytes),
      }
    case 'url':
      return { url: image.url, checksum: image.checksum }
    case 'stored':
      return { stored: image.name }
    case 'debootstrap':
      return {
        debootstrap: image.suite,
        packages: image.packages.length === 0 ? undefined : image.packages,
        files: mapOrNothing(Object.entries(image.files)),
        mirror: image.mirror,
      }
    default:
      return image satisfies never
  }
}

function poolText(pool: GuestPoolSpec): Written {
  return {
    count: pool.count,
    image: pool.image,
    memory: unless(formatSize(defaultPool.memory), formatSize(pool.memoryBytes)),
    vcpus: unless(defaultPool.vcpus, pool.vcpus),
    ...hardwareText(pool.hardware),
    disk: pool.diskBytes === undefined ? undefined : formatSize(pool.diskBytes),
    swap: pool.swapBytes === undefined ? undefined : formatSize(pool.swapBytes),
    'cloud-init': pool.cloudInit && cloudInitText(pool.cloudInit),
    network: networkText(pool.network),
    autostart: unless(defaultPool.autostart, pool.autostart),
    host: pool.host,
    drain: pool.drainMs === undefined ? undefined : formatDuration(pool.drainMs),
    restart: pool.restart && restartText(pool.restart),
  }
}

function restartText({ afterMs, backOffMs, limit, withinMs }: RestartPolicy): Written {
  const time = (usual: number, ms: number): string | undefined => (ms === usual ? undefined : formatDuration(ms))
  return {
    after: time(defaultRestart.after, afterMs),
    'back-off': time(defaultRestart['back-off'], backOffMs),
    limit: unless(defaultRestart.limit, limit),
    within: time(defaultRestart.within, withinMs),
  }
}

function networkText(network: NetworkSpec): Written | undefined {
  if (network.kind === 'user') return undefined
  const { bridge, addresses, gateway } = network
  return { bridge, addresses: addresses.length === 0 ? undefined : addresses, gateway }
}
