/** `baton plan`: what `up` (or `down`) would do, each step with its reason. */
import type { Command } from 'commander'
import { makePlan } from '../../cluster/converge.ts'
import { exceeds } from '../../cluster/plan/blast-radius.ts'
import { openSites } from '../../cluster/site.ts'
import { runAction } from '../action.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { loadSpec } from '../local/spec-file.ts'
import { show } from '../output.ts'
import { planJson, planView } from '../views/plan.ts'

export function register(program: Command): void {
  program
    .command('plan')
    .description('what up would do, each step with its reason; exits with 2 when there is something to do')
    .argument('[file]', 'the spec')
    .option('--down', 'what down would do')
    .option('--json', 'print JSON')
    .action((file: string | undefined, options: { readonly down?: true; readonly json?: true }) =>
      runAction(async ({ signal, output }): Promise<ExitCode> => {
        const loaded = loadSpec(file, output)
        if (loaded === undefined) return exitCodes.failed
        const direction = options.down === true ? 'down' : 'up'
        const plan = await makePlan(loaded.spec, await openSites(loaded.spec, { signal }), direction, { signal })
        const needsYes = direction === 'up' ? exceeds(plan.blast) : []
        show(output, options.json === true, planJson(plan, needsYes), planView)
        return plan.steps.length === 0 ? exitCodes.ok : exitCodes.changes
      }),
    )
}
