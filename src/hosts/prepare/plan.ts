/** What a host still needs for its role: steps from what is there, each with the very commands or the file it writes. */
import { InfraError } from '../../errors.ts'
import type { Role } from '../survey/checks.ts'
import { type Family, familyOf, type Survey } from '../survey/survey.ts'
import { misspelledXenOptions, xenLinesOfGrub } from '../survey/xen-options.ts'

export type Step = {
  readonly what: string
  /** Why it is needed: what was found. */
  readonly reason: string
  readonly undo: string
  readonly file?: { readonly path: string; readonly before: string; readonly after: string }
  /** Run in this order, after the file was written. */
  readonly commands: readonly (readonly string[])[]
}

export type Dom0 = { readonly memory: string; readonly vcpus: number }

/**
 * Only what is not there yet; empty: the host is ready.
 * @throws InfraError `unsupported` or `invalid`, before anything was changed, for what cannot be prepared.
 */
export function planPreparation(survey: Survey, role: Role, dom0: Dom0): Step[] {
  const family = familyOf(survey)
  refuse(survey, family, role, dom0)
  return [
    ...packageSteps(survey, family, role),
    ...moduleSteps(survey, role),
    ...sysctlSteps(survey, role),
    ...serviceSteps(survey, family, role),
    ...(role === 'xen' ? bootSteps(survey, family, dom0) : []),
  ]
}

function refuse(survey: Survey, family: Family, role: Role, dom0: Dom0): void {
  const { id, version, name } = survey.distribution
  const error = (code: InfraError['code'], message: string, hint: string): InfraError =>
    new InfraError(code, message, { subject: name, hint })
  if (family === 'other')
    throw error('unsupported', `${name || 'this system'} cannot be prepared`, 'Debian, Ubuntu, RHEL and their kin can')
  if (!survey.isRoot) throw error('permission', 'a host is prepared by root', 'log in as root, or add --sudo')
  if (role !== 'xen') return
  if (family === 'redhat' && !(id === 'centos' && version.startsWith('7')))
    throw error(
      'unsupported',
      `${name} has no kernel for Dom0`,
      'use Debian, Ubuntu or CentOS 7, or prepare it --as kvm',
    )
  if (survey.hasSecureBoot) throw error('unsupported', 'Secure Boot is on: GRUB refuses to start Xen', 'turn it off')
  if (!survey.programs.some((name) => name === 'update-grub' || name === 'grub2-mkconfig'))
    throw error('unsupported', 'there is no GRUB 2 here', 'Xen is started by GRUB 2: install it, or start Xen by hand')
  if (!/^\d+[MG]$/.test(dom0.memory))
    throw error('invalid', `${dom0.memory} is no memory for Dom0`, 'write a size such as 2G or 1536M')
  if (!Number.isInteger(dom0.vcpus) || dom0.vcpus < 1)
    throw error('invalid', `${dom0.vcpus} is no number of processors`, 'write 1 or more')
  for (const { path, line } of xenLinesOfGrub(survey.files))
    for (const { written, why, instead } of misspelledXenOptions(line))
      throw error(
        'invalid',
        `${path}: ${written}: ${why}`,
        `write ${instead} there, or take it out, then run this again`,
      )
}

const packages: Readonly<Record<'debian' | 'redhat', Readonly<Record<Role, readonly string[]>>>> = {
  debian: {
    xen: ['xen-system-amd64', 'bridge-utils', 'lvm2', 'debootstrap', 'qemu-utils'],
    kvm: [
      ...['qemu-system-x86', 'qemu-utils', 'libvirt-daemon-system', 'libvirt-clients', 'virtinst'],
      ...['bridge-utils', 'dnsmasq-base', 'socat'],
    ],
    director: ['ipvsadm', 'kmod', 'procps'],
  },
  redhat: {
    xen: ['centos-release-xen', 'xen', 'bridge-utils', 'lvm2'],
    kvm: ['qemu-kvm', 'qemu-img', 'libvirt', 'virt-install', 'socat'],
    director: ['ipvsadm', 'kmod', 'procps-ng'],
  },
}

/** Ubuntu 24.04 has no package that stands for the whole of Xen. */
function packageNames({ distribution }: Survey, family: 'debian' | 'redhat', role: Role): readonly string[] {
  const names = packages[family][role]
  if (distribution.id !== 'ubuntu' || distribution.version !== '24.04') return names
  return names.flatMap((name) =>
    name === 'xen-system-amd64' ? ['xen-hypervisor-4.17-amd64', 'xen-utils-4.17'] : [name],
  )
}

function packageSteps(survey: Survey, family: Family, role: Role): Step[] {
  if (family === 'other') return []
  const missing = packageNames(survey, family, role).filter((name) => !survey.packages.has(name))
  if (missing.length === 0) return []
  const manager = survey.programs.includes('dnf') ? 'dnf' : 'yum'
  // A release package brings the repository in which the others are.
  const [release, rest] = [
    missing.filter((name) => name.startsWith('centos-release')),
    missing.filter((name) => !name.startsWith('centos-release')),
  ]
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get']
  const commands =
    family === 'debian'
      ? [
          [...apt, 'update'],
          [...apt, 'install', '--yes', '--no-install-recommends', ...missing],
        ]
      : [release, rest]
          .filter((names) => names.length > 0)
          .map((names) => [manager, 'install', '--assumeyes', ...names])
  const remove = family === 'debian' ? 'apt-get remove' : `${manager} remove`
  return [
    {
      what: `install ${missing.join(', ')}`,
      reason: 'not installed',
      undo: `${remove} ${missing.join(' ')}`,
      commands,
    },
  ]
}

function moduleSteps(survey: Survey, role: Role): Step[] {
  const ofProcessor = survey.cpuFlags.includes('vmx')
    ? ['kvm_intel']
    : survey.cpuFlags.includes('svm')
      ? ['kvm_amd']
      : []
  const wanted = { xen: ['bridge', 'loop'], kvm: ['bridge', 'tun', 'vhost_net', ...ofProcessor], director: ['ip_vs'] }[
    role
  ]
  return fileStep(
    survey,
    '/etc/modules-load.d/baton.conf',
    wanted,
    `load ${wanted.join(', ')}, now and at every start`,
    wanted.map((name) => ['modprobe', name]),
    wanted.filter((name) => !survey.modules.includes(name)),
  )
}

/** Debian starts what it installs; the RHEL family has to be told, and has libvirt in parts since 9. */
function serviceSteps(survey: Survey, family: Family, role: Role): Step[] {
  if (family !== 'redhat' || role !== 'kvm') return []
  const isWhole = Number.parseInt(survey.distribution.version, 10) < 9
  const wanted = isWhole ? ['libvirtd.service'] : ['virtqemud.socket', 'virtnetworkd.socket', 'virtstoraged.socket']
  const missing = wanted.filter((unit) => !survey.units.includes(unit))
  if (missing.length === 0) return []
  return [
    {
      what: `start ${missing.join(', ')}, now and with the machine`,
      reason: 'not enabled',
      undo: `systemctl disable --now ${missing.join(' ')}`,
      commands: [['systemctl', 'enable', '--now', ...missing]],
    },
  ]
}

function sysctlSteps(survey: Survey, role: Role): Step[] {
  if (role !== 'director') return []
  const wanted = ['net.ipv4.ip_forward = 1', 'net.ipv4.ip_nonlocal_bind = 1']
  const path = '/etc/sysctl.d/90-baton.conf'
  return fileStep(
    survey,
    path,
    wanted,
    'forward packets, and listen on addresses that come with VRRP',
    [['sysctl', '--load', path]],
    wanted.filter((line) => survey.sysctls[line.split(' ')[0]?.replaceAll('.', '/') ?? ''] !== '1'),
  )
}

/** A file of our own that has these lines; what another role has put there stays. */
function fileStep(
  survey: Survey,
  path: string,
  wanted: readonly string[],
  what: string,
  commands: Step['commands'],
  notInForce: readonly string[],
): Step[] {
  const before = survey.files[path] ?? ''
  const has = before.split('\n')
  const missing = wanted.filter((line) => !has.includes(line))
  if (missing.length === 0 && notInForce.length === 0) return []
  if (missing.length === 0) return [{ what, reason: `not in force: ${notInForce.join(', ')}`, undo: 'none', commands }]
  const start = before === '' ? '# Written by baton host prepare.\n' : before.replace(/\n*$/, '\n')
  return [
    {
      what,
      reason: before === '' ? `${path} is not there` : `${path} lacks ${missing.join(', ')}`,
      undo: before === '' ? `rm ${path}` : `put ${path} back from its copy`,
      file: { path, before, after: `${start}${missing.join('\n')}\n` },
      commands,
    },
  ]
}

/**
 * GRUB 2 reads grub.d in order: baton-xen.cfg comes before xen.cfg of Debian's package, which makes Xen the default and
 * is told here to do so quietly. CentOS reads /etc/default/grub alone, and has its own tool to put Xen first.
 */
function bootSteps(survey: Survey, family: Family, { memory, vcpus }: Dom0): Step[] {
  const options = `dom0_mem=${memory},max:${memory} dom0_max_vcpus=${vcpus}`
  const isDebian = family === 'debian'
  const path = isDebian ? '/etc/default/grub.d/baton-xen.cfg' : '/etc/default/grub'
  const before = survey.files[path] ?? ''
  const line = `GRUB_CMDLINE_XEN_DEFAULT="${options}"`
  const after = isDebian
    ? `# Written by baton host prepare.\n${line}\nXEN_OVERRIDE_GRUB_DEFAULT=1\n`
    : `${before.replaceAll(/^GRUB_CMDLINE_XEN_DEFAULT=.*\n/gm, '').replace(/\n*$/, '\n')}${line}\n`
  const isInMenu = survey.bootOptions.some((found) => found.includes(options))
  if (before === after && isInMenu) return []
  const commands = [isDebian ? ['update-grub'] : ['grub-bootxen.sh']]
  if (before === after)
    return [{ what: 'make the boot menu anew', reason: 'it lacks the options', undo: 'none', commands }]
  return [
    {
      what: `boot Xen by default, with ${memory} and ${vcpus} processors for Dom0`,
      reason: before === '' ? `${path} is not there` : `${path} says something else`,
      undo: isDebian ? `rm ${path} && update-grub` : `put ${path} back from its copy, then grub2-mkconfig`,
      file: { path, before, after },
      commands,
    },
  ]
}
