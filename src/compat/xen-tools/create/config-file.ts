/** The .cfg that xen-create-image writes for xl: the original's, with what its guests lacked. Pure. */
import { printXlVif } from '../../../formats/xl-cfg/vif.ts'
import type { CreateNetwork, CreateSettings } from './settings.ts'
import type { PlacedVolume } from './volumes.ts'

/** Newer udev calls a card of Xen enX0; the guest's files say eth0, as the original's do. */
export const kernelWords = 'net.ifnames=0'

export function configFile(settings: CreateSettings, volumes: readonly PlacedVolume[], uuid: string): string {
  const { hostname, boot, vcpus, memoryMebibytes, maxMemoryMebibytes, network, admins } = settings
  const root = volumes.find(({ mountpoint }) => mountpoint === '/')
  // The first is where pygrub looks.
  const ordered = [...volumes.filter((volume) => volume === root), ...volumes.filter((volume) => volume !== root)]
  const setting = (key: string, value: string | number): string => `${key.padEnd(11)} = '${value}'`
  return [
    `# Configuration file for the Xen instance ${hostname}, created by Baton's xen-create-image.`,
    '',
    '#',
    '#  Kernel + memory size',
    '#',
    setting('type', 'pv'),
    ...(boot.kind === 'pygrub'
      ? [setting('bootloader', 'pygrub')]
      : [setting('kernel', boot.kernel), ...(boot.initrd === undefined ? [] : [setting('ramdisk', boot.initrd)])]),
    setting('extra', kernelWords),
    setting('vcpus', vcpus),
    setting('memory', memoryMebibytes),
    ...(maxMemoryMebibytes === undefined ? [] : [setting('maxmem', maxMemoryMebibytes)]),
    '',
    '#',
    '#  Disk device(s).',
    '#',
    setting('root', `/dev/${root?.device} ro`),
    'disk        = [',
    ...ordered.map(({ target, device }) => `                  '${target},${device},w',`),
    '              ]',
    '',
    '#',
    '#  Hostname',
    '#',
    setting('name', hostname),
    setting('uuid', uuid),
    '',
    '#',
    '#  Networking',
    '#',
    // In the quotes in which xen-list-images looks for it.
    ...(network.addresses.length === 0 ? ['dhcp        = "dhcp"'] : []),
    `vif         = [ '${vif(network)}' ]`,
    '',
    '#',
    '#  Behaviour',
    '#',
    setting('on_poweroff', 'destroy'),
    setting('on_reboot', 'restart'),
    '# A guest that crashes at each boot would be restarted for ever.',
    setting('on_crash', 'destroy'),
    ...(admins === undefined ? [] : ['', setting('xen_shell', admins)]),
    '',
  ].join('\n')
}

function vif({ addresses, mac, vifname, bridge }: CreateNetwork): string {
  const fields = { ip: addresses.length === 0 ? undefined : addresses.join(' '), mac, vifname, bridge }
  return printXlVif(
    new Map(Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))),
  )
}
