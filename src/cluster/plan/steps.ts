/** Collects the steps of a plan in the order in which they could run one by one. Pure. */
import type { Action, Step } from './plan.ts'

export type Order = { readonly needs?: readonly string[]; readonly after?: readonly string[] }

export type StepBuilder = {
  /** Returns the step's id: its kind and its subject. */
  add(action: Action, subject: string, reason: string, order?: Order): string
  /** As `add`, unless the same step is there already. */
  addOnce(action: Action, subject: string, reason: string): string
  steps(): readonly Step[]
}

export function stepBuilder(): StepBuilder {
  const steps: Step[] = []
  const ids = new Set<string>()
  const add: StepBuilder['add'] = (action, subject, reason, { needs = [], after = [] } = {}) => {
    const id = `${action.kind} ${subject}`
    ids.add(id)
    steps.push({ id, action, reason, needs, after })
    return id
  }
  return {
    add,
    addOnce: (action, subject, reason) => {
      const id = `${action.kind} ${subject}`
      return ids.has(id) ? id : add(action, subject, reason)
    },
    steps: () => steps,
  }
}
