/** The machine of a guest on Xen: each operation alone on the guest as it stands. Xen has no snapshots, PV guests no screen. */
import type { Host } from '../../../hosts/host.ts'
import type { CallOptions } from '../../hypervisor.ts'
import type { GuestMachine } from '../../machine.ts'
import type { Known } from '../observe.ts'
import { attachDevice, attachedDevices, detachDevice } from './devices.ts'
import { migrateGuest } from './migrate.ts'
import { resizeGuest } from './resize.ts'

/** `look`: any guest that there is. The others hold its lock, and refuse what its state does not allow. */
type Standing = {
  readonly look: (name: string, options: CallOptions) => Promise<Known>
  readonly change: <T>(
    operation: 'change' | 'migrate',
    name: string,
    options: CallOptions,
    act: (guest: Known) => Promise<T>,
  ) => Promise<T>
}

export function xenMachine(
  host: Host,
  { look, change }: Standing,
): Pick<GuestMachine, 'devices' | 'attach' | 'detach' | 'resize' | 'migrate'> {
  return {
    devices: async (name, options) => attachedDevices(host, await look(name, options), options),
    attach: (name, device, options) =>
      change('change', name, options, (guest) => attachDevice(host, guest, device, options)),
    detach: (name, device, options) =>
      change('change', name, options, (guest) => detachDevice(host, guest, device, options)),
    resize: (name, size, options) =>
      change('change', name, options, (guest) => resizeGuest(host, guest, size, options)),
    migrate: (name, to, options) => change('migrate', name, options, (guest) => migrateGuest(host, guest, to, options)),
  }
}
