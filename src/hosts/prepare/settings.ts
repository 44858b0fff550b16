/** What has to be in force now and at every start: modules, sysctls, services, and Xen's own settings. */

import {
  describeXendomains,
  parseXendomains,
  type Xendomains,
  xendomainsFile,
  xendomainsVariables,
} from '../../formats/xl/xendomains.ts'
import type { Role } from '../survey/checks.ts'
import type { Family, Survey } from '../survey/survey.ts'
import { ownMark, type Step, withVariables } from './step.ts'

/** A socket for each driver, as libvirt in parts has them: what virt-install asks for is spread over all of them. */
export const libvirtSockets: readonly string[] = [
  'qemu',
  'network',
  'nodedev',
  'nwfilter',
  'secret',
  'storage',
  'interface',
  'proxy',
].map((driver) => `virt${driver}d.socket`)

export function moduleSteps(survey: Survey, role: Role): Step[] {
  const ofProcessor = survey.cpuFlags.includes('vmx')
    ? ['kvm_intel']
    : survey.cpuFlags.includes('svm')
      ? ['kvm_amd']
      : []
  const wanted = { xen: ['bridge', 'loop'], kvm: ['bridge', 'tun', 'vhost_net', ...ofProcessor], director: ['ip_vs'] }[
    role
  ]
  return ownFileStep(
    survey,
    '/etc/modules-load.d/baton.conf',
    wanted,
    `load ${wanted.join(', ')}, now and at every start`,
    wanted.map((name) => ['modprobe', name]),
    wanted.filter((name) => !survey.modules.includes(name)),
  )
}

export function sysctlSteps(survey: Survey, role: Role): Step[] {
  if (role !== 'director') return []
  const names = ['net.ipv4.ip_forward', 'net.ipv4.ip_nonlocal_bind']
  const path = '/etc/sysctl.d/90-baton.conf'
  const now = (name: string): string => survey.sysctls[name.replaceAll('.', '/')] ?? ''
  const off = names.filter((name) => now(name) !== '1')
  const steps = ownFileStep(
    survey,
    path,
    names.map((name) => `${name} = 1`),
    'forward packets, and listen on addresses that come with VRRP',
    [['sysctl', '--load', path]],
    off.map((name) => `${name} = 1`),
  )
  // Without their file they stay as they are until the machine starts anew.
  const before = off.map((name) => `${name}=${now(name) || '0'}`)
  return steps.map((step) =>
    before.length === 0
      ? step
      : {
          ...step,
          undo: [...(step.undo === 'none' ? [] : [step.undo]), `sysctl --write ${before.join(' ')}`].join('; '),
        },
  )
}

/** Debian starts what it installs; the RHEL family has to be told, and has libvirt in parts since 9. */
export function serviceSteps(survey: Survey, family: Family, role: Role): Step[] {
  if (family !== 'redhat' || role === 'director') return []
  const isWhole = Number.parseInt(survey.distribution.version, 10) < 9
  const wanted = role === 'xen' ? ['xendomains.service'] : isWhole ? ['libvirtd.service'] : libvirtSockets
  const missing = wanted.filter((unit) => !survey.units.includes(unit))
  if (missing.length === 0) return []
  // Under Xen alone there is anything for xendomains to do.
  const [now, when] = role === 'xen' ? [[], ''] : [['--now'], ' now and']
  return [
    {
      what: `start ${missing.join(', ')}${when} with the machine`,
      reason: 'not enabled',
      undo: ['systemctl', 'disable', ...now, ...missing].join(' '),
      files: [],
      commands: [['systemctl', 'enable', ...now, ...missing]],
    },
  ]
}

const consoleDirectory = '/var/log/xen/console'

/** Debian's init script reads XENCONSOLED_ARGS; the units of Xen itself, which CentOS has, XENCONSOLED_TRACE. */
const consoleSettings = {
  debian: {
    path: '/etc/default/xen',
    logs: { XENCONSOLED_ARGS: '"--log=guest"' },
    isLogged: /^[ \t]*XENCONSOLED_ARGS=.*--log=(?:all|guest)/m,
  },
  redhat: {
    path: '/etc/sysconfig/xencommons',
    logs: { XENCONSOLED_TRACE: 'guest' },
    isLogged: /^[ \t]*XENCONSOLED_TRACE=["']?(?:all|guest)\b/m,
  },
}

/**
 * Guests' consoles are logged, which Baton shows: xenconsoled dies where the directory is missing. Debian's older
 * releases ask which toolstack there is, and this is xl.
 */
export function xenSettingSteps(survey: Survey, family: 'debian' | 'redhat'): Step[] {
  const { path, logs, isLogged } = consoleSettings[family]
  const before = survey.files[path] ?? ''
  const toolstack = [...before.matchAll(/^[ \t]*TOOLSTACK=["']?([^"'\s]*)/gm)].at(-1)?.[1]
  const wanted: Readonly<Record<string, string>> = {
    ...(isLogged.test(before) ? {} : logs),
    ...(toolstack === undefined || toolstack === 'xl' ? {} : { TOOLSTACK: 'xl' }),
  }
  if (Object.keys(wanted).length === 0) return []
  return [
    {
      what: `keep what guests' consoles say${'TOOLSTACK' in wanted ? ', and use xl' : ''}`,
      reason: before === '' ? `${path} comes with the packages` : `${path} says otherwise`,
      undo: `put ${path} back from its copy`,
      files: [before === '' ? { path, set: wanted } : { path, before, after: withVariables(before, wanted) }],
      commands: [['mkdir', '-p', consoleDirectory]],
    },
  ]
}

/** What becomes of guests when the host halts and starts, where the spec says so. */
export function xendomainsSteps(survey: Survey, family: Family, wanted: Partial<Xendomains>): Step[] {
  const path = xendomainsFile(family)
  const before = survey.files[path] ?? ''
  const now = parseXendomains(before)
  const set = xendomainsVariables(now, wanted)
  if (Object.keys(set).length === 0) return []
  return [
    {
      what: `let xendomains do with guests: ${describeXendomains({ ...now, ...wanted })}`,
      reason: before === '' ? `${path} comes with the packages` : `it is: ${describeXendomains(now)}`,
      undo: `put ${path} back from its copy`,
      files: [before === '' ? { path, set } : { path, before, after: withVariables(before, set) }],
      commands: [],
    },
  ]
}

/** Only when it is asked for: Debian's NetworkManager leaves alone what ifupdown has. */
export function withoutNetworkManagerSteps({ units }: Survey): Step[] {
  if (!units.includes('NetworkManager.service')) return []
  return [
    {
      what: 'turn NetworkManager off',
      reason: 'it was asked for, and the uplink is not set up by it',
      undo: 'systemctl enable --now NetworkManager.service',
      files: [],
      commands: [['systemctl', 'disable', '--now', 'NetworkManager.service']],
    },
  ]
}

/** A file of our own that has these lines; what another role has put there stays. */
function ownFileStep(
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
  if (missing.length === 0)
    return [{ what, reason: `not in force: ${notInForce.join(', ')}`, undo: 'none', files: [], commands }]
  const start = before === '' ? ownMark : before.replace(/\n*$/, '\n')
  return [
    {
      what,
      reason: before === '' ? `${path} is not there` : `${path} lacks ${missing.join(', ')}`,
      undo: before === '' ? `rm ${path}` : `put ${path} back from its copy`,
      files: [{ path, before, after: `${start}${missing.join('\n')}\n` }],
      commands,
    },
  ]
}
