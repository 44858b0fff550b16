/** A host as `baton host` sees it: what is there, parsed from the answers to one command. */
import { osReleaseField } from '../facts.ts'
import type { CallOptions, Host } from '../host.ts'
import { parseParts, surveyScript } from './script.ts'

export type Survey = {
  readonly distribution: {
    readonly id: string
    readonly version: string
    readonly like: readonly string[]
    readonly name: string
  }
  readonly kernel: string
  readonly isRoot: boolean
  readonly cpus: number
  readonly cpuFlags: readonly string[]
  readonly memoryBytes: number
  /** Of the file system of /var/lib. */
  readonly freeBytes: number
  readonly modules: readonly string[]
  readonly devices: readonly string[]
  readonly isXen: boolean
  readonly isDom0: boolean
  /** What the running hypervisor was given; '' without one. */
  readonly xenCommandLine: string
  readonly hasSecureBoot: boolean
  /** What GRUB's menu gives the hypervisor, from dom0_mem on. */
  readonly bootOptions: readonly string[]
  /** Units that libvirt needs and that start with the machine. */
  readonly units: readonly string[]
  readonly packages: ReadonlySet<string>
  /** By their names, without a directory. */
  readonly programs: readonly string[]
  readonly volumeGroups: readonly { readonly name: string; readonly freeBytes: number }[]
  readonly bridges: readonly string[]
  readonly links: readonly Link[]
  /** Devices of the default routes, the first one first. */
  readonly defaultDevices: readonly string[]
  readonly wireless: readonly string[]
  /** The file of systemd-networkd that sets a device up, by the device. */
  readonly networkdFiles: Readonly<Record<string, string>>
  /** NetworkManager's active connections, by their devices. */
  readonly connections: Readonly<Record<string, ActiveConnection>>
  readonly isEfi: boolean
  /** The one that was asked about, when it is there. */
  readonly directories: readonly string[]
  /** The device that was asked about. */
  readonly disk: Disk | undefined
  readonly sysctls: Readonly<Record<string, string>>
  readonly isRebootPending: boolean
  readonly hasBtf: boolean
  /** By their paths: those that are there. */
  readonly files: Readonly<Record<string, string>>
}

export type Link = {
  readonly name: string
  readonly mac: string
  readonly master: string | undefined
  /** `bridge`, `vlan`, `bond`, `veth` …; '' for a plain card. */
  readonly kind: string
}

/** The settings as `nmcli -t` names them. */
export type ActiveConnection = { readonly uuid: string; readonly settings: Readonly<Record<string, string>> }

export type Disk = {
  /** As the kernel names it; undefined: there is no such device. */
  readonly path: string | undefined
  readonly sizeBytes: number
  /** What is on it, in words; empty: nothing at all. */
  readonly holds: readonly string[]
  /** The volume group that it is a part of. */
  readonly group: string | undefined
}

/** Looked at, too, when they are named: a disk, and a directory. */
export type Asked = { readonly device?: string; readonly directory?: string }

/** @throws InfraError as the host's `run` does. */
export async function surveyHost(
  host: Host,
  { device = '', directory = '', ...options }: CallOptions & Asked,
): Promise<Survey> {
  const { stdout } = await host.run(['sh', '-c', surveyScript, 'sh', device, directory], options)
  return parseSurvey(stdout)
}

export function parseSurvey(text: string): Survey {
  const parts = parseParts(text)
  const of = (name: string): string => (parts.get(name) ?? '').trim()
  const lines = (name: string): string[] =>
    of(name)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '')
  const release = of('os-release')
  const isXen = of('hypervisor') === 'xen'
  const links = lines('links').flatMap(parseLink)
  return {
    distribution: {
      id: osReleaseField(release, 'ID'),
      version: osReleaseField(release, 'VERSION_ID'),
      like: osReleaseField(release, 'ID_LIKE')
        .split(' ')
        .filter((word) => word !== ''),
      name: osReleaseField(release, 'PRETTY_NAME'),
    },
    kernel: of('kernel'),
    isRoot: of('uid') === '0',
    cpus: Number(of('cpus')),
    cpuFlags: of('cpuinfo')
      .replace(/^\w+\s*:\s*/, '')
      .split(' '),
    memoryBytes: Number(/^MemTotal:\s+(\d+) kB/m.exec(of('meminfo'))?.[1] ?? 0) * 1024,
    freeBytes: Number(lines('space').at(-1)?.split(/\s+/)[3] ?? 0) * 1024,
    modules: lines('modules'),
    devices: lines('devices'),
    isXen,
    isDom0: isXen && of('xen-capabilities').includes('control_d'),
    xenCommandLine: of('xen-commandline'),
    hasSecureBoot: of('secure-boot').includes('SecureBoot enabled'),
    bootOptions: lines('grub-options'),
    units: lines('units'),
    packages: new Set(lines('packages').flatMap(installedPackage)),
    programs: lines('programs').map((path) => path.slice(path.lastIndexOf('/') + 1)),
    volumeGroups: lines('volume-groups').map((line) => {
      const [name = '', , free = ''] = line.split('|')
      return { name, freeBytes: Number(free) }
    }),
    bridges: links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name),
    links,
    defaultDevices: [...new Set(lines('routes').flatMap((line) => / dev (\S+)/.exec(line)?.[1] ?? []))],
    wireless: lines('wireless').flatMap((path) => path.split('/').at(-2) ?? []),
    networkdFiles: Object.fromEntries(
      lines('networkd-files')
        .map((line) => line.split(' ') as [string, string])
        .filter(([, path]) => path.startsWith('/')),
    ),
    connections: parseConnections(lines('connections'), lines('connection-settings')),
    isEfi: of('firmware') === 'efi',
    directories: lines('directory'),
    disk: parseDisk(lines('disk')),
    sysctls: Object.fromEntries(lines('sysctls').map((line) => line.split(' ') as [string, string])),
    isRebootPending: of('reboot') !== '',
    hasBtf: of('btf') !== '',
    files: Object.fromEntries(
      [...parts].flatMap(([name, content]) => (name.startsWith('file:') ? [[name.slice(5), content]] : [])),
    ),
  }
}

/** What `ip -d` calls a kind stands at the beginning of a part of its own; a plain card has none. */
const linkKind =
  /\b(bridge forward_delay|vlan protocol|bond mode|veth|tun type|wireguard|macvlan|macvtap|ipvlan|vxlan|dummy|team|vrf table|gre|ipip|sit|ppp)\b/

function parseLink(line: string): Link[] {
  const [, name] = /^\d+: ([^:@\s]+)/.exec(line) ?? []
  if (name === undefined || line.includes('link/loopback')) return []
  const kind = linkKind.exec(line.slice(line.indexOf('link/')))?.[1]?.split(' ')[0] ?? ''
  const mac = /link\/ether ([0-9a-f:]{17})/.exec(line)?.[1] ?? ''
  return [{ name, mac, master: / master (\S+)/.exec(line)?.[1], kind }]
}

/** Values of `nmcli -t` have their colons escaped. */
function parseConnections(active: readonly string[], settings: readonly string[]): Survey['connections'] {
  const byUuid = new Map<string, Record<string, string>>()
  let current: Record<string, string> = {}
  for (const line of settings) {
    const at = line.indexOf(':')
    const [name, value] = [line.slice(0, at), line.slice(at + 1).replaceAll('\\:', ':')]
    if (name === 'uuid') byUuid.set(value, (current = {}))
    else current[name] = value
  }
  return Object.fromEntries(
    active.flatMap((line) => {
      const [device = '', uuid = ''] = line.split(':')
      return device === '' ? [] : [[device, { uuid, settings: byUuid.get(uuid) ?? {} }]]
    }),
  )
}

function parseDisk(found: readonly string[]): Disk | undefined {
  if (found.length === 0) return undefined
  const of = (word: string): string[] =>
    found.flatMap((line) => (line === word || line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
  const [path, size] = (of('device')[0] ?? '').split(' ')
  const group = of('group').find((name) => name !== '')
  const signatures = of('signature').map((kind) => `a signature of ${kind}`)
  const holds = [
    ...of('mounted').map((place) => `a file system mounted on ${place}`),
    ...of('swap').map(() => 'swap in use'),
    ...of('used').map((by) => `a part of ${by}`),
    ...of('holds').map((line) => `${line.split(' ')[0]} on it`),
    ...signatures,
  ]
  const unknown = holds.length === 0 && of('data').length > 0 ? ['data that is not zero'] : []
  return { path: path === '' ? undefined : path, sizeBytes: Number(size ?? 0), holds: [...holds, ...unknown], group }
}

function installedPackage(line: string): string[] {
  const [name = '', , status] = line.split(' ')
  return status === 'installed' ? [name] : []
}

/** What a family has in common: its package manager and where its boot loader is told. */
export type Family = 'debian' | 'redhat' | 'other'

type Named = { readonly distribution: Pick<Survey['distribution'], 'id' | 'like'> }

const redhatKin: ReadonlySet<string> = new Set(['rhel', 'centos', 'fedora', 'rocky', 'almalinux', 'ol'])

export function familyOf({ distribution: { id, like } }: Named): Family {
  const words = [id, ...like]
  if (words.some((word) => word === 'debian' || word === 'ubuntu')) return 'debian'
  return words.some((word) => redhatKin.has(word)) ? 'redhat' : 'other'
}
