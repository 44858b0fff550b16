import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { surveyText } from '../../../test/build/survey-text.ts'
import type { Xendomains } from '../../formats/xl/xendomains.ts'
import { fakeHost } from '../fake/fake.ts'
import { checkSurvey, type Role } from '../survey/checks.ts'
import { parseSurvey, type Survey } from '../survey/survey.ts'
import { prepareHost } from './carry-out.ts'
import { guestsUnit } from './guests-unit.ts'
import type { Original } from './packages.ts'
import { planPreparation } from './plan.ts'
import { changed, withVariables, withWords } from './step.ts'
import { storageSteps } from './storage.ts'

const machines: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'Debian 12': { 'os-release': 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian', programs: '/usr/sbin/update-grub' },
  'Debian 13': { 'os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian', programs: '/usr/sbin/update-grub' },
  'Ubuntu 24.04': { 'os-release': 'PRETTY_NAME="Ubuntu 24.04 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian', programs: '/usr/sbin/update-grub' },
  'CentOS 7': { 'os-release': 'PRETTY_NAME="CentOS Linux 7 (Core)"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"', programs: '/usr/sbin/grub2-mkconfig', 'file:/etc/default/grub': 'GRUB_TIMEOUT=5' },
  'Rocky 9': { 'os-release': 'PRETTY_NAME="Rocky Linux 9.4"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"', programs: '/usr/bin/dnf\n/usr/sbin/grub2-mkconfig' },
} // biome-ignore format: one row each

const survey = (name: string, more: Readonly<Record<string, string>> = {}): Survey =>
  parseSurvey(surveyText({ uid: '0', cpuinfo: 'flags\t\t: fpu vmx', ...machines[name], ...more }))

const dom0 = { memory: '2G', vcpus: 2 }

function commands(name: string, role: Role): string[] {
  return planPreparation(survey(name), { role, dom0 }).flatMap((step) => [
    ...step.files.map(({ path }) => `> ${path}`),
    ...step.commands.map((command) => command.join(' ').replace('env DEBIAN_FRONTEND=noninteractive ', '')),
  ])
}

const aptInstall = 'apt-get install --yes --no-install-recommends'
const debianXen = (packages: string): string[] => [
  'apt-get update',
  `${aptInstall} ${packages} qemu-system-xen bridge-utils lvm2 debootstrap mmdebstrap qemu-utils`,
  '> /etc/modules-load.d/baton.conf',
  'modprobe bridge',
  'modprobe loop',
  '> /etc/default/xen',
  'mkdir -p /var/log/xen/console',
  '> /etc/default/grub.d/baton-xen.cfg',
  'update-grub',
]

describe('the plan of each family', () => {
  test.each(['Debian 12', 'Debian 13'])('%s as xen', (name) => {
    expect(commands(name, 'xen')).toEqual(debianXen('xen-system-amd64'))
  })

  test('Ubuntu 24.04 as xen', () => {
    expect(commands('Ubuntu 24.04', 'xen')).toEqual(
      debianXen('xen-hypervisor-4.17-amd64 xen-hypervisor-common xen-utils-4.17'),
    )
  })

  test('CentOS 7 as xen: its release package first, its own tool for the boot menu', () => {
    expect(commands('CentOS 7', 'xen')).toEqual([
      'yum install --assumeyes centos-release-xen',
      'yum install --assumeyes xen bridge-utils lvm2 kernel',
      '> /etc/modules-load.d/baton.conf',
      'modprobe bridge',
      'modprobe loop',
      'systemctl enable xendomains.service',
      '> /etc/sysconfig/xencommons',
      'mkdir -p /var/log/xen/console',
      '> /etc/default/grub',
      'grub-bootxen.sh',
    ])
    const boot = planPreparation(survey('CentOS 7'), { role: 'xen', dom0 }).at(-1)
    expect(boot?.files.map((change) => changed('GRUB_TIMEOUT=5\n', change))).toEqual([
      'GRUB_TIMEOUT=5\nGRUB_CMDLINE_XEN_DEFAULT="dom0_mem=2G,max:2G dom0_max_vcpus=2"\n',
    ])
  })

  test('Rocky 9 has no Dom0, and says what it can be', () => {
    expect(() => commands('Rocky 9', 'xen')).toThrow('Rocky Linux 9.4 has neither Xen nor a kernel for Dom0')
    expect(commands('Rocky 9', 'kvm')).toEqual([
      'dnf install --assumeyes qemu-kvm qemu-img libvirt virt-install socat',
      '> /etc/modules-load.d/baton.conf',
      ...['bridge', 'tun', 'vhost_net', 'kvm_intel'].map((name) => `modprobe ${name}`),
      `systemctl enable --now ${['qemu', 'network', 'nodedev', 'nwfilter', 'secret', 'storage', 'interface', 'proxy'].map((driver) => `virt${driver}d.socket`).join(' ')}`,
    ])
  })

  test('CentOS 7 as kvm has libvirt in one piece', () => {
    expect(commands('CentOS 7', 'kvm').at(-1)).toBe('systemctl enable --now libvirtd.service')
  })

  test('Debian 12 as director', () => {
    expect(commands('Debian 12', 'director')).toEqual([
      'apt-get update',
      `${aptInstall} ipvsadm kmod procps`,
      '> /etc/modules-load.d/baton.conf',
      'modprobe ip_vs',
      '> /etc/sysctl.d/90-baton.conf',
      'sysctl --load /etc/sysctl.d/90-baton.conf',
    ])
  })
})

const readyDirector = {
  modules: 'ip_vs',
  packages: ['ipvsadm', 'kmod', 'procps'].map((name) => `${name} 1 installed`).join('\n'),
  sysctls: 'net/ipv4/ip_forward 1\nnet/ipv4/ip_nonlocal_bind 1',
  'file:/etc/modules-load.d/baton.conf': 'ip_vs',
  'file:/etc/sysctl.d/90-baton.conf': 'net.ipv4.ip_forward = 1\nnet.ipv4.ip_nonlocal_bind = 1',
}

describe('a plan', () => {
  test('is empty for a host that is ready', () => {
    expect(planPreparation(survey('Debian 12', readyDirector), { role: 'director', dom0 })).toEqual([])
  })

  test('takes up what a run that failed has left: the file is there, and not in force', () => {
    const half = { ...readyDirector, modules: 'bridge', sysctls: 'net/ipv4/ip_forward 0' }
    const steps = planPreparation(survey('Debian 12', half), { role: 'director', dom0 })
    expect(steps.map(({ files, commands: [first] }) => [files.length, first?.[0]])).toEqual([
      [0, 'modprobe'],
      [0, 'sysctl'],
    ])
  })

  test('keeps what another role has written', () => {
    const files = planPreparation(survey('Debian 12', readyDirector), { role: 'kvm', dom0 }).flatMap(
      (step) => step.files,
    )
    expect(files).toMatchObject([{ after: 'ip_vs\nbridge\ntun\nvhost_net\nkvm_intel\n' }])
  })

  test.each([
    ['a user who is not root', { uid: '1000' }, 'a host is prepared by root'],
    ['Secure Boot', { 'secure-boot': 'SecureBoot enabled' }, 'Secure Boot is on'],
    ['a machine without GRUB', { programs: '' }, 'there is no GRUB here'],
    [
      'what Xen would ignore',
      { 'file:/etc/default/grub': 'GRUB_CMDLINE_XEN="dom0_max-vcpus=1"' },
      'Xen knows no dom0_max-vcpus',
    ],
    ['an unknown system', { 'os-release': 'ID=plan9\nPRETTY_NAME="Plan 9"' }, 'Plan 9 cannot be prepared'],
  ])('is refused for %s', (_what, more, message) => {
    expect(() => planPreparation(survey('Debian 12', more), { role: 'xen', dom0 })).toThrow(message)
  })
})

const soon = { signal: AbortSignal.timeout(10_000) }
const quietly = { ...soon, onStep: () => {}, patienceSeconds: 60, reconnect: async () => fakeHost() }

describe('a plan carried out', () => {
  test('writes, keeps a copy of what was there, and runs; the first failure ends it', async () => {
    const host = fakeHost()
    const ran: string[] = []
    host.install('one', async () => {
      ran.push('one')
      return { code: 0, stdout: '', stderr: '' }
    })
    host.install('two', async () => ({ code: 3, stdout: '', stderr: 'no such thing\n' }))
    await host.writeFile('/etc/a', 'old', soon)
    const file = { path: '/etc/a', before: 'old', after: 'new' }
    const steps = [{ what: 'mend a', reason: 'r', undo: 'u', files: [file], commands: [['one'], ['two'], ['one']] }]
    await expect(prepareHost(host, steps, { ...quietly })).rejects.toThrow('mend a: two ended with 3:\nno such thing')
    const read = async (path: string): Promise<string> => new TextDecoder().decode(await host.readFile(path, soon))
    expect([await read('/etc/a'), await read('/var/lib/baton/copies/etc-a.1'), ran]).toEqual(['new', 'old', ['one']])
  })

  test('touches no file that is not as it was planned', async () => {
    const host = fakeHost()
    await host.writeFile('/etc/a', 'other', soon)
    const steps = [
      {
        what: 'w',
        reason: 'r',
        undo: 'u',
        files: [{ path: '/etc/a', before: '', after: 'new' }],
        commands: [],
      },
    ]
    await expect(prepareHost(host, steps, { ...quietly })).rejects.toThrow('has changed since')
  })
})

describe('a check', () => {
  const levels = (name: string, role: Role | undefined, more = {}): Record<string, string> =>
    Object.fromEntries(checkSurvey('hv1', survey(name, more), role).map(({ check, level }) => [check, level]))

  test('fails for what the role lacks, and warns when there is no role', () => {
    expect(levels('Debian 12', 'xen')['xen']).toBe('fail')
    expect(levels('Debian 12', undefined)['xen']).toBe('warn')
    expect(levels('Debian 12', 'kvm')['qemu']).toBe('fail')
    expect(levels('Debian 12', 'director')['bridges']).toBeUndefined()
  })

  test('knows Dom0, bridges, volume groups and a pending reboot', () => {
    const found = levels('Debian 12', 'xen', {
      hypervisor: 'xen',
      'xen-capabilities': 'control_d',
      links: '3: xenbr0: <UP> mtu 1500 qdisc noqueue \\ link/ether 00:16:3e:00:00:01 \\ bridge forward_delay 0',
      'volume-groups': '  vg0|107374182400|53687091200',
      reboot: '/run/reboot-required',
    })
    expect(found).toMatchObject({ xen: 'pass', bridges: 'pass', storage: 'pass', reboot: 'warn' })
  })
})

describe("guests' storage", () => {
  const asked = (disk: string, more = {}) =>
    storageSteps(survey('Debian 12', { disk, ...more }), { kind: 'volume-group', name: 'vg0', device: '/dev/sdb' })

  test('an empty device becomes a volume group, and the second run has nothing to do', () => {
    expect(asked('device /dev/sdb 1000').flatMap(({ commands: all }) => all.map((one) => one.join(' ')))).toEqual([
      'pvcreate /dev/sdb',
      'vgcreate vg0 /dev/sdb',
    ])
    expect(asked('device /dev/sdb 1000\nsignature LVM2_member\ngroup vg0\ndata')).toEqual([])
  })

  test.each([
    ['signature dos', 'not empty: a signature of dos'],
    ['signature ext4', 'a signature of ext4'],
    ['signature linux_raid_member', 'a signature of linux_raid_member'],
    ['signature LVM2_member\ngroup other', 'a signature of LVM2_member'],
    ['holds /dev/sdb1 part /', '/dev/sdb1 on it'],
    ['mounted /srv', 'a file system mounted on /srv'],
    ['swap', 'swap in use'],
    ['used /dev/md0', 'a part of /dev/md0'],
    ['data', 'data that is not zero'],
  ])('a device is refused that holds something: %s', (found, why) => {
    expect(() => asked(`device /dev/sdb 1000\n${found}`)).toThrow(why)
  })

  test('is refused without a device, and where the group is another one', () => {
    expect(() => asked('absent /dev/sdb')).toThrow('/dev/sdb is no device here')
    expect(() => asked('device /dev/sdb 1', { 'volume-groups': 'vg0|100|50' })).toThrow('vg0 is there already')
  })

  test('a directory is made once', () => {
    const wish = { kind: 'directory', path: '/srv/baton' } as const
    expect(storageSteps(survey('Debian 12'), wish)[0]?.commands).toEqual([
      ['install', '-d', '-m', '0711', '/srv/baton'],
    ])
    expect(storageSteps(survey('Debian 12', { directory: '/srv/baton' }), wish)).toEqual([])
    expect(() => storageSteps(survey('Debian 12'), { kind: 'directory', path: 'here' })).toThrow('no absolute path')
  })
})

describe('GRUB legacy', () => {
  const menu = '/boot/grub/menu.lst'
  const text = 'default\t\t2\n### BEGIN AUTOMAGIC\n## ## Start Default Options ##\n# xenhopt=\n# kopt=root=/dev/sda1\n'
  const legacy = { packages: 'grub-legacy 0.97 installed' }
  const boot = (content: string, more = {}) =>
    planPreparation(survey('Debian 12', { ...legacy, [`file:${menu}`]: content, ...more }), { role: 'xen', dom0 }).at(
      -1,
    )

  test('has its options in the comments that update-grub reads, and starts the first entry', () => {
    const step = boot(text)
    expect(step?.files).toMatchObject([
      {
        path: menu,
        after:
          'default\t\t0\n### BEGIN AUTOMAGIC\n## ## Start Default Options ##\n# xenhopt=dom0_mem=2G,max:2G dom0_max_vcpus=2\n# kopt=root=/dev/sda1\n',
      },
    ])
    expect(step?.commands).toEqual([['update-grub']])
  })

  test('keeps the other options of the hypervisor, and the second run has nothing to do', () => {
    const mine = text.replace('# xenhopt=', '# xenhopt=dom0_mem=1G com1=115200,8n1')
    const after = 'com1=115200,8n1 dom0_mem=2G,max:2G dom0_max_vcpus=2'
    expect(boot(mine)?.files).toMatchObject([{ after: expect.stringContaining(`# xenhopt=${after}\n`) }])
    // As update-grub writes the menu anew, in an order of its own.
    const ready = mine.replace(/# xenhopt=.*\n(.*\n)/, `$1# xenhopt=${after}\n`).replace('default\t\t2', 'default\t\t0')
    expect(boot(ready, { 'grub-options': after.slice(15) })?.what).not.toContain('boot Xen')
    expect(boot(ready)?.what).toBe('make the boot menu anew')
  })

  test('is refused with a menu of hands, with UEFI, and with what Xen would ignore', () => {
    expect(() => boot('default 0\n')).toThrow('no part that update-grub writes')
    expect(() => boot(text, { firmware: 'efi' })).toThrow('does not start from UEFI')
    expect(() => boot('kernel /xen-4.17.gz dom0_mem=512M,max=512M\n')).toThrow('the limit after = is lost')
  })
})

describe('originals', () => {
  const wanted = (name: string, role: Role, ...originals: Original[]) =>
    planPreparation(survey(name), { role, dom0, originals })[0]?.commands.at(-1)?.join(' ')

  test('are installed beside Baton where there are packages, and refused by name where not', () => {
    expect(wanted('Debian 12', 'xen', 'xen-tools')).toMatch(/ xen-tools$/)
    expect(wanted('Debian 12', 'director', 'keepalived', 'ldirectord')).toMatch(/ procps keepalived ldirectord$/)
    expect(wanted('Rocky 9', 'director', 'keepalived')).toMatch(/ keepalived$/)
    expect(() => wanted('Debian 13', 'xen', 'xen-tools')).toThrow('has no package xen-tools')
    expect(() => wanted('Rocky 9', 'director', 'ldirectord')).toThrow('has no package ldirectord')
  })
})

describe("Xen's own settings", () => {
  const step = (text: string) =>
    planPreparation(survey('Debian 12', { 'file:/etc/default/xen': text }), { role: 'xen', dom0 }).find(({ files }) =>
      files.some(({ path }) => path === '/etc/default/xen'),
    )?.files[0]

  test('are set in the file that the package brings, and left where they are right', () => {
    expect(step('# comment\n#XENCONSOLED_ARGS=\n')).toMatchObject({
      after: '# comment\n#XENCONSOLED_ARGS=\nXENCONSOLED_ARGS="--log=guest"\n',
    })
    expect(step('XENCONSOLED_ARGS="--log=all"\n')).toBeUndefined()
    expect(step('XENCONSOLED_ARGS="--log=all"\nTOOLSTACK=xm\n')).toMatchObject({
      after: 'XENCONSOLED_ARGS="--log=all"\nTOOLSTACK=xl\n',
    })
  })
})

describe("the settings of Xen's own units", () => {
  const step = (text: string) =>
    planPreparation(survey('CentOS 7', { 'file:/etc/sysconfig/xencommons': text }), { role: 'xen', dom0 }).find(
      ({ files }) => files.some(({ path }) => path === '/etc/sysconfig/xencommons'),
    )?.files[0]

  test('are set on CentOS, and left where they are right', () => {
    expect(step('#XENCONSOLED_TRACE=[none|guest|hv|all]\n')).toMatchObject({
      after: '#XENCONSOLED_TRACE=[none|guest|hv|all]\nXENCONSOLED_TRACE=guest\n',
    })
    expect(step('XENCONSOLED_TRACE=none\n')).toMatchObject({ after: 'XENCONSOLED_TRACE=guest\n' })
    expect(step('XENCONSOLED_TRACE="all"\n')).toBeUndefined()
  })
})

describe('what xendomains does with guests', () => {
  const file = (name: string, xendomains: Partial<Xendomains>, files: Readonly<Record<string, string>> = {}) =>
    planPreparation(survey(name, files), { role: 'xen', dom0, xendomains })
      .flatMap(({ files: changed }) => changed)
      .find(({ path }) => path.endsWith('/xendomains'))

  test('is set where the spec says something, in the file of the family', () => {
    const [path, text] = ['/etc/default/xendomains', 'XENDOMAINS_SAVE=/srv/save\n# as installed\n']
    const halting = { save: false, migrate: '' }
    expect(file('Debian 12', {})).toBeUndefined()
    expect(file('Debian 12', halting)).toEqual({ path, set: { XENDOMAINS_SAVE: '""' } })
    expect(file('Debian 12', halting, { [`file:${path}`]: text })).toEqual({
      path,
      before: text,
      after: 'XENDOMAINS_SAVE=""\n# as installed\n',
    })
    expect(file('Debian 12', { save: true }, { [`file:${path}`]: text })).toBeUndefined()
    expect(file('CentOS 7', halting)?.path).toBe('/etc/sysconfig/xendomains')
  })

  test('is shown by a check of a host that has Xen', () => {
    const check = (more: Readonly<Record<string, string>>) =>
      checkSurvey('hv1', survey('Debian 12', more), 'xen').find(({ check: name }) => name === 'xendomains')
    const packages = 'xen-hypervisor-4.17-amd64 4.17 installed'
    expect(check({})).toBeUndefined()
    expect(check({ packages, 'file:/etc/default/xendomains': 'XENDOMAINS_SAVE=\n' })).toMatchObject({
      level: 'pass',
      found: 'at halt shut down; at start what has autostart, and what was saved',
    })
  })
})

describe('guests of QEMU that start with their host', () => {
  const kvm = (more: Readonly<Record<string, string>>) => survey('Debian 12', more)
  const steps = (more: Readonly<Record<string, string>>) =>
    planPreparation(kvm(more), { role: 'kvm', dom0 }).filter(({ undo }) => undo.includes('baton-guests.service'))

  test('have a unit, where Baton is on the host, and only while it is not enabled', () => {
    const programs = '/usr/bin/baton'
    expect(steps({})).toEqual([])
    expect(steps({ programs, units: 'baton-guests.service' })).toEqual([])
    const path = '/etc/systemd/system/baton-guests.service'
    expect(steps({ programs })[0]?.files).toEqual([{ path, before: '', after: guestsUnit }])
    const [again] = steps({ programs, [`file:${path}`]: guestsUnit })
    expect(again?.files).toEqual([])
    expect(again?.commands.map((command) => command.join(' '))).toEqual([
      'systemctl daemon-reload',
      'systemctl enable --now baton-guests.service',
    ])
  })

  test('the unit is the one that packages bring', () => {
    expect(guestsUnit).toBe(readFileSync(join(import.meta.dirname, '../../../packaging/baton-guests.service'), 'utf8'))
  })

  test('a check says whether they do, where there is QEMU', () => {
    const check = (more: Readonly<Record<string, string>>) =>
      checkSurvey('hv1', kvm(more), 'kvm').find(({ check: name }) => name === 'autostart')
    const programs = '/usr/bin/qemu-system-x86_64'
    expect(check({})).toBeUndefined()
    expect(check({ programs })).toMatchObject({ level: 'warn', advice: expect.stringMatching(/^install Baton on/) })
    expect(check({ programs: `${programs}\n/usr/bin/baton` })?.advice).toBe('baton host prepare hv1 --as kvm')
    expect(check({ programs, units: 'baton-guests.service' })?.level).toBe('pass')
  })
})

describe('Xen as what is booted', () => {
  const boot = (name: string, more: Readonly<Record<string, string>> = {}) =>
    planPreparation(survey(name, more), { role: 'xen', dom0 }).find(({ what }) => what.startsWith('boot Xen'))
  const options = 'dom0_mem=2G,max:2G dom0_max_vcpus=2'

  test('keeps what /etc/default/grub gives the hypervisor, and says the last word about Dom0', () => {
    const [file] = boot('Debian 12')?.files ?? []
    expect(changed('', file ?? { path: '', set: {} })).toContain(
      `GRUB_CMDLINE_XEN_DEFAULT="$GRUB_CMDLINE_XEN_DEFAULT ${options}"\n`,
    )
  })

  test.each([
    ['GRUB_CMDLINE_XEN_DEFAULT="noreboot"', 'it is read after /etc/default/grub.d/baton-xen.cfg, and undoes it'],
    ['XEN_OVERRIDE_GRUB_DEFAULT=0', 'and undoes it'],
  ])('is refused while a later file of GRUB says %s', (line, why) => {
    expect(() => boot('Debian 12', { 'file:/etc/default/grub.d/xen.cfg': `# as installed\n${line}\n` })).toThrow(why)
  })

  test.each([
    ['xen.cfg', '#GRUB_CMDLINE_XEN_DEFAULT=""'],
    ['xen.cfg', 'GRUB_CMDLINE_XEN_DEFAULT="$GRUB_CMDLINE_XEN_DEFAULT noreboot"'],
    ['a.cfg', 'GRUB_CMDLINE_XEN_DEFAULT="noreboot"'],
  ])('is not hindered by %s: %s', (name, line) => {
    expect(boot('Debian 12', { [`file:/etc/default/grub.d/${name}`]: `${line}\n` })?.commands).toEqual([
      ['update-grub'],
    ])
  })

  test('on CentOS what its package has written meanwhile stays, but for the words that are set', () => {
    const [change] = boot('CentOS 7')?.files ?? []
    const before = 'GRUB_CMDLINE_XEN_DEFAULT="dom0_mem=1024M,max:1024M cpuinfo com1=115200,8n1"\nGRUB_TIMEOUT=5\n'
    const after = `GRUB_CMDLINE_XEN_DEFAULT="cpuinfo com1=115200,8n1 ${options}"\nGRUB_TIMEOUT=5\n`
    expect(changed(before, change ?? { path: '', set: {} })).toBe(after)
    const ready = { 'file:/etc/default/grub': after, 'grub-options': `${options} loglvl=all` }
    expect(boot('CentOS 7', ready)).toBeUndefined()
  })

  test('is refused with every misspelling at once, each with what to write', () => {
    const wrong = { 'file:/etc/default/grub': 'GRUB_CMDLINE_XEN="dom0_mem=512M,max=512M dom0_max-vcpus=1"' }
    expect(() => boot('Debian 12', wrong)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(/dom0_mem=512M,max=512M: the limit .*; .*dom0_max-vcpus=1: Xen knows no/),
        hint: 'write dom0_mem=512M,max:512M and dom0_max_vcpus=1 there, or take it out, then run this again',
      }),
    )
  })

  test('Fedora is refused in other words: it has Xen', () => {
    expect(() => boot('Rocky 9', { 'os-release': 'ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43"' })).toThrow(
      'Baton does not know how Fedora Linux 43 starts Xen',
    )
  })
})

test('words of a variable that is not there make it, and those that are there change nothing', () => {
  const wish = { path: '/x', variable: 'A', words: ['a=1', 'b'] }
  expect(withWords('', wish)).toBe('A="a=1 b"\n')
  expect(withWords("A='a=1 c b'\n", wish)).toBe("A='a=1 c b'\n")
  expect(withWords('A="a=2 c"\n#A="a=3"\n', wish)).toBe('A="c a=1 b"\n#A="a=3"\n')
})

test('a sysctl that was off is off again after the undo', () => {
  const [step] = planPreparation(
    survey('Debian 12', { sysctls: 'net/ipv4/ip_forward 1\nnet/ipv4/ip_nonlocal_bind 0' }),
    {
      role: 'director',
      dom0,
    },
  ).filter(({ files }) => files.some(({ path }) => path.includes('sysctl.d')))
  expect(step?.undo).toBe('rm /etc/sysctl.d/90-baton.conf; sysctl --write net.ipv4.ip_nonlocal_bind=0')
})

test('a check says that CentOS 7 is past its end', () => {
  const [first] = checkSurvey('hv1', survey('CentOS 7'), undefined)
  expect(first).toMatchObject({ level: 'warn', advice: expect.stringContaining('has to name an archive') })
})

test('a variable is set where it stands last, and the others are left', () => {
  expect(withVariables('A=1\nA=2\n#A=3\nB=4\n', { A: '9' })).toBe('A=1\nA=9\n#A=3\nB=4\n')
  expect(withVariables('B=4', { A: '9' })).toBe('B=4\nA=9\n')
})
