/** NetworkManager: the bridge is a connection with the addresses of the one that the uplink had, which stays and rests. */
import type { ActiveConnection } from '../../survey/survey.ts'
import type { Guarded } from '../step.ts'
import { ownMark } from '../step.ts'
import type { Uplink } from './uplink.ts'

/** What the bridge takes over. `nmcli connection add` wants a method's addresses with it, so the order is this one. */
const carried = [
  // firewalld's zone: another one might let nobody in.
  'connection.zone',
  ...['ipv4', 'ipv6'].flatMap((family) =>
    [
      ...['addresses', 'gateway', 'method', 'dns', 'dns-search', 'routes', 'never-default', 'ignore-auto-dns'],
      ...['may-fail', 'route-metric'],
    ].map((name) => `${family}.${name}`),
  ),
  'ipv4.dhcp-client-id',
]

/** What nobody has set needs no word. */
const defaults: readonly string[] = ['never-default no', 'ignore-auto-dns no', 'may-fail yes', 'route-metric -1']
const isDefault = (name: string, value: string): boolean =>
  defaults.includes(`${name.slice(name.indexOf('.') + 1)} ${value}`)

/** Without it NetworkManager takes guests' interfaces for cards that wait to be set up. */
const unmanaged = '/etc/NetworkManager/conf.d/90-baton.conf'

export function bridgeByNetworkManager(
  { uuid, settings }: ActiveConnection,
  files: Readonly<Record<string, string>>,
  uplink: Uplink,
  bridge: string,
): Guarded {
  const port = `${bridge}-uplink`
  const words = carried.flatMap((name) => {
    const value = settings[name] ?? ''
    return value === '' || value === '--' || isDefault(name, value) ? [] : [name, value]
  })
  const mtu = settings['802-3-ethernet.mtu'] ?? ''
  const ofCard = /^[1-9]\d*$/.test(mtu) ? ['802-3-ethernet.mtu', mtu] : []
  const before = files[unmanaged] ?? ''
  const after = `${ownMark}[keyfile]\nunmanaged-devices=interface-name:vif*;interface-name:bt*\n`
  return {
    uplink: uplink.name,
    bridge,
    files: before === after ? [] : [{ path: unmanaged, before, after }],
    leave: [],
    enter: [
      ['systemctl', 'reload', 'NetworkManager'],
      [
        ...['nmcli', 'connection', 'add', 'type', 'bridge', 'con-name', bridge, 'ifname', bridge],
        ...['bridge.stp', 'no', 'bridge.mac-address', uplink.mac, ...words],
      ],
      [
        ...['nmcli', 'connection', 'add', 'type', 'bridge-slave', 'con-name', port, 'ifname', uplink.name],
        ...['master', bridge, ...ofCard],
      ],
      ['nmcli', 'connection', 'modify', uuid, 'connection.autoconnect', 'no'],
      // The bridge has no carrier before its port: nobody waits for it.
      ['nmcli', '--wait', '0', 'connection', 'up', bridge],
      ['nmcli', '--wait', '0', 'connection', 'up', port],
    ],
    back: {
      leave: [
        ['nmcli', 'connection', 'delete', port],
        ['nmcli', 'connection', 'delete', bridge],
      ],
      enter: [
        ['systemctl', 'reload', 'NetworkManager'],
        ['nmcli', 'connection', 'modify', uuid, 'connection.autoconnect', settings['connection.autoconnect'] ?? 'yes'],
        ['nmcli', 'connection', 'up', uuid],
      ],
    },
  }
}
