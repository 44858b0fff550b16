/** `baton resize`: other memory and processors for a guest. */
import { type Command, InvalidArgumentError } from 'commander'
import { parseSize } from '../../cluster/spec/size.ts'
import { InfraError } from '../../errors.ts'
import type { MachineSize } from '../../guests/machine.ts'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'

type Options = MachineOptions & { readonly memory?: number; readonly vcpus?: number }

export function register(program: Command): void {
  machineCommand(program, 'resize', 'other memory and processors: at once where that can be, else at its next start')
    .option('--memory <size>', 'such as 512M', readMemory)
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

function readMemory(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined || bytes < 1024 ** 2) throw new InvalidArgumentError('a size of at least 1M is wanted')
  return bytes
}

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1 || count > 255) throw new InvalidArgumentError('1 to 255 is wanted')
  return count
}
