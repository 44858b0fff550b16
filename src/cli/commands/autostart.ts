/** `baton autostart`: guests that start with their host, and what starts and ends those of QEMU. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { describeError } from '../../errors.ts'
import type { Hypervisor } from '../../guests/hypervisor.ts'
import { endRunning, type Fate, startMarked } from '../../guests/with-host.ts'
import { runAction } from '../action.ts'
import { addTimeoutOption, askMs } from '../deadline-options.ts'
import { exitCodes } from '../exit-codes.ts'
import { registerGuestOperation } from '../local/guest-command.ts'
import { openMachine } from '../local/machine.ts'
import { show } from '../output.ts'

type Options = { readonly json?: true; readonly timeout: number }

/** How long guests may take to power off: less than systemd gives the unit, so that they are ended here. */
const patienceMs = 90_000
/** Many guests may start at once. */
const startMs = 600_000

export function register(program: Command): void {
  const autostart = program.command('autostart').description('guests that start with their host')
  for (const [name, isWanted] of [
    ['on', true],
    ['off', false],
  ] as const)
    registerGuestOperation(autostart, {
      name,
      description: isWanted ? 'start guests with their host from now on' : 'start them by hand again',
      timeoutMs: 60_000,
      movesGuest: false,
      run: ({ hypervisor, guest }, options) => hypervisor.autostart(guest.definition.name, isWanted, options),
    })
  const start = autostart
    .command('run')
    .description(
      'start what is marked of the guests that QEMU runs: what baton-guests.service does when the host starts',
    )
    .option('--json', 'print JSON')
  addTimeoutOption(start, startMs).action((options: Options) =>
    ofQemu(options, (qemu, { signal }) => startMarked(qemu, { signal: within(signal, options.timeout) })),
  )
  const halt = autostart
    .command('halt')
    .description('shut down all guests that QEMU runs, then end what is still on: what it does when the host halts')
    .option('--json', 'print JSON')
  addTimeoutOption(halt, patienceMs).action((options: Options) =>
    ofQemu(options, (qemu, { signal }) => endRunning(qemu, { signal, patienceMs: options.timeout })),
  )
}

function ofQemu(
  { json }: Options,
  act: (qemu: Hypervisor, options: { readonly signal: AbortSignal }) => Promise<readonly Fate[]>,
): Promise<void> {
  return runAction(async ({ signal, output }) => {
    await using machine = await openMachine({ signal: within(signal, askMs) })
    const fates: Fate[] = []
    for (const { hypervisor } of machine.places)
      if (hypervisor.name === 'qemu') fates.push(...(await act(hypervisor, { signal })))
    const told = fates.map(({ guest, became, error }) => ({
      guest,
      became,
      ...(error === undefined ? {} : { error: describeError(error) }),
    }))
    show(output, json === true, told, (lines) =>
      lines.map(({ guest, became, error }) =>
        error === undefined ? `${guest}: ${became}` : `${guest}: not ${became}: ${error}`,
      ),
    )
    return fates.some(({ error }) => error !== undefined) ? exitCodes.failed : undefined
  })
}
