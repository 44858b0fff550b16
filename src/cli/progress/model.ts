/** How far a run of a plan is: a pure machine over its events. */
import type { ApplyEvent } from '../../cluster/apply/apply.ts'
import type { Step } from '../../cluster/plan/plan.ts'
import { assertNever } from '../../errors.ts'

export type RunningStep = { readonly step: Step; readonly startedMs: number; readonly text: string | undefined }

export type Progress = {
  readonly total: number
  /** Steps that have ended, in whatever way. */
  readonly ended: number
  readonly failed: number
  /** In the order in which they began. */
  readonly running: ReadonlyMap<string, RunningStep>
}

export function startProgress(total: number): Progress {
  return { total, ended: 0, failed: 0, running: new Map() }
}

/** `nowMs` is a monotonic clock's time. */
export function advance(progress: Progress, event: ApplyEvent, nowMs: number): Progress {
  const { id } = event.step
  const running = new Map(progress.running)
  switch (event.kind) {
    case 'started':
      running.set(id, { step: event.step, startedMs: nowMs, text: undefined })
      return { ...progress, running }
    case 'progress': {
      const before = running.get(id)
      if (before !== undefined) running.set(id, { ...before, text: event.text })
      return { ...progress, running }
    }
    case 'finished':
    case 'failed':
    case 'skipped':
      running.delete(id)
      return {
        ...progress,
        running,
        ended: progress.ended + 1,
        failed: progress.failed + (event.kind === 'failed' ? 1 : 0),
      }
    default:
      return assertNever(event)
  }
}
