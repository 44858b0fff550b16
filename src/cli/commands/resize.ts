/** `baton resize`: other memory and processors for a guest. */
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import type { MachineSize } from '../../guests/machine.ts'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'
import { readBytes, readCount } from '../local/machine-size.ts'

type Options = MachineOptions & { readonly memory?: number; readonly vcpus?: number }

export function register(program: Command): void {
  machineCommand(program, 'resize', 'other memory and processors: at once where that can be, else at its next start')
    .option('--memory <size>', 'such as 512M', readBytes)
    .option('--vcpus <number>', 'its processors', readCount)
    .action((guest: string, options: Options) =>
      withGuestMachine(
        guest,
        'resize',
        options,
        async (resize, call) => ({ guest, takes: await resize(guest, sizeOf(guest, options), call) }),
        ({ takes }) => [
          takes === 'now' ? `${guest} has it` : `${guest} runs on as it is: it has it when it is started anew`,
        ],
      ),
    )
}

/** @throws InfraError `invalid` when there is nothing to change */
function sizeOf(guest: string, { memory, vcpus }: Options): MachineSize {
  if (memory === undefined && vcpus === undefined)
    throw new InfraError('invalid', 'resize: nothing to change', { subject: guest, hint: 'give --memory or --vcpus' })
  return {
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    ...(vcpus === undefined ? {} : { vcpus }),
  }
}
