/** A plan for people: every step with its reason, and what it comes to. */

import type { Action, ActionKind, Blast, Plan, Step } from '../../cluster/plan/plan.ts'
import { assertNever } from '../../errors.ts'
import type { Paint, Style } from '../terminal/paint.ts'
import { type Row, table } from './table.ts'
import { count } from './units.ts'

export type PlanJson = {
  readonly cluster: string
  readonly steps: readonly Step[]
  readonly blast: Blast
  /** Why `up` would want --yes; empty when it would not. */
  readonly needsYes: readonly string[]
}

export function planJson({ cluster, steps, blast }: Plan, needsYes: readonly string[]): PlanJson {
  return { cluster, steps: steps.map(withoutSeeds), blast, needsYes }
}

/** That a guest gets a seed is printed, what it says is not: user data may have passwords. */
function withoutSeeds(step: Step): Step {
  const { action } = step
  if (!('guest' in action) || typeof action.guest === 'string' || action.guest.seed === undefined) return step
  return { ...step, action: { ...action, guest: { ...action.guest, seed: {} } } as Action }
}

export function planView({ cluster, steps, needsYes }: PlanJson, paint: Paint): string[] {
  if (steps.length === 0) return [`${cluster}: nothing to do`]
  const rows = steps.map(({ id, action, reason }): Row => {
    const { sign, style } = signs(action.kind)
    return [{ text: sign.padStart(3), style }, id, { text: reason, style: 'dim' }]
  })
  const [, ...lines] = table([{ title: '' }, { title: '' }, { title: '' }], rows, paint)
  const yes = needsYes.map((reason) => paint('yellow', `up would want --yes: ${reason}`))
  return [`${cluster}: ${count(steps.length, 'step')}`, ...lines, ...yes]
}

/** As in a patch: + comes, - goes, ~ changes, -/+ goes and comes anew; . is about what stands around it. */
function signs(kind: ActionKind): { readonly sign: string; readonly style: Style } {
  switch (kind) {
    case 'image.build':
    case 'guest.create':
    case 'guest.start':
    case 'director.start':
      return { sign: '+', style: 'green' }
    case 'guest.update':
    case 'guest.restart':
    case 'services.apply':
      return { sign: '~', style: 'yellow' }
    case 'guest.replace':
      return { sign: '-/+', style: 'red' }
    case 'guest.remove':
    case 'director.stop':
    case 'services.remove':
      return { sign: '-', style: 'red' }
    case 'services.wait':
      return { sign: '.', style: 'dim' }
    default:
      return assertNever(kind)
  }
}
