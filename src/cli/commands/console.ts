/** `baton console`: the serial console of a guest, until Ctrl-] or the guest's end. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { InfraError } from '../../errors.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { findGuest, openMachine } from '../local/machine.ts'
import { converse, type LeaveReason } from '../terminal/converse.ts'

const logBytes = 8 * 1024

const sayings: Readonly<Record<LeaveReason, (guest: string) => string>> = {
  escape: (guest) => `left the console of ${guest}; it runs on`,
  'input-end': (guest) => `left the console of ${guest}; it runs on`,
  'guest-end': (guest) => `${guest} closed its console`,
  stopped: () => 'stopped',
}

export function register(program: Command): void {
  program
    .command('console')
    .description("a guest's serial console; Ctrl-] leaves it")
    .argument('<guest>', 'a name as `baton list` shows it')
    .option('--log', 'only print what the console said so far')
    .option('--bytes <number>', 'how much of the log to show', Number, logBytes)
    .action((name: string, options: { readonly log?: true; readonly bytes: number }) =>
      runAction(async (context) => {
        await using machine = await openMachine({ signal: within(context.signal, askMs) })
        const { hypervisor } = await findGuest(machine, name, { signal: within(context.signal, askMs) })
        const ask = { signal: within(context.signal, askMs) }
        const log = (): Promise<string> => hypervisor.consoleLog(name, { ...ask, maxBytes: options.bytes })
        if (options.log === true) {
          process.stdout.write(await log())
          return undefined
        }
        if (!Number.isSafeInteger(options.bytes) || options.bytes < 0)
          throw new InfraError('invalid', 'console: --bytes wants a number of bytes', { subject: name })
        const stream = await hypervisor.console(name, { signal: context.signal })
        process.stdout.write(await log())
        context.output.note([`baton: console of ${name}; Ctrl-] leaves it`])
        const reason = await converse(stream, context.signal)
        context.output.note(['', `baton: ${sayings[reason](name)}`])
        return undefined
      }),
    )
}
