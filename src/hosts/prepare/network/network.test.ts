import { describe, expect, test } from 'vitest'
import { surveyText } from '../../../../test/build/survey-text.ts'
import { parseSurvey, type Survey } from '../../survey/survey.ts'
import type { Guarded } from '../step.ts'
import { guardScript } from './guard.ts'
import { checkWithoutNetworkManager, networkSteps } from './network.ts'

const card = '2: enp1s0: <UP> mtu 1500 qdisc fq state UP \\    link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff'
const base = { uid: '0', links: card, routes: 'default via 10.0.0.1 dev enp1s0' }

const survey = (more: Readonly<Record<string, string>>): Survey => parseSurvey(surveyText({ ...base, ...more }))

function change(more: Readonly<Record<string, string>>, bridge = 'xenbr0'): Guarded {
  const [step] = networkSteps(survey(more), { bridge })
  if (step?.guarded === undefined) throw new Error('no guarded step')
  return step.guarded
}

const commands = (some: Guarded['enter']): string[] => some.map((command) => command.join(' '))

describe('ifupdown', () => {
  const written = (interfaces: string, more = {}): Record<string, string> => {
    const { files } = change({ programs: '/sbin/ifup', 'file:/etc/network/interfaces': interfaces, ...more })
    return Object.fromEntries(files.map(({ path, after }) => [path, after]))
  }

  test("the card's stanza becomes the bridge's, with the card's address; what stands around it stays", () => {
    const before = `# as installed
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The primary network interface
allow-hotplug enp1s0
iface enp1s0 inet static
    address 10.0.0.2/24
    gateway 10.0.0.1 # the router
    dns-nameservers 10.0.0.1

iface enp1s0 inet6 auto
`
    expect(written(before)['/etc/network/interfaces']).toBe(`# as installed
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The primary network interface
auto xenbr0
iface enp1s0 inet manual

iface xenbr0 inet static
    bridge_ports enp1s0
    bridge_hw 52:54:00:12:34:56
    bridge_stp off
    bridge_fd 0
    bridge_maxwait 0
    address 10.0.0.2/24
    gateway 10.0.0.1 # the router
    dns-nameservers 10.0.0.1

iface xenbr0 inet6 auto
`)
  })

  test('what is started elsewhere, together with others, or not at all, is started', () => {
    const stanza = 'iface enp1s0 inet dhcp\n'
    const more = { 'file:/etc/network/interfaces.d/all': 'auto lo enp1s0 enp1s0:1\n' }
    expect(written(stanza, more)['/etc/network/interfaces.d/all']).toBe('auto lo xenbr0 xenbr0:1\n')
    expect(written(`allow-hotplug enp2s0 enp1s0\n${stanza}`)['/etc/network/interfaces']).toMatch(
      /^auto xenbr0\nallow-hotplug enp2s0\niface enp1s0 inet manual\n/,
    )
    expect(written(stanza)['/etc/network/interfaces']).toMatch(/^auto xenbr0\niface enp1s0 inet manual\n/)
  })

  test('goes down under the old file and up under the new one, and the other way back', () => {
    const { leave, enter, back } = change({
      programs: '/sbin/ifup',
      'file:/etc/network/interfaces': 'iface enp1s0 inet dhcp\n',
    })
    expect(commands(leave)).toEqual(['ifdown --force enp1s0', 'ip address flush dev enp1s0'])
    expect(commands(enter)).toEqual(['ifup xenbr0'])
    expect(commands(back.leave)).toEqual(['ifdown --force xenbr0', 'ip link delete xenbr0'])
    expect(commands(back.enter)).toEqual(['ifup --force enp1s0'])
  })

  test.each([
    ['iface enp1s0 inet static\n  up ip route add 10.9.0.0/16 dev enp1s0\n', 'this would not hold for a bridge'],
    ['iface enp1s0 inet dhcp\n  wpa-ssid home\n', 'this would not hold for a bridge'],
    ['iface enp1s0 inet static inherits common\n', 'what is inherited is not looked at'],
    ['iface enp1s0 inet dhcp\niface xenbr0 inet manual\n', 'describes xenbr0 already'],
  ])('%j is refused: %s', (interfaces, why) => {
    expect(() => written(interfaces)).toThrow(why)
  })

  test('a card in two files is refused, and a card of another name is not meant', () => {
    const stanza = 'iface enp1s0 inet dhcp\n'
    expect(() => written(stanza, { 'file:/etc/network/interfaces.d/x': stanza })).toThrow(
      'and in /etc/network/interfaces.d/x',
    )
    expect(() => written('iface enp1s01 inet dhcp\n')).toThrow('nothing says who has set enp1s0 up')
  })
})

describe('netplan', () => {
  const file = '/etc/netplan/50-cloud-init.yaml'
  const planned = (yaml: string, more = {}): Guarded =>
    change({ programs: '/usr/sbin/netplan', [`file:${file}`]: yaml, ...more })

  test('addresses go to the bridge, what is of the card stays, and so do comments', () => {
    const { files, enter } = planned(`# from the installer
network:
  version: 2
  ethernets:
    enp1s0: # the uplink
      match:
        macaddress: 52:54:00:12:34:56
      set-name: enp1s0
      addresses: [10.0.0.2/24] # ours
      routes:
        - to: default
          via: 10.0.0.1
      nameservers:
        addresses: [10.0.0.1]
`)
    expect(files[0]?.after).toBe(`# from the installer
network:
  version: 2
  ethernets:
    enp1s0:
      # the uplink
      match:
        macaddress: 52:54:00:12:34:56
      set-name: enp1s0
      dhcp4: false
  bridges:
    xenbr0:
      interfaces:
        - enp1s0
      macaddress: 52:54:00:12:34:56
      parameters:
        stp: false
        forward-delay: 0
      addresses: [ 10.0.0.2/24 ] # ours
      routes:
        - to: default
          via: 10.0.0.1
      nameservers:
        addresses: [ 10.0.0.1 ]
`)
    expect(files[1]?.after).toContain('network: { config: disabled }')
    expect(commands(enter)).toEqual(['netplan generate', 'netplan apply'])
  })

  test('a card is found by set-name, by a name that matches, and by its address', () => {
    for (const card of [
      'up: { set-name: enp1s0, match: { macaddress: "00:00:00:00:00:01" } }',
      'up: { match: { name: enp1s0 } }',
      'up: { match: { macaddress: 52:54:00:12:34:56 } }',
    ])
      expect(planned(`network:\n  ethernets:\n    ${card}\n`).files[0]?.after).toContain('interfaces:\n        - up\n')
  })

  test('goes before NetworkManager and systemd-networkd, which it directs', () => {
    const more = { connections: 'enp1s0:u1', 'networkd-files': 'enp1s0 /run/systemd/network/10-netplan-enp1s0.network' }
    expect(
      networkSteps(
        survey({
          programs: 'netplan',
          [`file:${file}`]: 'network: { ethernets: { enp1s0: { dhcp4: true } } }',
          ...more,
        }),
        { bridge: 'br0' },
      )[0]?.what,
    ).toBe('make the bridge br0 over enp1s0, by netplan')
  })

  test('a file that is no YAML is refused with its place', () => {
    expect(() => planned('network: [')).toThrow(file)
  })
})

describe('systemd-networkd', () => {
  const source = '/etc/systemd/network/80-uplink.network'
  const set = { 'networkd-files': `enp1s0 ${source}` }

  test("files of our own come before the uplink's, whose addresses the bridge has", () => {
    const text = '[Match]\nName=en*\n\n[Network]\nAddress=10.0.0.2/24\n\n[Route]\nGateway=10.0.0.1\n'
    const { files, enter, back } = change({ ...set, [`file:${source}`]: text })
    expect(Object.fromEntries(files.map(({ path, after }) => [path.split('/').at(-1), after]))).toEqual({
      '05-xenbr0.netdev':
        '# Written by baton host prepare.\n[NetDev]\nName=xenbr0\nKind=bridge\nMACAddress=52:54:00:12:34:56\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\n',
      '05-xenbr0-uplink.network':
        '# Written by baton host prepare.\n[Match]\nName=enp1s0\n\n[Network]\nBridge=xenbr0\n',
      '05-xenbr0.network':
        '# Written by baton host prepare.\n[Match]\nName=xenbr0\n\n[Network]\nAddress=10.0.0.2/24\n\n[Route]\nGateway=10.0.0.1\n',
    })
    expect(commands(enter)).toEqual(['networkctl reload', 'networkctl reconfigure enp1s0'])
    expect(commands(back.enter)[0]).toBe('ip link delete xenbr0')
  })

  test('a drop-in is refused, and a file that is not there', () => {
    expect(() => change({ ...set, [`file:${source}`]: '[Match]\n', [`file:${source}.d/a.conf`]: '' })).toThrow(
      'changes',
    )
    expect(() => change(set)).toThrow('cannot be read')
  })
})

describe('NetworkManager', () => {
  const more = {
    connections: 'enp1s0:5e1d:x\nlo:ffff',
    'connection-settings':
      'uuid:5e1d\nconnection.autoconnect:yes\nconnection.zone:internal\n802-3-ethernet.mtu:9000\nipv4.method:manual\nipv4.addresses:10.0.0.2/24\nipv4.gateway:10.0.0.1\nipv4.dns:10.0.0.1\nipv4.routes:\nipv6.method:auto\nipv6.addresses:fd00\\:\\:2/64\nuuid:ffff\nipv4.method:auto',
  }

  test('a bridge connection has the addresses, and the one before rests', () => {
    const { enter, back, files } = change(more)
    expect(commands(enter)).toEqual([
      'systemctl reload NetworkManager',
      'nmcli connection add type bridge con-name xenbr0 ifname xenbr0 bridge.stp no bridge.mac-address 52:54:00:12:34:56 connection.zone internal ipv4.addresses 10.0.0.2/24 ipv4.gateway 10.0.0.1 ipv4.method manual ipv4.dns 10.0.0.1 ipv6.addresses fd00::2/64 ipv6.method auto',
      'nmcli connection add type bridge-slave con-name xenbr0-uplink ifname enp1s0 master xenbr0 802-3-ethernet.mtu 9000',
      'nmcli connection modify 5e1d connection.autoconnect no',
      'nmcli --wait 0 connection up xenbr0',
      'nmcli --wait 0 connection up xenbr0-uplink',
    ])
    expect(commands(back.enter).slice(1)).toEqual([
      'nmcli connection modify 5e1d connection.autoconnect yes',
      'nmcli connection up 5e1d',
    ])
    expect(files[0]?.after).toContain('unmanaged-devices=interface-name:vif*')
  })

  test('is not turned off where it has set the uplink up', () => {
    expect(() => checkWithoutNetworkManager(survey(more))).toThrow('without it there is no network')
    checkWithoutNetworkManager(survey({}))
  })
})

describe('an uplink', () => {
  const interfaces = { programs: 'ifup', 'file:/etc/network/interfaces': 'iface enp1s0 inet dhcp\n' }
  const bridge = '3: xenbr0: <UP> mtu 1500 \\ link/ether 52:54:00:12:34:56 brd ff \\    bridge forward_delay 0'

  test('that is in the bridge already needs nothing', () => {
    const inside = card.replace('mtu 1500', 'mtu 1500 master xenbr0')
    expect(networkSteps(survey({ links: `${inside}\n${bridge}` }), { bridge: 'xenbr0', uplink: 'enp1s0' })).toEqual([])
    expect(networkSteps(survey({ links: bridge, routes: 'default dev xenbr0' }), { bridge: 'xenbr0' })).toEqual([])
  })

  test.each([
    ['no default route', { routes: '' }, 'no uplink is known'],
    ['two of them', { routes: 'default dev a\ndefault dev b' }, 'default routes lead over a and b'],
    [
      'a bridge of another name',
      { links: bridge.replace('xenbr0', 'br0'), routes: 'default dev br0' },
      'the bridge br0 carries the uplink',
    ],
    ['a card in another bridge', { links: card.replace('mtu', 'master br7 mtu') }, 'enp1s0 is a part of br7 already'],
    ['a wireless card', { wireless: '/sys/class/net/enp1s0/wireless' }, 'enp1s0 is wireless'],
    ['a VLAN', { links: `${card} \\ vlan protocol 802.1Q id 5` }, 'enp1s0 is a vlan'],
    ['a bridge that is there, without it', { links: `${card}\n${bridge}` }, 'xenbr0 is there already, without enp1s0'],
    ['nobody who set it up', {}, 'nothing says who has set enp1s0 up'],
  ])('is refused: %s', (_what, more, why) => {
    expect(() => networkSteps(survey(more), { bridge: 'xenbr0' })).toThrow(why)
  })

  test.each(['9br', 'a/b', 'sixteen-letters0', ''])('%j is no name for a bridge', (name) => {
    expect(() => networkSteps(survey(interfaces), { bridge: name })).toThrow('is no name for a bridge')
  })
})

test('the guard quotes what it runs, and removes what was not there', () => {
  const guarded: Guarded = {
    ...{ uplink: 'a', bridge: 'b', leave: [], enter: [['echo', "it's"]], back: { leave: [], enter: [] } },
    files: [{ path: '/etc/new file', before: '', after: 'x' }],
  }
  const script = guardScript('/var/lib/x', guarded, 60)
  expect(script).toContain(String.raw`run 'echo' 'it'\''s' || back 'echo it'\''s failed'`)
  expect(script).toContain("  rm -f '/etc/new file'\n")
})
