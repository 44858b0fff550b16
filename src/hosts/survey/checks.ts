/** What a survey means for what the host is to be: one finding for each question, with what to do about it. */

import { describeXendomains, parseXendomains, xendomainsFile } from '../../formats/xl/xendomains.ts'
import { familyOf, type Survey } from './survey.ts'
import { misspelledXenOptions, xenLinesOfGrub, xenOptionsOfLinux } from './xen-options.ts'

export const roles = ['xen', 'kvm', 'director'] as const
export type Role = (typeof roles)[number]

export type Finding = {
  readonly check: string
  readonly level: 'pass' | 'warn' | 'fail'
  readonly found: string
  /** What to do; '' when there is nothing. */
  readonly advice: string
}

const gib = 1024 ** 3

/** No updates and no mirrors since June 2024. */
export const isPastItsEnd = ({ distribution: { id, version } }: Survey): boolean =>
  id === 'centos' && version.startsWith('7')
export const archiveNeeded =
  'CentOS 7 is past its end, and its mirrors are gone: /etc/yum.repos.d has to name an archive'

/** Without a role nothing fails: nobody has said what the host is for. */
export function checkSurvey(host: string, survey: Survey, role: Role | undefined): Finding[] {
  const prepare = `baton host prepare ${host} --as`
  return [
    ...machineFindings(survey),
    ...(role === 'director' ? [] : guestFindings(survey, `${prepare} ${role ?? 'ROLE'}`)),
    ...(role === undefined || role === 'kvm' ? kvmFindings(survey, `${prepare} kvm`, role === 'kvm') : []),
    ...(role === undefined || role === 'xen' ? xenFindings(survey, `${prepare} xen`, role === 'xen') : []),
    ...(role === undefined || role === 'director' ? directorFindings(survey, `${prepare} director`) : []),
  ]
}

function finding(check: string, level: Finding['level'], found: string, advice = ''): Finding {
  return { check, level, found, advice: level === 'pass' ? '' : advice }
}

function machineFindings(survey: Survey): Finding[] {
  const advice = isPastItsEnd(survey)
    ? archiveNeeded
    : familyOf(survey) === 'other'
      ? 'Baton prepares Debian, Ubuntu, RHEL and their kin'
      : ''
  const name = survey.distribution.name || 'unknown'
  return [
    finding('distribution', advice === '' ? 'pass' : 'warn', name, advice),
    finding(
      'user',
      survey.isRoot ? 'pass' : 'warn',
      survey.isRoot ? 'root' : 'not root',
      'log in as root, or use sudo',
    ),
    survey.isRebootPending ? finding('reboot', 'warn', 'pending', 'reboot') : finding('reboot', 'pass', 'none pending'),
  ]
}

function guestFindings({ memoryBytes, cpus, freeBytes, volumeGroups, bridges }: Survey, prepare: string): Finding[] {
  const groups = volumeGroups.map(({ name, freeBytes: free }) => `${name} ${readable(free)} free`)
  const hasRoom = [freeBytes, ...volumeGroups.map((group) => group.freeBytes)].some((free) => free >= 10 * gib)
  return [
    finding(
      'memory',
      memoryBytes >= 2 * gib ? 'pass' : 'warn',
      `${readable(memoryBytes)}, processors: ${cpus}`,
      'with less than 2 GiB there is room for few guests',
    ),
    finding(
      'storage',
      hasRoom ? 'pass' : 'warn',
      [`/var/lib ${readable(freeBytes)} free`, ...groups].join(', '),
      `guests need disks: free some space, or make a volume group: ${prepare} --volume-group NAME=DEVICE`,
    ),
    finding(
      'bridges',
      bridges.length > 0 ? 'pass' : 'warn',
      bridges.join(', ') || 'none',
      `for guests with network: dhcp or an address, make one over the uplink: ${prepare} --bridge NAME`,
    ),
  ]
}

const readable = (bytes: number): string => `${(bytes / gib).toFixed(1)} GiB`

/** /dev/kvm alone says little: the processor's flag and its module have to be there as well. */
function kvmFindings(survey: Survey, prepare: string, isWanted: boolean): Finding[] {
  const flag = survey.cpuFlags.find((name) => name === 'vmx' || name === 'svm')
  const module = survey.modules.find((name) => name === 'kvm_intel' || name === 'kvm_amd')
  const hasDevice = survey.devices.includes('/dev/kvm')
  const qemu = survey.programs.find((name) => name === 'qemu-system-x86_64' || name === 'qemu-kvm')
  const hasLibvirt = survey.programs.includes('virsh')
  const why = survey.isXen
    ? 'under Xen there is no KVM: boot the plain kernel'
    : flag === undefined
      ? 'turn virtualization on in the firmware; guests run without it, slowly'
      : `modprobe ${flag === 'vmx' ? 'kvm_intel' : 'kvm_amd'}, or ${prepare}`
  return [
    finding(
      'kvm',
      flag !== undefined && module !== undefined && hasDevice ? 'pass' : 'warn',
      `flag ${flag ?? 'none'}, module ${module ?? 'none'}, /dev/kvm ${hasDevice ? 'there' : 'absent'}`,
      why,
    ),
    qemu === undefined ? finding('qemu', isWanted ? 'fail' : 'warn', 'absent', prepare) : finding('qemu', 'pass', qemu),
    ...(qemu === undefined ? [] : [autostartFinding(survey, prepare)]),
    finding('libvirt', hasLibvirt ? 'pass' : 'warn', hasLibvirt ? 'installed' : 'absent', prepare),
  ]
}

/** libvirt and Xen start what is marked by themselves. */
function autostartFinding({ programs, units }: Survey, prepare: string): Finding {
  const isEnabled = units.includes('baton-guests.service')
  const found = isEnabled ? 'guests of QEMU start with the host' : 'guests of QEMU do not start with the host'
  const install = programs.includes('baton') ? '' : 'install Baton on that host, then '
  return finding('autostart', isEnabled ? 'pass' : 'warn', found, `${install}${prepare}`)
}

function xenFindings(survey: Survey, prepare: string, isWanted: boolean): Finding[] {
  const bad = isWanted ? 'fail' : 'warn'
  const isInstalled = [...survey.packages].some((name) => /^xen-hypervisor|^xen$/.test(name))
  const state = survey.isXen ? 'a guest of Xen' : isInstalled ? 'installed, not booted' : 'absent'
  const running = survey.xenCommandLine === '' ? [] : [{ path: 'what runs now', line: survey.xenCommandLine }]
  const wrong = [
    ...[...xenLinesOfGrub(survey.files), ...running].flatMap(({ path, line }) =>
      misspelledXenOptions(line).map((one) => ({ path, ...one })),
    ),
    ...xenOptionsOfLinux(survey.files),
  ]
  return [
    survey.isDom0
      ? finding('xen', 'pass', 'runs as Dom0')
      : finding('xen', bad, state, isInstalled ? 'reboot into the entry with Xen' : prepare),
    ...(isInstalled ? [xendomainsFinding(survey)] : []),
    ...(survey.hasSecureBoot
      ? [finding('secure boot', bad, 'on', 'GRUB refuses to start Xen: turn Secure Boot off')]
      : []),
    ...wrong.map(({ path, written, why, instead }) =>
      finding('xen options', bad, `${written} in ${path}`, `${why}: write ${instead}`),
    ),
  ]
}

/** Memory that is saved fits no other kernel, and no other hypervisor: after an upgrade it is lost. */
function xendomainsFinding(survey: Survey): Finding {
  const settings = parseXendomains(survey.files[xendomainsFile(familyOf(survey))] ?? '')
  return finding('xendomains', 'pass', describeXendomains(settings))
}

function directorFindings(survey: Survey, prepare: string): Finding[] {
  const engines = [
    'userspace',
    ...(survey.isRoot && survey.hasBtf ? ['ebpf'] : []),
    ...(survey.modules.includes('ip_vs') ? ['ipvs'] : []),
  ]
  const forwards = survey.sysctls['net/ipv4/ip_forward'] === '1'
  return [
    finding('engines', engines.length > 1 ? 'pass' : 'warn', engines.join(', '), `ebpf needs root and BTF; ${prepare}`),
    finding('forwarding', forwards ? 'pass' : 'warn', forwards ? 'ip_forward is on' : 'ip_forward is off', prepare),
  ]
}
