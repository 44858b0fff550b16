import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type HealthState, nextProbeMs, step, unknownHealth } from './machine.ts'

const run = (rise: number, fall: number, results: readonly boolean[]): HealthState =>
  results.reduce<HealthState>(
    (state, good) => step({ rise, fall }, state, { kind: good ? 'succeeded' : 'failed' }).state,
    unknownHealth,
  )
const parse = (text: string): boolean[] => text.split('').map((letter) => letter === '+')

describe('health machine', () => {
  test.each([
    { name: 'the first success makes it healthy', results: '+', to: 'healthy' },
    { name: 'the first failure makes it unhealthy', results: '-', to: 'unhealthy' },
    { name: 'fewer failures than fall do not count', results: '+--', to: 'healthy' },
    { name: 'fall failures in a row count', results: '+---', to: 'unhealthy' },
    { name: 'a success in between starts the count anew', results: '+--+--', to: 'healthy' },
    { name: 'one success is fewer than rise', results: '-+', to: 'unhealthy' },
    { name: 'rise successes in a row count', results: '-++', to: 'healthy' },
  ])('$name', ({ results, to }) => {
    expect(run(2, 3, parse(results)).kind).toBe(to)
  })

  test('the state is what the last long enough run of equal results says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.boolean(), { minLength: 1 }),
        (rise, fall, results) => {
          let expected = results[0]
          let length = 0
          for (const [at, good] of results.entries()) {
            length = at > 0 && results[at - 1] === good ? length + 1 : 1
            if (good !== expected && length >= (good ? rise : fall)) expected = good
          }
          expect(run(rise, fall, results).kind).toBe(expected === true ? 'healthy' : 'unhealthy')
        },
      ),
    )
  })

  test('an effect is given exactly when the state changes', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), (results) => {
        let state = unknownHealth
        for (const good of results) {
          const next = step({ rise: 2, fall: 2 }, state, { kind: good ? 'succeeded' : 'failed' })
          expect(next.effects.length).toBe(next.state.kind === state.kind ? 0 : 1)
          state = next.state
        }
      }),
    )
  })

  test('intervals spread a tenth to either side', () => {
    expect([nextProbeMs(1000, 0), nextProbeMs(1000, 0.5), nextProbeMs(1000, 1)]).toEqual([900, 1000, 1100])
  })
})
