/** `baton attach disk|network|list`: devices beside those of a guest's definition. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import type { DiskDevice, NetworkDevice } from '../../guests/machine.ts'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'
import { attachedView, devicesView } from '../views/machine.ts'

type DiskOptions = MachineOptions & { readonly format: string; readonly readOnly?: true }
type NetworkOptions = MachineOptions & { readonly bridge?: string; readonly network?: string }

export function register(program: Command): void {
  const attach = program.command('attach').description('give a guest a disk or an interface, also while it runs')
  machineCommand(attach, 'disk', 'a file or block device of its host')
    .argument('<path>', 'where it lies')
    .option('--format <format>', 'qcow2 or raw', 'qcow2')
    .option('--read-only', 'the guest may not write to it')
    .action((guest: string, path: string, options: DiskOptions) =>
      withGuestMachine(
        guest,
        'attach',
        options,
        (attach, call) => attach(guest, diskOf(guest, path, options), call),
        attachedView,
      ),
    )
  machineCommand(attach, 'network', 'an interface; on the user network when nothing else is said')
    .option('--bridge <bridge>', 'a bridge of its host')
    .option('--network <network>', "a network of libvirt's")
    .action((guest: string, options: NetworkOptions) =>
      withGuestMachine(
        guest,
        'attach',
        options,
        (attach, call) => attach(guest, networkOf(guest, options), call),
        attachedView,
      ),
    )
  machineCommand(attach, 'list', 'what was attached to it').action((guest: string, options: MachineOptions) =>
    withGuestMachine(guest, 'devices', options, (devices, call) => devices(guest, call), devicesView),
  )
}

/** @throws InfraError `invalid` */
function diskOf(guest: string, path: string, { format, readOnly }: DiskOptions): DiskDevice {
  if (format !== 'qcow2' && format !== 'raw')
    throw new InfraError('invalid', `attach disk: --format ${format}: qcow2 or raw is wanted`, { subject: guest })
  return { kind: 'disk', path: resolve(path), format, isReadOnly: readOnly === true }
}

/** @throws InfraError `invalid` */
function networkOf(guest: string, { bridge, network }: NetworkOptions): NetworkDevice {
  if (bridge !== undefined && network !== undefined)
    throw new InfraError('invalid', 'attach network: --bridge or --network, not both', { subject: guest })
  if (bridge !== undefined) return { kind: 'network', bridge }
  return network === undefined ? { kind: 'network', user: true } : { kind: 'network', network }
}
