/** `baton status`: guests, services, servers and health in one table; with --watch again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { anySignal, within } from '../../deadline.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { exitCodes } from '../exit-codes.ts'
import { type Machine, openMachine } from '../local/machine.ts'
import { readStatus } from '../local/read-status.ts'
import type { StatusJson } from '../local/status.ts'
import { show } from '../output.ts'
import { openScreen } from '../terminal/screen.ts'
import { statusView } from '../views/status.ts'

type Options = { readonly json?: true; readonly watch?: true }

const everyMs = 1000

export function register(program: Command): void {
  program
    .command('status')
    .description('guests, services, servers and their health')
    .option('--json', 'print JSON; with --watch one line for every change')
    .option('--watch', 'go on until Ctrl-C')
    .action((options: Options) =>
      runAction(async (context) => {
        await using machine = await openMachine({ signal: within(context.signal, askMs) })
        if (options.watch === true) return await watch(machine, context, options)
        const status = await readStatus(machine, { signal: within(context.signal, askMs) })
        show(context.output, options.json === true, status, statusView)
        return status.problem === null ? undefined : exitCodes.failed
      }),
    )
}

/** On a terminal a picture that is renewed; elsewhere text or JSON lines, only when something has changed. */
async function watch(machine: Machine, { signal, output }: Context, { json }: Options): Promise<undefined> {
  const quit = new AbortController()
  const ended = anySignal(signal, quit.signal)
  const onKey = (key: string): void => {
    if (key === 'q' || key === 'ctrl-c') quit.abort()
  }
  const isPicture = output.isTerminal && json !== true
  using screen = isPicture ? openScreen(process.stdin, process.stdout, { onKey, onResize: () => {} }) : undefined
  let before = ''
  while (!ended.aborted) {
    const status = await readStatus(machine, { signal: within(ended, askMs) }).catch((error: unknown) => {
      if (ended.aborted) return undefined
      throw error
    })
    if (status === undefined) break
    const text = JSON.stringify(status)
    if (screen !== undefined) screen.draw(statusView(status, output.paint).slice(0, screen.size().rows))
    else if (text !== before) printOnce(status, json === true, output)
    before = text
    await sleep(everyMs, undefined, { signal: ended }).catch(() => {}) // an abort ends the loop
  }
  return undefined
}

function printOnce(status: StatusJson, asJson: boolean, output: Context['output']): void {
  if (asJson) output.json(status, 'line')
  else output.print([...statusView(status, output.paint), ''])
}
