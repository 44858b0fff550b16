/** From the spec to a file that says the same: what the schema's defaults say is left out. */
import { stringify } from 'yaml'
import { Bug } from '../../errors.ts'
import type { ImageSpec } from '../../guests/images/image.ts'
import type { CheckSpec, HttpCheckSpec } from '../../health/check.ts'
import { familyOf, formatEndpoint } from '../../lvs/service.ts'
import { formatDuration } from './duration.ts'
import type { ClusterSpec, GuestPoolSpec, HostSpec, NetworkSpec, ServerSpec, ServiceSpec } from './model.ts'
import { defaultCheck, defaultCmdline, defaultHost, defaultPool, defaultService } from './schema.ts'
import { formatSize } from './size.ts'

type Written = Record<string, unknown>

/** YAML text for which parseSpec gives an equal spec. @throws Bug for what the file has no words for (firewall marks …). */
export function printSpec(spec: ClusterSpec): string {
  const hosts = Object.values(spec.hosts)
  const [first] = hosts
  const isDefaultHost = hosts.length === 1 && first !== undefined && isBare(first) && first.name === defaultHost.name
  const directors = {
    hosts:
      spec.directors.hosts.length === 1 && spec.directors.hosts[0] === first?.name ? undefined : spec.directors.hosts,
    engine: spec.directors.engine === 'auto' ? undefined : spec.directors.engine,
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

function unless<T>(usual: T, value: T): T | undefined {
  return value === usual ? undefined : value
}

function isBare({ hypervisor, bridge, storage, ssh }: HostSpec): boolean {
  return (
    hypervisor === defaultHost.shape.hypervisor && bridge === undefined && storage === undefined && ssh === undefined
  )
}

function hostText({ ssh, hypervisor, bridge, storage }: HostSpec): Written {
  const place = storage?.kind === 'dir' ? { dir: storage.path } : storage && { lvm: storage.volumeGroup }
  return { ssh, hypervisor: unless(defaultHost.shape.hypervisor, hypervisor), bridge, storage: place }
}

function imageText(image: ImageSpec): Written {
  switch (image.kind) {
    case 'tiny':
      return { builtin: 'tiny' }
    case 'kernel':
      return { kernel: image.kernel, initrd: image.initrd, cmdline: unless(defaultCmdline, image.cmdline) }
    case 'disk':
      return { disk: image.path }
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
    disk: pool.diskBytes === undefined ? undefined : formatSize(pool.diskBytes),
    network: networkText(pool.network),
    autostart: unless(defaultPool.autostart, pool.autostart),
    host: pool.host,
  }
}

function networkText(network: NetworkSpec): Written | undefined {
  if (network.kind === 'user') return undefined
  const { bridge, addresses, gateway } = network
  return { bridge, addresses: addresses.length === 0 ? undefined : addresses, gateway }
}

function serviceText({ name, service, forwarding, servers, check, onFailure, fallback }: ServiceSpec): Written {
  const { id, scheduler, persistence, idleTimeoutSeconds, proxyProtocol } = service
  const fullMask = id.kind === 'address' && familyOf(id.address) === 'ipv6' ? '128' : '255.255.255.255'
  const hasMore = persistence !== undefined && (persistence.mask !== fullMask || persistence.engine !== undefined)
  if (id.kind !== 'address' || service.onePacket || service.schedulerFlags.length > 0 || hasMore)
    throw new Bug(`the file has no words for all of the service ${name}`)
  return {
    address: formatEndpoint(id),
    protocol: unless<string>(defaultService.protocol, id.protocol),
    scheduler: unless(defaultService.scheduler, scheduler),
    forwarding: unless(defaultService.forwarding, forwarding),
    persistence: persistence && formatDuration(persistence.timeoutSeconds * 1000),
    servers: servers.map(serverText),
    check: check && checkText(check),
    'on-failure': unless(defaultService['on-failure'], onFailure),
    fallback: fallback && formatEndpoint(fallback),
    'idle-timeout': idleTimeoutSeconds === undefined ? undefined : formatDuration(idleTimeoutSeconds * 1000),
    'proxy-protocol': proxyProtocol,
  }
}

function serverText(server: ServerSpec): Written {
  const weight = unless(1, server.weight)
  if (server.kind === 'address') return { address: formatEndpoint(server.endpoint), weight }
  return { guests: server.guests, port: server.port, weight }
}

function checkText({ probe, port, everyMs, timeoutMs, rise, fall }: CheckSpec): Written {
  return {
    ...(probe.kind === 'tcp' ? { tcp: true } : httpText(probe)),
    port,
    every: unless(formatDuration(defaultCheck.every), formatDuration(everyMs)),
    timeout: unless(formatDuration(defaultCheck.timeout), formatDuration(timeoutMs)),
    rise: unless(defaultCheck.rise, rise),
    fall: unless(defaultCheck.fall, fall),
  }
}

function httpText({ path, status, body, host, tls }: HttpCheckSpec): Written {
  const codes = status.map((code) => (typeof code === 'number' ? code : `${code[0]}-${code[1]}`))
  const isUsual = codes.length === 1 && codes[0] === defaultCheck.status[0]
  const options = tls && (tls.verify || tls.sni !== undefined ? { verify: tls.verify, sni: tls.sni } : true)
  return { http: path, status: isUsual ? undefined : codes.length === 1 ? codes[0] : codes, body, host, tls: options }
}
