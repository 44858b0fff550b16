/** `baton connections`: those that stand now, however many. */
import type { Command } from 'commander'
import { within } from '../../deadline.ts'
import { runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { openMachine } from '../local/machine.ts'
import { connectionLine } from '../views/connections.ts'

export function register(program: Command): void {
  program
    .command('connections')
    .description('the connections and persistence templates that stand now, one in a line, as the engine has them')
    .option('--json', 'print JSON lines')
    .action(({ json }: { readonly json?: true }) =>
      runAction(async ({ signal, output }) => {
        await using machine = await openMachine({ signal: within(signal, askMs) })
        for await (const batch of machine.director.connections({ signal }))
          output.print(batch.map((one) => (json === true ? JSON.stringify(one) : connectionLine(one, output.paint))))
        return undefined
      }),
    )
}
