/** `baton down`: take the cluster away. */
import type { Command } from 'commander'
import { runAction } from '../action.ts'
import { converge } from '../local/converge-command.ts'

export function register(program: Command): void {
  program
    .command('down')
    .description('take the cluster away: services, guests with their disks, and a director that nobody else needs')
    .argument('[file]', 'the spec')
    .option('--json', 'print one JSON object for each event')
    .action((file: string | undefined, options: { readonly json?: true }) =>
      runAction(async (context) => {
        const asJson = options.json === true
        const done = await converge({ direction: 'down', file, asJson, guard: async () => undefined }, context)
        if (typeof done === 'number') return done
        const { plan, spec, result } = done
        const { name } = spec
        if (asJson) context.output.json({ event: 'ended', cluster: name, finished: result.finished }, 'line')
        else context.output.print([plan.steps.length === 0 ? `${name}: nothing to take away` : `${name}: is gone`])
        return undefined
      }),
    )
}
