/** `baton status`: guests, services, servers and health of this machine, or of all machines of a file; with --watch again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { anySignal, within } from '../../deadline.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { type ClusterStatusJson, clusterStatusReader, hasProblem } from '../local/cluster-status.ts'
import { openMachine } from '../local/machine.ts'
import { readStatus } from '../local/read-status.ts'
import { loadSpec } from '../local/spec-file.ts'
import type { StatusJson } from '../local/status.ts'
import { show } from '../output.ts'
import type { Paint } from '../terminal/paint.ts'
import { openScreen } from '../terminal/screen.ts'
import { clusterStatusView } from '../views/cluster-status.ts'
import { statusView } from '../views/status.ts'

type Options = { readonly json?: true; readonly watch?: true }

const everyMs = 1000

export function register(program: Command): void {
  program
    .command('status')
    .description('guests, services, servers and their health: of this machine, or of every machine of a file')
    .argument('[file]', 'a spec: each of its hosts is asked')
    .option('--json', 'print JSON; with --watch one line for every change')
    .option('--watch', 'go on until Ctrl-C')
    .action((file: string | undefined, options: Options) =>
      runAction(async (context) => {
        if (file === undefined) {
          await using machine = await openMachine({ signal: within(context.signal, askMs) })
          const read = (signal: AbortSignal): Promise<StatusJson> => readStatus(machine, { signal })
          return await tell({ read, view: statusView, isWell: ({ problem }) => problem === null }, context, options)
        }
        const loaded = loadSpec(file, context.output)
        if (loaded === undefined) return exitCodes.failed
        const ask = clusterStatusReader(loaded.spec)
        const read = (signal: AbortSignal): Promise<ClusterStatusJson> => ask({ signal })
        return await tell({ read, view: clusterStatusView, isWell: (one) => !hasProblem(one) }, context, options)
      }),
    )
}

type Subject<T extends object> = {
  readonly read: (signal: AbortSignal) => Promise<T>
  readonly view: (status: T, paint: Paint) => string[]
  readonly isWell: (status: T) => boolean
}

async function tell<T extends object>(
  subject: Subject<T>,
  context: Context,
  options: Options,
): Promise<ExitCode | undefined> {
  if (options.watch === true) return await watch(subject, context, options)
  const status = await subject.read(within(context.signal, askMs))
  show(context.output, options.json === true, status, subject.view)
  return subject.isWell(status) ? undefined : exitCodes.failed
}

/** On a terminal a picture that is renewed; elsewhere text or JSON lines, only when something has changed. */
async function watch<T extends object>(
  { read, view }: Subject<T>,
  { signal, output }: Context,
  { json }: Options,
): Promise<undefined> {
  const quit = new AbortController()
  const ended = anySignal(signal, quit.signal)
  const onKey = (key: string): void => {
    if (key === 'q' || key === 'ctrl-c') quit.abort()
  }
  const isPicture = output.isTerminal && json !== true
  using screen = isPicture ? openScreen(process.stdin, process.stdout, { onKey, onResize: () => {} }) : undefined
  let before = ''
  while (!ended.aborted) {
    const status = await read(within(ended, askMs)).catch((error: unknown) => {
      if (ended.aborted) return undefined
      throw error
    })
    if (status === undefined) break
    const text = JSON.stringify(status)
    if (screen !== undefined) screen.draw(view(status, output.paint).slice(0, screen.size().rows))
    else if (text !== before && json === true) output.json(status, 'line')
    else if (text !== before) output.print([...view(status, output.paint), ''])
    before = text
    await sleep(everyMs, undefined, { signal: ended }).catch(() => {}) // an abort ends the loop
  }
  return undefined
}
