import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Step } from '../plan/plan.ts'
import { type StepOrder, stepOrder } from './step-order.ts'

const roomy = { concurrency: 99, concurrencyPerHost: 99 }

function step(id: string, order: Partial<Pick<Step, 'needs' | 'after'>> = {}, host = 'h1'): Step {
  return { id, action: { kind: 'services.apply', host }, reason: '', needs: [], after: [], ...order }
}

function nextIds(order: StepOrder): string[] {
  const ids: string[] = []
  for (let next = order.next(); next !== undefined; next = order.next()) ids.push(next.id)
  return ids
}

describe('the order of steps', () => {
  test('a step waits for what it needs and for what it comes after', () => {
    const [a, b, c] = [step('a'), step('b'), step('c', { needs: ['a'], after: ['b'] })]
    const order = stepOrder([a, b, c], roomy)
    expect(nextIds(order)).toEqual(['a', 'b'])
    expect(order.ended(a, true)).toEqual([])
    expect(nextIds(order)).toEqual([])
    order.ended(b, false)
    expect(nextIds(order)).toEqual(['c'])
  })

  test('what needs a failed step is skipped with what needs that, each with its cause, at once', () => {
    const a = step('a')
    const all = [a, step('b', { needs: ['a'] }), step('c', { needs: ['b'] }), step('d', { after: ['c'] })]
    const order = stepOrder(all, roomy)
    expect(nextIds(order)).toEqual(['a'])
    expect(order.ended(a, false).map(({ step, because }) => [step.id, because])).toEqual([
      ['b', 'a'],
      ['c', 'b'],
    ])
    expect(nextIds(order)).toEqual(['d'])
    expect(order.waiting()).toEqual([])
  })

  test('one host has no more steps under way than it may, and every host gets its turn', () => {
    const steps = ['h1', 'h2'].flatMap((host) => [1, 2, 3].map((number) => step(`${host}-${number}`, {}, host)))
    const order = stepOrder(steps, { concurrency: 3, concurrencyPerHost: 2 })
    expect(nextIds(order)).toEqual(['h1-1', 'h2-1', 'h1-2'])
    expect(order.waiting().map(({ id }) => id)).toEqual(['h1-3', 'h2-2', 'h2-3'])
    order.ended(step('h1-1', {}, 'h1'), true)
    expect(nextIds(order)).toEqual(['h2-2'])
  })

  type Graph = { readonly steps: readonly Step[]; readonly failing: ReadonlySet<string> }
  const anyGraph: fc.Arbitrary<Graph> = fc
    .array(
      fc.record({
        host: fc.constantFrom('h1', 'h2', 'h3'),
        picks: fc.array(fc.nat(), { maxLength: 4 }),
        fails: fc.nat(4),
      }),
      { maxLength: 25 },
    )
    .map((nodes) => ({
      failing: new Set(nodes.flatMap(({ fails }, index) => (fails === 0 ? [`s${index}`] : []))),
      steps: nodes.map(({ host, picks }, index) => {
        const earlier = index === 0 ? [] : picks.map((pick) => `s${pick % index}`)
        return step(
          `s${index}`,
          { needs: earlier.filter((_, at) => at % 2 === 0), after: earlier.filter((_, at) => at % 2 === 1) },
          host,
        )
      }),
    }))

  test('any graph is run to its end: nothing too early, nothing too much at once, nothing forgotten', () => {
    fc.assert(
      fc.property(anyGraph, fc.infiniteStream(fc.nat()), ({ steps, failing }, chance) => {
        const order = stepOrder(steps, { concurrency: 4, concurrencyPerHost: 2 })
        const running: Step[] = []
        const ends = new Map<string, 'done' | 'failed' | 'skipped'>()
        for (;;) {
          for (let next = order.next(); next !== undefined; next = order.next()) {
            expect(next.needs.every((id) => ends.get(id) === 'done')).toBe(true)
            expect(next.after.every((id) => ends.has(id))).toBe(true)
            running.push(next)
          }
          expect(running.length).toBeLessThanOrEqual(4)
          for (const host of ['h1', 'h2', 'h3'])
            expect(running.filter(({ action }) => action.host === host).length).toBeLessThanOrEqual(2)
          const index = (chance.next().value ?? 0) % Math.max(running.length, 1)
          const [ended] = running.splice(index, 1)
          if (ended === undefined) break
          ends.set(ended.id, failing.has(ended.id) ? 'failed' : 'done')
          for (const { step: skipped } of order.ended(ended, !failing.has(ended.id))) ends.set(skipped.id, 'skipped')
        }
        expect(order.waiting()).toEqual([])
        for (const { id, needs } of steps)
          expect(ends.get(id) === 'skipped').toBe(needs.some((need) => ends.get(need) !== 'done'))
      }),
    )
  })
})
