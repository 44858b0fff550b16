import { describe, expect, test } from 'vitest'
import { fitness, type Tracked, type TrackedState } from './tracking.ts'

const tracked = [{ name: 'eth1' }, { name: 'chk', weight: -20 }, { name: 'extra', weight: 30 }]
const states = (...all: TrackedState[]): ReadonlyMap<string, TrackedState> =>
  new Map(tracked.map(({ name }, at) => [name, all[at] ?? 'unknown']))

describe('fitness', () => {
  test.each([
    { name: 'all well', base: 100, is: ['well', 'well', 'well'], priority: 130, faults: [] },
    { name: 'a negative weight counts while it is ill', base: 100, is: ['well', 'ill', 'well'], priority: 110, faults: [] },
    { name: 'a positive weight counts while it is well', base: 100, is: ['well', 'well', 'ill'], priority: 100, faults: [] },
    { name: 'without a weight, ill is a fault', base: 100, is: ['ill', 'well', 'well'], priority: 130, faults: ['eth1 fails'] },
    { name: 'without a weight, unknown is a fault, too', base: 100, is: [], priority: 100, faults: ['eth1 is not known yet'] },
    { name: 'never below 1', base: 10, is: ['well', 'ill', 'ill'], priority: 1, faults: [] },
    { name: 'never above 254', base: 250, is: ['well', 'well', 'well'], priority: 254, faults: [] },
    { name: "the owner's never changes", base: 255, is: ['well', 'ill', 'well'], priority: 255, faults: [] },
  ])('$name', ({ base, is, priority, faults }) => {
    expect(fitness(base, tracked, states(...(is as TrackedState[])))).toEqual({ priority, faults })
  }) // biome-ignore format: a table
})

describe('fitness by numbers, and the other way round', () => {
  const of = (one: Omit<Tracked, 'name'>, state: TrackedState) =>
    fitness(100, [{ name: 'x', ...one }], new Map([['x', state]]))
  test.each<[one: Omit<Tracked, 'name'>, state: TrackedState, priority: number, faults: string[]]>([
    [{ weight: 2 }, 5, 110, []],
    [{ weight: 2, isReversed: true }, 5, 90, []],
    [{}, 5, 100, ['x says 5']],
    [{}, 0, 100, []],
    [{ isReversed: true }, 0, 100, ['x says 0']],
    [{ weight: -100 }, 3, 1, ['x says 3']],
    [{ weight: 20, isReversed: true }, 'well', 80, []],
    [{ weight: -20, isReversed: true }, 'ill', 120, []],
    [{ isReversed: true }, 'well', 100, ['x does not fail']],
    [{ isReversed: true }, 'ill', 100, []],
  ])('%j while it is %s', (one, state, priority, faults) => {
    expect(of(one, state)).toEqual({ priority, faults })
  })
})
