/** `baton list`: the guests of this machine. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { listGuests, openMachine } from '../local/machine.ts'
import { guestJson } from '../local/status.ts'
import { show } from '../output.ts'
import { guestsView } from '../views/guests.ts'

export function register(program: Command): void {
  program
    .command('list')
    .description('the guests of this machine')
    .option('--json', 'print JSON')
    .action((options: { readonly json?: true }) =>
      runAction(async ({ signal, output }) => {
        const ask = { signal: within(signal, askMs) }
        await using machine = await openMachine(ask)
        const found = await listGuests(machine, ask)
        const guests = found.map(({ host, hypervisor, guest }) => guestJson(host, hypervisor.name, guest))
        show(output, options.json === true, guests, guestsView)
        return undefined
      }),
    )
}
