/** Which steps may begin: what they need is done, what they come after has ended, and there is room. Pure bookkeeping. */
import type { Step } from '../plan/plan.ts'

export type Limits = {
  /** Steps under way at once, in all and on one host. */
  readonly concurrency: number
  readonly concurrencyPerHost: number
}

export type StepOrder = {
  /** The next step that may begin now; it counts as under way from then on. */
  next(): Step | undefined
  /** To be called for each step that was given by `next`. What needed it when it failed is skipped, with its cause. */
  ended(step: Step, isDone: boolean): readonly { readonly step: Step; readonly because: string }[]
  /** Steps that never began and were not skipped, in the plan's order. */
  waiting(): readonly Step[]
}

type Queue = { readonly steps: Step[]; running: number }

export function stepOrder(steps: readonly Step[], { concurrency, concurrencyPerHost }: Limits): StepOrder {
  const dependents = new Map<string, { readonly step: Step; readonly needed: boolean }[]>()
  const open = new Map<string, number>()
  const waiting = new Map(steps.map((step) => [step.id, step]))
  const queues = new Map<string, Queue>()
  let running = 0

  const queueOf = ({ action: { host } }: Step): Queue => {
    const queue = queues.get(host) ?? { steps: [], running: 0 }
    queues.set(host, queue)
    return queue
  }
  for (const step of steps) {
    const needs = new Set(step.needs)
    const before = new Set([...step.needs, ...step.after])
    open.set(step.id, before.size)
    for (const id of before) {
      const entry = { step, needed: needs.has(id) }
      const known = dependents.get(id)
      if (known === undefined) dependents.set(id, [entry])
      else known.push(entry)
    }
    if (before.size === 0) queueOf(step).steps.push(step)
  }
  return {
    next() {
      if (running >= concurrency) return undefined
      for (const [host, queue] of queues) {
        if (queue.steps.length === 0 || queue.running >= concurrencyPerHost) continue
        const step = queue.steps.shift()
        if (step === undefined) continue
        // To the end of the line: every host gets its turn.
        queues.delete(host)
        queues.set(host, queue)
        queue.running += 1
        running += 1
        waiting.delete(step.id)
        return step
      }
      return undefined
    },
    ended(step, isDone) {
      running -= 1
      queueOf(step).running -= 1
      const skipped: { step: Step; because: string }[] = []
      const ends: { readonly id: string; readonly isDone: boolean }[] = [{ id: step.id, isDone }]
      for (let end = ends.shift(); end !== undefined; end = ends.shift())
        for (const { step: dependent, needed } of dependents.get(end.id) ?? []) {
          if (!waiting.has(dependent.id)) continue
          if (needed && !end.isDone) {
            waiting.delete(dependent.id)
            skipped.push({ step: dependent, because: end.id })
            ends.push({ id: dependent.id, isDone: false })
            continue
          }
          const left = (open.get(dependent.id) ?? 0) - 1
          open.set(dependent.id, left)
          if (left === 0) queueOf(dependent).steps.push(dependent)
        }
      return skipped
    },
    waiting: () => [...waiting.values()],
  }
}
