/** Runs a plan: as parallel as its order allows, each step with a deadline, every step safe to run again. */
import { anySignal } from '../../deadline.ts'
import { describeError, InfraError, isInfraError } from '../../errors.ts'
import type { ActionKind, Plan, Step } from '../plan/plan.ts'
import type { Site } from '../site.ts'
import { formatDuration } from '../spec/duration.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { type ActionContext, runAction } from './actions.ts'
import { openMembership } from './membership.ts'
import { stepOrder } from './step-order.ts'

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
  /** Steps under way at once, in all and on one host: a guest that starts wants a processor for a while. */
  readonly concurrency?: number
  readonly concurrencyPerHost?: number
  /** Other deadlines than the usual ones. */
  readonly deadlines?: Partial<typeof deadlines>
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
  const { signal, onEvent = () => {}, concurrency = 64, concurrencyPerHost = 8 } = options
  const membership = openMembership(spec, sites)
  const failed: { step: Step; error: unknown }[] = []
  const running = new Set<Promise<void>>()
  const order = stepOrder(plan.steps, { concurrency, concurrencyPerHost })
  let finished = 0
  let skipped = 0

  const end = (step: Step, isDone: boolean): void => {
    for (const { step: dependent, because } of order.ended(step, isDone)) {
      skipped += 1
      onEvent({ kind: 'skipped', step: dependent, because })
    }
  }
  const begin = (step: Step): void => {
    onEvent({ kind: 'started', step })
    const begun = performance.now()
    const context = {
      cluster: spec.name,
      sites,
      membership,
      progress: progressOf(step, onEvent),
    }
    const deadlineMs = options.deadlines?.[step.action.kind] ?? deadlines[step.action.kind]
    const entry = runStep(step, context, deadlineMs, signal)
      .then(
        () => {
          finished += 1
          onEvent({ kind: 'finished', step, tookMs: performance.now() - begun })
          end(step, true)
        },
        (error: unknown) => {
          failed.push({ step, error })
          onEvent({ kind: 'failed', step, error, tookMs: performance.now() - begun })
          end(step, false)
        },
      )
      .finally(() => running.delete(entry))
    running.add(entry)
  }
  for (;;) {
    if (!signal.aborted) for (let step = order.next(); step !== undefined; step = order.next()) begin(step)
    if (running.size === 0) break
    await Promise.race(running)
  }
  for (const step of order.waiting()) {
    skipped += 1
    onEvent({ kind: 'skipped', step, because: undefined })
  }
  return { finished, failed, skipped }
}

/** What a step says twice is said once. */
function progressOf(step: Step, onEvent: (event: ApplyEvent) => void): (text: string) => void {
  let said = ''
  return (text) => {
    if (text === said) return
    said = text
    onEvent({ kind: 'progress', step, text })
  }
}

async function runStep(
  step: Step,
  context: Omit<ActionContext, 'signal'>,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs)
  try {
    await runAction(step.action, { ...context, signal: anySignal(signal, deadline) })
  } catch (error) {
    if (signal.aborted) throw new InfraError('cancelled', `${step.id}: stopped`, { subject: step.id, cause: error })
    if (!deadline.aborted) throw error
    // What it was waiting for says more than that it waited too long.
    const hint = isInfraError(error) ? error.hint : undefined
    throw new InfraError('timeout', `not done within ${formatDuration(deadlineMs)}: ${describeError(error)}`, {
      subject: step.id,
      retryable: true,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    })
  }
}
