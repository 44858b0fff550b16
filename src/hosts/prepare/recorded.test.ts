/** Plans from facts that were recorded: what the survey's command printed on a machine as its installer left it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkSurvey, type Role } from '../survey/checks.ts'
import { parseSurvey } from '../survey/survey.ts'
import { planPreparation } from './plan.ts'

const recorded = (name: string) =>
  parseSurvey(readFileSync(join(import.meta.dirname, '../../../test/golden/hosts', `${name}.survey`), 'utf8'))

const debian = recorded('debian-12')

function commands(role: Role, name?: string): string[] {
  const wish = { role, dom0: { memory: '512M', vcpus: 1 }, ...(name === undefined ? {} : { bridge: { bridge: name } }) }
  return planPreparation(debian, wish).flatMap(({ files, commands: own, guarded }) =>
    [
      ...[...files, ...(guarded?.files ?? [])].map(({ path }) => `> ${path}`),
      ...[...own, ...(guarded?.enter ?? [])].map((command) => command.join(' ')),
    ].map((line) => line.replace('env DEBIAN_FRONTEND=noninteractive ', '')),
  )
}

test('Debian 12, its network set up by systemd-networkd', () => {
  expect(debian).toMatchObject({ isRoot: true, isXen: false, defaultDevices: ['enp0s1'], isRebootPending: false })
  expect(debian.networkdFiles).toEqual({ enp0s1: '/etc/systemd/network/80-uplink.network' })
  const check = checkSurvey('plain', debian, 'xen')
  expect(check.filter(({ level }) => level === 'fail').map(({ check: name }) => name)).toEqual(['xen'])
})

const install = 'apt-get install --yes --no-install-recommends'
const bridge = [
  '> /etc/systemd/network/05-br0.netdev',
  '> /etc/systemd/network/05-br0-uplink.network',
  '> /etc/systemd/network/05-br0.network',
  'networkctl reload',
  'networkctl reconfigure enp0s1',
]

test('Debian 12 as xen: what it has already is not installed again', () => {
  expect(commands('xen', 'br0')).toEqual([
    'apt-get update',
    `${install} xen-system-amd64 qemu-system-xen bridge-utils debootstrap mmdebstrap qemu-utils`,
    '> /etc/modules-load.d/baton.conf',
    'modprobe bridge',
    'modprobe loop',
    '> /etc/default/xen',
    'mkdir -p /var/log/xen/console',
    '> /etc/default/grub.d/baton-xen.cfg',
    'update-grub',
    ...bridge,
  ])
})

test('Debian 12 as kvm', () => {
  const packages = 'libvirt-daemon-system libvirt-clients virtinst bridge-utils dnsmasq-base mmdebstrap socat'
  expect(commands('kvm', 'br0')).toEqual([
    'apt-get update',
    `${install} qemu-system-x86 qemu-utils ${packages}`,
    '> /etc/modules-load.d/baton.conf',
    ...['bridge', 'tun', 'vhost_net', 'kvm_amd'].map((module) => `modprobe ${module}`),
    ...bridge,
  ])
})

test('Debian 12 as director, its network left as it is', () => {
  expect(commands('director')).toEqual([
    'apt-get update',
    `${install} ipvsadm`,
    '> /etc/modules-load.d/baton.conf',
    'modprobe ip_vs',
    '> /etc/sysctl.d/90-baton.conf',
    'sysctl --load /etc/sysctl.d/90-baton.conf',
  ])
})
