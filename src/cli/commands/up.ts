/** `baton up`: make it so. */
import type { Command } from 'commander'
import { exceeds } from '../../cluster/plan/blast-radius.ts'
import type { Plan } from '../../cluster/plan/plan.ts'
import { formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import { within } from '../../deadline.ts'
import { type Context, runAction } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { clusterStatusReader } from '../local/cluster-status.ts'
import { type Converged, type ConvergeRequest, converge } from '../local/converge-command.ts'
import { openMachine } from '../local/machine.ts'
import { checkMachine, machineMs } from '../local/machine-check.ts'
import { readStatus } from '../local/read-status.ts'
import { hasErrors, type LoadedSpec } from '../local/spec-file.ts'
import { ofCluster } from '../local/status.ts'
import { outcomeView, whereToOpen } from '../views/outcome.ts'
import { planJson, planView } from '../views/plan.ts'

type Options = { readonly json?: true; readonly yes?: true }

export function register(program: Command): void {
  program
    .command('up')
    .description('make it so: build images, run guests, start the director, and wait until the servers are healthy')
    .argument('[file]', 'the spec')
    .option('--yes', 'also when more goes away at once than the limit allows')
    .option('--json', 'print one JSON object for each event')
    .action((file: string | undefined, options: Options) =>
      runAction(async (context) => {
        const asJson = options.json === true
        const guard: ConvergeRequest['guard'] = async (plan, loaded) =>
          guardBlast(plan, options, context) ?? (await guardMachine(loaded, context))
        const done = await converge({ direction: 'up', file, asJson, guard }, context)
        if (typeof done === 'number') return done
        await sayOutcome(done, asJson, context)
        return undefined
      }),
    )
}

function guardBlast(plan: Plan, { yes, json }: Options, { output }: Context): ExitCode | undefined {
  const reasons = exceeds(plan.blast)
  if (reasons.length === 0 || yes === true) return undefined
  if (json === true) output.json({ event: 'refused', ...planJson(plan, reasons) }, 'line')
  else output.print(planView(planJson(plan, []), output.paint))
  output.note([...reasons.map((reason) => `baton: ${reason}`), 'hint: with --yes it is done nevertheless'])
  return exitCodes.needsYes
}

/** What this machine cannot carry is said before anything is begun. */
async function guardMachine(loaded: LoadedSpec, { signal, output }: Context): Promise<ExitCode | undefined> {
  const found = await checkMachine(loaded, loaded.spec, { signal: within(signal, machineMs) })
  output.note(found.map(formatDiagnostic))
  return hasErrors(found) ? exitCodes.failed : undefined
}

async function sayOutcome({ file, spec, plan }: Converged, asJson: boolean, context: Context): Promise<void> {
  await using machine = await openMachine({ signal: within(context.signal, askMs) })
  const status = await readStatus(machine, { signal: within(context.signal, askMs) })
  const isFar = Object.values(spec.hosts).some(({ ssh }) => ssh !== undefined)
  const all = isFar ? await clusterStatusReader(spec)({ signal: within(context.signal, askMs) }) : undefined
  const outcome = {
    cluster: spec.name,
    file,
    changes: plan.steps.length,
    open: whereToOpen(spec),
    status: ofCluster(status, spec.name),
    ...(all === undefined ? {} : { machines: all.machines }),
  }
  if (asJson) context.output.json({ event: 'ended', ...outcome }, 'line')
  else context.output.print(outcomeView(outcome, context.output.paint))
}
