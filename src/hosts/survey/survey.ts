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
  readonly sysctls: Readonly<Record<string, string>>
  readonly isRebootPending: boolean
  readonly hasBtf: boolean
  /** By their paths: those that are there. */
  readonly files: Readonly<Record<string, string>>
}

/** @throws InfraError as the host's `run` does. */
export async function surveyHost(host: Host, options: CallOptions): Promise<Survey> {
  const { stdout } = await host.run(['sh', '-c', surveyScript], options)
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
    bridges: lines('links').flatMap((line) => /^\d+: ([^:@\s]+).*\bbridge forward_delay/.exec(line)?.[1] ?? []),
    sysctls: Object.fromEntries(lines('sysctls').map((line) => line.split(' ') as [string, string])),
    isRebootPending: of('reboot') !== '',
    hasBtf: of('btf') !== '',
    files: Object.fromEntries(
      [...parts].flatMap(([name, content]) => (name.startsWith('file:') ? [[name.slice(5), content]] : [])),
    ),
  }
}

function installedPackage(line: string): string[] {
  const [name = '', , status] = line.split(' ')
  return status === 'installed' ? [name] : []
}

/** What a family has in common: its package manager and where its boot loader is told. */
export type Family = 'debian' | 'redhat' | 'other'

export function familyOf({ distribution: { id, like } }: Pick<Survey, 'distribution'>): Family {
  const words = [id, ...like]
  if (words.some((word) => word === 'debian' || word === 'ubuntu')) return 'debian'
  return words.some((word) => ['rhel', 'centos', 'fedora'].includes(word)) ? 'redhat' : 'other'
}
