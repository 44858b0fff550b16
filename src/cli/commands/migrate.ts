/** `baton migrate`: move a guest to another host as it runs. */
import type { Command } from 'commander'
import { askMs } from '../deadline-options.ts'
import { addDrainOptions, type DrainOptions, drainGuest, letBack } from '../local/guest-drain.ts'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'

export function register(program: Command): void {
  addDrainOptions(machineCommand(program, 'migrate', 'move a guest to another host as it runs', 600_000))
    .argument('<to>', 'how the hypervisor of this host reaches the other one: qemu+ssh://HOST/system')
    .action((guest: string, to: string, options: MachineOptions & DrainOptions) =>
      withGuestMachine(
        guest,
        'migrate',
        options,
        async (migrate, call, { machine, signal, output }) => {
          const say = (text: string): void => output.note([`baton: ${text}`])
          const draining = { signal, forMs: options.drainTimeout, say }
          const hasLeft = options.drain !== false && (await drainGuest(machine, guest, draining))
          try {
            await migrate(guest, to, call)
          } finally {
            // Wherever it runs now: it serves again when its checks pass.
            if (hasLeft) await letBack(machine, guest, AbortSignal.timeout(askMs))
          }
          return { guest, to }
        },
        (told) => [`${told.guest} runs at ${told.to}`],
      ),
    )
}
