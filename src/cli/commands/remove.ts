/** `baton remove`: a guest of no cluster, such as one of `baton run` or `baton clone`, is ended and forgotten with its disks. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { findGuest, openMachine } from '../local/machine.ts'
import { show } from '../output.ts'

type Options = { readonly json?: true; readonly timeout: number }

export function register(program: Command): void {
  const command = program
    .command('remove')
    .description('end a guest of no cluster, and forget it with its disks')
    .argument('<guest>', 'a name as `baton list` shows it')
    .option('--json', 'print JSON')
  addTimeoutOption(command, 60_000).action((guest: string, options: Options) =>
    runAction(async ({ signal, output }) => {
      await using machine = await openMachine({ signal: within(signal, askMs) })
      const found = await findGuest(machine, guest, { signal: within(signal, askMs) })
      const { mark } = found.guest.definition
      if (mark !== undefined)
        throw new InfraError('invalid', `remove ${guest}: ${guest} belongs to ${mark.cluster}`, {
          subject: guest,
          hint: `take it out of the file of ${mark.cluster} and run baton up, or baton down`,
        })
      await found.hypervisor.undefine(guest, { signal: within(signal, options.timeout) })
      show(output, options.json === true, { removed: guest }, ({ removed }) => [`${removed} is gone, with its disks`])
      return undefined
    }),
  )
}
