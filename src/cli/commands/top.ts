/** `baton top`: guests and connections, live. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { anySignal, within } from '../../deadline.ts'
import { describeError, InfraError } from '../../errors.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { parseDrainTarget } from '../local/drain-command.ts'
import { type Machine, openMachine } from '../local/machine.ts'
import { openScreen, type Screen } from '../terminal/screen.ts'
import { frame } from '../top/frame.ts'
import { type Effect, type Event, initialState, type State, step, type Target } from '../top/model.ts'
import { readSample } from '../top/sample.ts'
import { count } from '../views/units.ts'

const everyMs = 1000

export function register(program: Command): void {
  program
    .command('top')
    .description('guests and connections, live; keys sort, drain and quit')
    .option('--json', 'print one sample as JSON and end')
    .action((options: { readonly json?: true }) =>
      runAction(async (context) => {
        await using machine = await openMachine({ signal: within(context.signal, askMs) })
        if (options.json === true) {
          context.output.json(await readSample(machine, { signal: within(context.signal, askMs) }), 'document')
          return undefined
        }
        if (!context.output.isTerminal)
          throw new InfraError('unsupported', 'top needs a terminal', {
            subject: 'top',
            hint: 'top --json prints one sample; status --watch also goes into a file',
          })
        await runTop(machine, context)
        return undefined
      }),
    )
}

async function runTop(machine: Machine, { signal, output }: Context): Promise<void> {
  const quit = new AbortController()
  const ended = anySignal(signal, quit.signal)
  let state: State = initialState
  let screen: Screen | undefined
  const draw = (): void => screen?.draw(frame(state, screen.size(), output.paint))
  const dispatch = (event: Event): void => {
    const next = step(state, event)
    state = next.state
    draw()
    for (const effect of next.effects) perform(effect)
  }
  const perform = (effect: Effect): void => {
    if (effect.kind === 'quit') {
      quit.abort()
      return
    }
    void changeDrain(machine, effect.kind, effect.target, within(ended, askMs)).then((text) =>
      dispatch({ kind: 'message', text }),
    )
  }
  using opened = openScreen(process.stdin, process.stdout, {
    onKey: (key) => dispatch({ kind: 'key', key }),
    onResize: draw,
  })
  screen = opened
  draw()
  while (!ended.aborted) {
    const sample = await readSample(machine, { signal: within(ended, askMs) }).catch((error: unknown) => {
      if (ended.aborted) return undefined
      throw error
    })
    if (sample !== undefined) dispatch({ kind: 'sample', sample })
    await sleep(everyMs, undefined, { signal: ended }).catch(() => {}) // an abort ends the loop
  }
}

/** Never fails: what went wrong is what is said. */
async function changeDrain(
  machine: Machine,
  operation: 'drain' | 'undrain',
  target: Target,
  signal: AbortSignal,
): Promise<string> {
  // A guest keeps its name when it is started again, but not the port at which it is reached.
  const name = target.kind === 'guest' ? target.guest : (target.guest ?? target.address)
  try {
    const servers = await machine.director[operation](parseDrainTarget(name), { signal })
    return `${operation} ${name}: ${count(servers, 'server')}`
  } catch (error) {
    return `${operation} ${name}: ${describeError(error)}`
  }
}
