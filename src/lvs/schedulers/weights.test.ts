import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Scheduling } from '../../../test/build/scheduling.ts'
import { noScheduler } from './none.ts'
import type { Candidate, Scheduler } from './scheduler.ts'
import { greatestCommonDivisor, Weights } from './weights.ts'

test('the divisor and the highest of weights are right after any changes', () => {
  const step = fc.record({ kind: fc.constantFrom('add', 'edit', 'remove'), at: fc.nat(20), weight: fc.nat(60) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let weights = new Weights([])
      const told = <S extends Candidate>(servers: readonly S[]): Scheduler<S> => {
        weights = new Weights(servers)
        return {
          ...noScheduler(),
          added: () => weights.added(),
          removed: (at) => weights.removed(at),
          edited: (at) => weights.edited(at),
        }
      }
      const made = new Scheduling(told)
      steps.forEach(({ kind, at, weight }, number) => {
        const server = made.list[at % Math.max(made.list.length, 1)]
        if (kind === 'add') made.add(number, weight)
        else if (server !== undefined && kind === 'edit') made.edit(server.name, weight)
        else if (server !== undefined) made.remove(server.name)
        const all = made.list.map((one) => one.weight)
        expect(weights.divisor).toBe(all.reduce(greatestCommonDivisor, 0))
        expect(weights.highest).toBe(Math.max(0, ...all))
      })
    }),
  )
})
