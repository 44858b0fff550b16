/** `baton migrate`: move a guest to another host as it runs. */
import type { Command } from 'commander'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'

export function register(program: Command): void {
  machineCommand(program, 'migrate', 'move a guest to another host as it runs', 600_000)
    .argument('<to>', 'how the hypervisor of this host reaches the other one: qemu+ssh://HOST/system')
    .action((guest: string, to: string, options: MachineOptions) =>
      withGuestMachine(
        guest,
        'migrate',
        options,
        async (migrate, call) => {
          await migrate(guest, to, call)
          return { guest, to }
        },
        (told) => [`${told.guest} runs at ${told.to}`],
      ),
    )
}
