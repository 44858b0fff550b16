/** `baton events`: what happened in the director of this machine, and what happens. */
import { type Command, InvalidArgumentError } from 'commander'
import { within } from '../../deadline.ts'
import type { EventQuery } from '../../director/control.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { openMachine } from '../local/machine.ts'
import { eventView } from '../views/events.ts'

type Options = {
  readonly json?: true
  readonly since: number
  readonly cluster?: string
  readonly results?: true
  readonly follow: boolean
}

export function register(program: Command): void {
  program
    .command('events')
    .description('what happened in the director, and what happens, until Ctrl-C')
    .option('--json', 'print JSON lines')
    .option('--since <number>', 'only those after this one', wholeNumber, 0)
    .option('--cluster <name>', 'only what concerns this cluster')
    .option('--results', 'also each result of each check, as it comes')
    .option('--no-follow', 'only what happened')
    .action(({ json, since, cluster, results, follow }: Options) =>
      runAction(async ({ signal, output }) => {
        await using machine = await openMachine({ signal: within(signal, askMs) })
        const query: EventQuery = {
          signal,
          after: since,
          follow,
          ...(cluster === undefined ? {} : { cluster }),
          ...(results === undefined ? {} : { results }),
        }
        for await (const record of machine.director.events(query))
          if (json === true) output.json(record, 'line')
          else output.print([eventView(record, output.paint)])
        return undefined
      }),
    )
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('the number of an event is wanted')
  return Number(text)
}
