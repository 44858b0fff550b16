/** `baton clone`: a guest once more, under another name. */
import type { Command } from 'commander'
import { cloneGuest } from '../../guests/clone.ts'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'
import { findGuest } from '../local/machine.ts'
import { openWorkingLine } from '../progress/working-line.ts'

export function register(program: Command): void {
  machineCommand(program, 'clone', 'make another guest from one that is off: a new name, address and disk', 1_800_000)
    .argument('<name>', 'what the new one is called')
    .action((guest: string, name: string, options: MachineOptions) =>
      withGuestMachine(
        guest,
        'placesOfDisks',
        options,
        async (_places, call, { machine, output }) => {
          const found = await findGuest(machine, guest, call)
          using line = openWorkingLine(name, output)
          await cloneGuest(machine.host, found.hypervisor, found.guest, name, { ...call, progress: line.say })
          return { guest, clone: name }
        },
        (told) => [`${told.clone} is a clone of ${told.guest}: baton start ${told.clone}`],
      ),
    )
}
