/** Packages: what a role needs under the names that a distribution gives it, and the original tools where they are wanted. */
import { InfraError } from '../../errors.ts'
import { archiveNeeded, isPastItsEnd, type Role } from '../survey/checks.ts'
import type { Family, Survey } from '../survey/survey.ts'
import type { Step } from './step.ts'

/** Tools that Baton stands in for, and that may be wanted beside it. */
export const originals = ['xen-tools', 'keepalived', 'ldirectord'] as const
export type Original = (typeof originals)[number]

const packages: Readonly<Record<'debian' | 'redhat', Readonly<Record<Role, readonly string[]>>>> = {
  debian: {
    // Guests of the type hvm and disks in qcow2 have a QEMU of Xen's own, which brings their BIOS.
    xen: [
      ...['xen-system-amd64', 'qemu-system-xen', 'bridge-utils', 'lvm2'],
      ...['debootstrap', 'mmdebstrap', 'qemu-utils'],
    ],
    kvm: [
      ...['qemu-system-x86', 'qemu-utils', 'libvirt-daemon-system', 'libvirt-clients', 'virtinst'],
      ...['bridge-utils', 'dnsmasq-base', 'mmdebstrap', 'socat'],
    ],
    director: ['ipvsadm', 'kmod', 'procps'],
  },
  redhat: {
    // This xen has its QEMU and the BIOS in it.
    xen: ['centos-release-xen', 'xen', 'bridge-utils', 'lvm2'],
    kvm: ['qemu-kvm', 'qemu-img', 'libvirt', 'virt-install', 'socat'],
    director: ['ipvsadm', 'kmod', 'procps-ng'],
  },
}

/** What a release calls by another name, or has in parts. */
const calledOtherwise: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'debian 11': { 'qemu-system-xen': ['qemu-system-x86'] },
  'ubuntu 22.04': { 'qemu-system-xen': ['qemu-system-x86-xen'] },
  // What makes Xen the default of the menu is in -common, which the hypervisor only recommends.
  'ubuntu 24.04': { 'xen-system-amd64': ['xen-hypervisor-4.17-amd64', 'xen-hypervisor-common', 'xen-utils-4.17'] },
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
  const lacking = [...wanted].filter((name) => !survey.packages.has(name))
  if (lacking.length === 0) return []
  // Of the same name as the one that is there, and newer: the one there knows nothing of Dom0, and satisfies the package xen.
  const missing = family === 'redhat' && lacking.includes('xen') ? [...lacking, 'kernel'] : lacking
  const manager = survey.programs.includes('dnf') ? 'dnf' : 'yum'
  const remove = family === 'debian' ? 'apt-get remove' : `${manager} remove`
  const removable = missing.filter((name) => name !== 'kernel')
  return [
    {
      what: `install ${missing.join(', ')}`,
      reason: isPastItsEnd(survey) ? `not installed; ${archiveNeeded}` : 'not installed',
      undo: `${remove} ${removable.join(' ')}`,
      files: [],
      commands: family === 'debian' ? byApt(missing) : byRpm(manager, missing),
    },
  ]
}

function ofRole({ distribution, isEfi }: Survey, family: 'debian' | 'redhat', role: Role): readonly string[] {
  const otherwise = calledOtherwise[`${distribution.id} ${distribution.version}`] ?? {}
  const names = packages[family][role].flatMap((name) => otherwise[name] ?? [name])
  return family === 'redhat' && role === 'xen' && isEfi ? [...names, efiModules] : names
}

/** The GRUB that the firmware starts has no multiboot2 in it, by which Xen is loaded. */
const efiModules = 'grub2-efi-x64-modules'

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
