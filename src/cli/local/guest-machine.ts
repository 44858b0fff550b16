/** The shape of the commands that do something with one guest's machine: its guest found, its deadline, what it says. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import type { GuestMachine, MachineOperation } from '../../guests/machine.ts'
import { machineOf } from '../../guests/machine.ts'
import { type Context, runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { show } from '../output.ts'
import type { Paint } from '../terminal/paint.ts'
import { findGuest, type Machine, openMachine } from './machine.ts'

export type MachineOptions = { readonly json?: true; readonly timeout: number }

type CallOptions = { readonly signal: AbortSignal }

/**
 * Runs `use` with the method of the guest's hypervisor; refuses plainly where it has none. What it gives is the command's
 * JSON, and `view` its text.
 */
export function withGuestMachine<O extends MachineOperation, T>(
  guest: string,
  operation: O,
  { json, timeout }: MachineOptions,
  use: (method: GuestMachine[O], options: CallOptions, context: Context & { readonly machine: Machine }) => Promise<T>,
  view: (told: T, paint: Paint) => string[],
): Promise<void> {
  return runAction(async (context) => {
    const { signal, output } = context
    await using machine = await openMachine({ signal: within(signal, askMs) })
    const { hypervisor } = await findGuest(machine, guest, { signal: within(signal, askMs) })
    const method = machineOf(hypervisor, operation)[operation]
    show(output, json === true, await use(method, { signal: within(signal, timeout) }, { ...context, machine }), view)
    return undefined
  })
}

/** `--json` and `--timeout` for a command on one guest. */
export function machineCommand(parent: Command, name: string, description: string, timeoutMs = 60_000): Command {
  const command = parent
    .command(name)
    .description(description)
    .argument('<guest>', 'a name as `baton list` shows it')
    .option('--json', 'print JSON')
  return addTimeoutOption(command, timeoutMs)
}
