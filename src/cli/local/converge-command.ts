/** What `up` and `down` have in common: read the file, plan under the cluster's lock, run, say how it ended. */

import type { ApplyResult } from '../../cluster/apply/apply.ts'
import { lockCluster, makePlan, run } from '../../cluster/converge.ts'
import type { Plan } from '../../cluster/plan/plan.ts'
import { rollRecords, unfinishedRoll } from '../../cluster/roll/record.ts'
import { openSites } from '../../cluster/site.ts'
import type { ClusterSpec } from '../../cluster/spec/model.ts'
import { isInfraError } from '../../errors.ts'
import { localHost } from '../../hosts/local/local.ts'
import type { Context } from '../action.ts'
import { askMs } from '../deadline-options.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { errorJson, openRunView } from '../progress/show.ts'
import { count } from '../views/units.ts'
import { type LoadedSpec, loadSpec } from './spec-file.ts'

export type Converged = {
  readonly file: string
  readonly spec: ClusterSpec
  readonly plan: Plan
  readonly result: ApplyResult
}

export type ConvergeRequest = {
  readonly direction: 'up' | 'down'
  readonly file: string | undefined
  readonly asJson: boolean
  /** Looks at the plan before anything is changed; a code ends the command with it. */
  readonly guard: (plan: Plan, file: LoadedSpec) => Promise<ExitCode | undefined>
}

/** The exit code when the command ends here, with everything said; otherwise what was done. */
export async function converge(request: ConvergeRequest, context: Context): Promise<ExitCode | Converged> {
  const { direction, file, asJson, guard } = request
  const { signal, output } = context
  const loaded = loadSpec(file, output)
  if (loaded === undefined) return exitCodes.failed
  const { spec } = loaded
  const onWait = (): void => output.note([`baton: another up or down of ${spec.name} is under way: waiting for it`])
  await using _lock = await lockCluster(localHost(), spec.name, { signal, onWait })
  const rolls = rollRecords(localHost(), spec.name)
  const rolling = direction === 'up' ? await rolls.read({ signal }) : undefined
  if (rolling !== undefined) throw unfinishedRoll(rolling)
  const sites = await openSites(spec, { signal })
  const plan = await makePlan(spec, sites, direction, { signal })
  const refusal = plan.steps.length === 0 ? undefined : await guard(plan, loaded)
  if (refusal !== undefined) return refusal
  if (plan.steps.length > 0 && !asJson) output.print([`${spec.name}: ${count(plan.steps.length, 'step')}`])
  const result = await runShown(plan, spec, sites, request, context)
  if (direction === 'down') await rolls.remove({ signal: AbortSignal.timeout(askMs) })
  if (result.failed.length === 0 && result.skipped === 0) return { ...loaded, plan, result }
  sayFailures(spec.name, result, request, context)
  return signal.aborted ? exitCodes.interrupted : exitCodes.failed
}

async function runShown(
  plan: Plan,
  spec: ClusterSpec,
  sites: Awaited<ReturnType<typeof openSites>>,
  { direction, asJson }: ConvergeRequest,
  { signal, output }: Context,
): Promise<ApplyResult> {
  using view = openRunView(plan.steps.length, output, asJson)
  return await run(plan, spec, sites, direction, { signal, onEvent: view.onEvent })
}

/** A step that was stopped has not failed by itself: only the others need explaining. */
function sayFailures(
  cluster: string,
  { failed, skipped, finished }: ApplyResult,
  { direction, asJson }: ConvergeRequest,
  { output }: Context,
): void {
  if (asJson)
    output.json(
      {
        event: 'ended',
        cluster,
        finished,
        skipped,
        failed: failed.map(({ step, error }) => ({ step: step.id, error: errorJson(error) })),
      },
      'line',
    )
  const hints = failed.flatMap(({ error }) => (isInfraError(error) && error.hint !== undefined ? [error.hint] : []))
  const stopped = failed.length > 0 && failed.every(({ error }) => isInfraError(error, 'cancelled'))
  const words = stopped || failed.length === 0 ? 'stopped' : `${count(failed.length, 'step')} failed`
  output.note([
    `baton: ${cluster}: ${words}, ${skipped} skipped, ${finished} done`,
    ...[...new Set(hints)].map((hint) => `hint: ${hint}`),
    `hint: baton ${direction} again goes on from here`,
  ])
}
