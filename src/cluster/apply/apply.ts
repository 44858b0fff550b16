/** Runs a plan: as parallel as its order allows, each step with a deadline, every step safe to run again. */

import { describeError, InfraError } from '../../errors.ts'
import { abortError } from '../../hosts/local/failures.ts'
import type { ActionKind, Plan, Step } from '../plan/plan.ts'
import type { Site } from '../site.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { runAction } from './actions.ts'

export type ApplyEvent =
  | { readonly kind: 'started'; readonly step: Step }
  | { readonly kind: 'progress'; readonly step: Step; readonly text: string }
  | { readonly kind: 'finished'; readonly step: Step; readonly tookMs: number }
  | { readonly kind: 'failed'; readonly step: Step; readonly error: unknown; readonly tookMs: number }
  /** `because`: the id of the step whose failure it follows from; undefined when the run was stopped. */
  | { readonly kind: 'skipped'; readonly step: Step; readonly because: string | undefined }

export type ApplyResult = {
  readonly finished: number
  readonly failed: readonly { readonly step: Step; readonly error: unknown }[]
  readonly skipped: number
}

export type ApplyOptions = {
  readonly signal: AbortSignal
  readonly onEvent?: (event: ApplyEvent) => void
  /** Steps under way at once. */
  readonly concurrency?: number
}

/** How long a step of each kind may take, milliseconds: long enough for a guest without hardware help on a busy machine. */
export const deadlines: Readonly<Record<ActionKind, number>> = {
  'image.build': 30 * 60_000,
  'guest.create': 120_000,
  'guest.start': 120_000,
  'guest.update': 30_000,
  'guest.restart': 300_000,
  'guest.replace': 300_000,
  'guest.remove': 90_000,
  'director.start': 30_000,
  'director.stop': 30_000,
  'services.apply': 30_000,
  'services.remove': 30_000,
  'services.wait': 180_000,
}

type Outcome = 'done' | 'failed' | 'skipped'

/**
 * Never throws for a step's failure: it is in the result. After an abort running steps are ended, nothing new begins,
 * and it resolves once everything has ended.
 */
export async function apply(
  plan: Plan,
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  options: ApplyOptions,
): Promise<ApplyResult> {
  const { signal, onEvent = () => {}, concurrency = 8 } = options
  const outcomes = new Map<string, Outcome>()
  const failed: { step: Step; error: unknown }[] = []
  const waiting = new Set(plan.steps)
  const running = new Set<Promise<void>>()

  const skip = (step: Step, because: string | undefined): void => {
    waiting.delete(step)
    outcomes.set(step.id, 'skipped')
    onEvent({ kind: 'skipped', step, because })
  }
  const begin = (step: Step): void => {
    waiting.delete(step)
    onEvent({ kind: 'started', step })
    const begun = performance.now()
    const done = runStep(step, spec, sites, signal, onEvent).then(
      () => {
        outcomes.set(step.id, 'done')
        onEvent({ kind: 'finished', step, tookMs: performance.now() - begun })
      },
      (error: unknown) => {
        outcomes.set(step.id, 'failed')
        failed.push({ step, error })
        onEvent({ kind: 'failed', step, error, tookMs: performance.now() - begun })
      },
    )
    const entry = done.finally(() => running.delete(entry))
    running.add(entry)
  }
  while (waiting.size > 0 || running.size > 0) {
    for (const step of [...waiting]) {
      if (signal.aborted) skip(step, undefined)
      else {
        const broken = step.needs.find((id) => outcomes.get(id) === 'failed' || outcomes.get(id) === 'skipped')
        if (broken !== undefined) skip(step, broken)
        else if (running.size < concurrency && [...step.needs, ...step.after].every((id) => outcomes.has(id)))
          begin(step)
      }
    }
    if (running.size > 0) await Promise.race(running)
  }
  const finished = [...outcomes.values()].filter((outcome) => outcome === 'done').length
  return { finished, failed, skipped: plan.steps.length - finished - failed.length }
}

async function runStep(
  step: Step,
  spec: ClusterSpec,
  sites: ReadonlyMap<string, Site>,
  signal: AbortSignal,
  onEvent: (event: ApplyEvent) => void,
): Promise<void> {
  const deadline = AbortSignal.timeout(deadlines[step.action.kind])
  const either = AbortSignal.any([signal, deadline])
  try {
    await runAction(step.action, {
      spec,
      sites,
      signal: either,
      progress: (text) => onEvent({ kind: 'progress', step, text }),
    })
  } catch (error) {
    if (signal.aborted) throw new InfraError('cancelled', `${step.id}: stopped`, { subject: step.id, cause: error })
    if (deadline.aborted) throw abortError(deadline, step.id, step.id)
    throw error instanceof Error ? error : new InfraError('failed', describeError(error), { subject: step.id })
  }
}
