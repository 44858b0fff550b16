import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { linearSchedulers } from '../../../test/build/linear-schedulers.ts'
import { drawing, Scheduling } from '../../../test/build/scheduling.ts'
import { schedulers } from './registry.ts'

type Step = {
  readonly kind: 'add' | 'edit' | 'remove' | 'overload' | 'try' | 'connect' | 'fin' | 'close' | 'jump'
  readonly at: number
  readonly weight: number
  readonly count: number
}

// Few different small weights make ties; large ones products beyond 2^53.
const weights = fc.oneof(fc.nat(4), fc.nat(12), fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }))
const counts = fc.oneof(fc.nat(3), fc.integer({ min: 2 ** 20, max: 2 ** 31 - 1 }))
const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom(
      'add',
      'add',
      'edit',
      'remove',
      'overload',
      'try',
      'connect',
      'connect',
      'connect',
      'fin',
      'close',
      'jump',
    ),
    at: fc.nat(40),
    weight: weights,
    count: counts,
  }),
  { maxLength: 150 },
)

/** What happens in a service, whoever schedules it; `connect` is the scheduler's own choice. */
function apply(world: Scheduling, { kind, at, weight, count }: Step, next: number): void {
  const server = world.list[at % Math.max(world.list.length, 1)]
  if (kind === 'add' && world.list.length < 25) world.add(next, weight)
  if (server === undefined) return
  const { name, active, inactive, overloaded } = server
  if (kind === 'edit') world.edit(name, weight)
  else if (kind === 'remove') world.remove(name)
  else if (kind === 'overload') world.set(name, { overloaded: !overloaded })
  else if (kind === 'fin' && active > 0) world.set(name, { active: active - 1, inactive: inactive + 1 })
  else if (kind === 'close' && inactive > 0) world.set(name, { inactive: inactive - 1 })
  else if (kind === 'jump') world.set(name, { active: count, inactive: at })
  else if (kind === 'try') {
    // The pick that a connection gets when its first server could not be reached.
    world.set(name, { isTried: true, overloaded: true })
    world.pick()
    world.set(name, { isTried: false, overloaded })
  }
}

describe.each(Object.keys(linearSchedulers) as (keyof typeof linearSchedulers)[])('%s by its index', (name) => {
  test('decides as a walk through the list does, through any changes', () => {
    fc.assert(
      fc.property(steps, fc.constantFrom('active', 'inactive'), (all, counted) => {
        const indexed = new Scheduling(schedulers[name], { counts: counted, random: drawing() })
        const linear = new Scheduling(linearSchedulers[name], { counts: counted, random: drawing() })
        all.forEach((step, number) => {
          for (const world of [indexed, linear]) apply(world, step, number)
          expect(indexed.pick()).toBe(linear.pick())
        })
        expect(indexed.list).toEqual(linear.list)
      }),
      { numRuns: 400 },
    )
  })

  test('decides so also when it takes over a list that is in use', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const linear = new Scheduling(linearSchedulers[name], { random: () => 0.3 })
        all.forEach((step, number) => {
          apply(linear, step, number)
          linear.pick()
        })
        const fresh = schedulers[name](linear.list, { flags: [], random: () => 0.3 })
        expect(
          fresh.pick({ source: [0], sourcePort: 0, destination: [0], destinationPort: 0, atMs: 0 })?.name ?? 'none',
        ).toBe(linear.pick())
      }),
    )
  })

  test('decides so among a thousand servers', () => {
    const indexed = new Scheduling(schedulers[name], { random: drawing() })
    const linear = new Scheduling(linearSchedulers[name], { random: drawing() })
    for (let server = 0; server < 1000; server++)
      for (const world of [indexed, linear]) world.add(server, 1 + ((server * 7919) % 100))
    for (let round = 0; round < 3000; round++) {
      const picked = indexed.pick()
      expect(picked).toBe(linear.pick())
      if (picked === 'none' || round % 3 !== 0) continue
      for (const world of [indexed, linear]) world.set((round * 31) % 1000, { active: 0, inactive: round % 5 })
    }
  })
})
