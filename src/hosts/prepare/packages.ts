/** Packages: what a role needs under the names that a distribution gives it, and the original tools where they are wanted. */
import { InfraError } from '../../errors.ts'
import type { Role } from '../survey/checks.ts'
import type { Family, Survey } from '../survey/survey.ts'
import type { Step } from './step.ts'

/** Tools that Baton stands in for, and that may be wanted beside it. */
export const originals = ['xen-tools', 'keepalived', 'ldirectord'] as const
export type Original = (typeof originals)[number]

const packages: Readonly<Record<'debian' | 'redhat', Readonly<Record<Role, readonly string[]>>>> = {
  debian: {
    xen: ['xen-system-amd64', 'bridge-utils', 'lvm2', 'debootstrap', 'mmdebstrap', 'qemu-utils'],
    kvm: [
      ...['qemu-system-x86', 'qemu-utils', 'libvirt-daemon-system', 'libvirt-clients', 'virtinst'],
      ...['bridge-utils', 'dnsmasq-base', 'mmdebstrap', 'socat'],
    ],
    director: ['ipvsadm', 'kmod', 'procps'],
  },
  redhat: {
    xen: ['centos-release-xen', 'xen', 'bridge-utils', 'lvm2'],
    kvm: ['qemu-kvm', 'qemu-img', 'libvirt', 'virt-install', 'socat'],
    director: ['ipvsadm', 'kmod', 'procps-ng'],
  },
}

export type PackageWish = {
  readonly role: Role
  readonly originals: readonly Original[]
  /** What other steps need. */
  readonly more: readonly string[]
}

/** @throws InfraError `unsupported` for an original that this system has no package of. */
export function packageSteps(survey: Survey, family: Exclude<Family, 'other'>, wish: PackageWish): Step[] {
  for (const name of wish.originals) checkOriginal(survey, family, name)
  const wanted = new Set([...ofRole(survey, family, wish.role), ...wish.more, ...wish.originals])
  const missing = [...wanted].filter((name) => !survey.packages.has(name))
  if (missing.length === 0) return []
  const manager = survey.programs.includes('dnf') ? 'dnf' : 'yum'
  const remove = family === 'debian' ? 'apt-get remove' : `${manager} remove`
  return [
    {
      what: `install ${missing.join(', ')}`,
      reason: 'not installed',
      undo: `${remove} ${missing.join(' ')}`,
      files: [],
      commands: family === 'debian' ? byApt(missing) : byRpm(manager, missing),
    },
  ]
}

/** Ubuntu 24.04 has no package that stands for the whole of Xen. */
function ofRole({ distribution }: Survey, family: 'debian' | 'redhat', role: Role): readonly string[] {
  const names = packages[family][role]
  if (distribution.id !== 'ubuntu' || distribution.version !== '24.04') return names
  return names.flatMap((name) =>
    name === 'xen-system-amd64' ? ['xen-hypervisor-4.17-amd64', 'xen-utils-4.17'] : [name],
  )
}

function checkOriginal({ distribution: { id, version, name: system } }: Survey, family: Family, name: Original): void {
  const isMissing =
    (family === 'redhat' && name !== 'keepalived') || (name === 'xen-tools' && id === 'debian' && version === '13')
  if (!isMissing) return
  const instead = name === 'xen-tools' ? 'baton xen-create-image' : `baton ${name}`
  throw new InfraError('unsupported', `${system} has no package ${name}`, {
    subject: name,
    hint: `leave it out: ${instead} does its work`,
  })
}

function byApt(names: readonly string[]): string[][] {
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get']
  return [
    [...apt, 'update'],
    [...apt, 'install', '--yes', '--no-install-recommends', ...names],
  ]
}

/** A release package brings the repository in which the others are. */
function byRpm(manager: string, names: readonly string[]): string[][] {
  const isRelease = (name: string): boolean => name.startsWith('centos-release')
  return [names.filter(isRelease), names.filter((name) => !isRelease(name))]
    .filter((some) => some.length > 0)
    .map((some) => [manager, 'install', '--assumeyes', ...some])
}
