/** `baton detach`: take a disk or an interface from a guest. */
import type { Command } from 'commander'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'

export function register(program: Command): void {
  machineCommand(program, 'detach', 'take a disk or an interface from a guest, also while it runs')
    .argument('<device>', "a disk's path or target, an interface's MAC address: as `baton attach list` shows it")
    .action((guest: string, device: string, options: MachineOptions) =>
      withGuestMachine(
        guest,
        'detach',
        options,
        async (detach, call) => {
          await detach(guest, device, call)
          return { guest, device }
        },
        (told) => [`detached ${told.device} from ${told.guest}`],
      ),
    )
}
