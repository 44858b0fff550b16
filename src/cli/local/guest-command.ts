/** The shape of all commands that do one thing to guests: start, shutdown, destroy, reboot, pause, … */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import type { Patience } from '../../guests/power-off.ts'
import { runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { errorLines } from '../output.ts'
import { guestsView } from '../views/guests.ts'
import { addDrainOptions, awaitReturn, type DrainOptions, drainGuest, letBack } from './guest-drain.ts'
import { announceReach, type FoundGuest, findGuest, type Machine, openMachine } from './machine.ts'
import { type GuestJson, guestJson } from './status.ts'

type CallOptions = { readonly signal: AbortSignal }
type Saying = CallOptions & { readonly say: (text: string) => void }

export type GuestOperation = {
  readonly name: string
  readonly description: string
  readonly timeoutMs: number
  /** Whether the guest may be reached elsewhere afterwards, which the director has to know. */
  readonly movesGuest: boolean
  /** Whether it takes the guest away from its clients: then it leaves its services first. */
  readonly drains?: true
  readonly run: (found: FoundGuest, options: CallOptions) => Promise<void>
  /** Where the guest may not answer: what is run in its place with --then-destroy. */
  readonly runOrDestroy?: (found: FoundGuest, options: Patience) => Promise<void>
}

type Options = DrainOptions & { readonly json?: true; readonly thenDestroy?: true; readonly timeout: number }

export function registerGuestOperation(program: Command, operation: GuestOperation): void {
  const command = program
    .command(operation.name)
    .description(operation.description)
    .argument('<guest...>', 'names as `baton list` shows them')
    .option('--json', 'print what became of the guests as JSON')
  if (operation.drains === true) addDrainOptions(command)
  if (operation.runOrDestroy !== undefined)
    command.option('--then-destroy', 'what has not ended by its deadline is ended at once, as by `baton destroy`')
  addTimeoutOption(command, operation.timeoutMs).action((names: readonly string[], options: Options) =>
    runAction(async ({ signal, output }): Promise<ExitCode | undefined> => {
      await using machine = await openMachine({ signal: within(signal, askMs) })
      const say = (text: string): void => output.note([`baton: ${text}`])
      const results = await Promise.allSettled(
        names.map((name) => operate(machine, operation, name, { ...options, signal, say })),
      )
      const guests = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
      if (options.json === true) output.json(guests, 'document')
      else if (guests.length > 0) output.print(guestsView(guests, output.paint))
      signal.throwIfAborted()
      output.note(failures.flatMap(errorLines))
      return failures.length === 0 ? undefined : exitCodes.failed
    }),
  )
}

async function operate(
  machine: Machine,
  operation: GuestOperation,
  name: string,
  { signal, timeout, drain = true, drainTimeout: forMs, thenDestroy, say }: Options & Saying,
): Promise<GuestJson> {
  const found = await findGuest(machine, name, { signal: within(signal, askMs) })
  const leaves = operation.drains === true && drain && found.guest.state === 'running'
  const hasLeft = leaves && (await drainGuest(machine, name, { signal, forMs, say }))
  const onLate = (): void => say(`${name}: still on after ${timeout / 1000}s: it is ended at once`)
  try {
    if (thenDestroy === true) await operation.runOrDestroy?.(found, { signal, patienceMs: timeout, onLate })
    else await operation.run(found, { signal: within(signal, timeout) })
  } catch (error) {
    if (hasLeft) await letBack(machine, name, AbortSignal.timeout(askMs))
    throw error
  }
  if (operation.movesGuest) await announceReach(machine, found, { signal: within(signal, askMs) })
  else if (hasLeft) await awaitReturn(machine, name, signal)
  const now = await findGuest(machine, name, { signal: within(signal, askMs) })
  return guestJson(now.host, now.hypervisor.name, now.guest)
}
