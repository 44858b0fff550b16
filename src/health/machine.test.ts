import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  beginHealth,
  firstProbeMs,
  type HealthConfig,
  type HealthEffect,
  type HealthState,
  nextCheck,
  nextProbeMs,
  secondProbeMs,
  step,
} from './machine.ts'

const two: HealthConfig = { rise: 2, fall: 3 }

type Run = {
  readonly states: readonly HealthState[]
  readonly effects: readonly HealthEffect[]
  readonly last: HealthState
}

/** `+` succeeds, `-` fails, `m` and `e` begin and end maintenance; one each second, each of the kind that is asked for. */
function run(config: HealthConfig, results: string, state: HealthState = beginHealth(undefined, 0)): Run {
  const states: HealthState[] = []
  const effects: HealthEffect[] = []
  let last = state
  for (const [at, letter] of results.split('').entries()) {
    const atMs = at * 1000
    const next =
      letter === 'm' || letter === 'e'
        ? step(config, last, { kind: letter === 'm' ? 'maintenance-began' : 'maintenance-ended', atMs })
        : step(config, last, result(letter === '+', last, atMs))
    last = next.state
    states.push(last)
    effects.push(...next.effects)
  }
  return { states, effects, last }
}

const result = (isGood: boolean, state: HealthState, atMs: number) =>
  ({ kind: isGood ? 'succeeded' : 'failed', check: nextCheck(state), atMs, detail: isGood ? 'good' : 'bad' }) as const

const letters = (of: string): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...of.split('')), { maxLength: 60 }).map((all) => all.join(''))
const counts = fc.record({ rise: fc.integer({ min: 1, max: 4 }), fall: fc.integer({ min: 1, max: 4 }) })
const damping = fc.record({
  changes: fc.integer({ min: 1, max: 5 }),
  withinMs: fc.integer({ min: 1, max: 30 }).map((seconds) => seconds * 1000),
  holdMs: fc.integer({ min: 1, max: 12 }).map((seconds) => seconds * 1000),
})
const changes = (effects: readonly HealthEffect[]) => effects.filter((effect) => effect.kind === 'changed')
const kinds = ({ states }: Run): string => states.map(({ kind }) => short[kind]).join('')
const short = { unknown: '?', healthy: 'h', unhealthy: 'u', maintenance: 'm' } as const

describe('rise and fall', () => {
  test.each([
    { name: 'the first success makes it healthy', results: '+', to: 'h' },
    { name: 'the first failure makes it unhealthy', results: '-', to: 'u' },
    { name: 'fewer failures than fall do not count', results: '+--', to: 'hhh' },
    { name: 'fall failures in a row count', results: '+---', to: 'hhhu' },
    { name: 'a success in between starts the count anew', results: '+--+--', to: 'hhhhhh' },
    { name: 'one success is fewer than rise', results: '-+', to: 'uu' },
    { name: 'rise successes in a row count', results: '-++', to: 'uuh' },
  ])('$name', ({ results, to }) => {
    expect(kinds(run(two, results))).toBe(to)
  })

  test('the state is what the last long enough run of equal results says', () => {
    fc.assert(
      fc.property(counts, letters('+-'), (config, results) => {
        let expected: string | undefined = results[0]
        let length = 0
        for (const [at, letter] of results.split('').entries()) {
          length = at > 0 && results[at - 1] === letter ? length + 1 : 1
          if (letter !== expected && length >= (letter === '+' ? config.rise : config.fall)) expected = letter
        }
        expect(run(config, results).last.kind).toBe(
          { '+': 'healthy', '-': 'unhealthy', none: 'unknown' }[expected ?? 'none'],
        )
      }),
    )
  })

  test('a change is told exactly when there is one, and a doubt exactly while results count against the state', () => {
    fc.assert(
      fc.property(counts, letters('+-+-+-me'), (config, results) => {
        let state = beginHealth(undefined, 0)
        for (const letter of results) {
          const { states, effects } = run(config, letter, state)
          const [next = state] = states
          const told = effects.map(({ kind }) => kind)
          if (next.kind !== state.kind) expect(told).toEqual(['changed'])
          else if (next.against > state.against) expect(told).toEqual(['wavered'])
          else expect(told).toEqual(state.against > 0 && /[+-]/.test(letter) ? ['steadied'] : [])
          state = next
        }
      }),
    )
  })

  test('doubts count up to what is needed, and say what health they are about', () => {
    expect(run(two, '+--+').effects.slice(1)).toEqual([
      { kind: 'wavered', health: 'healthy', count: 1, needed: 3, detail: 'bad' },
      { kind: 'wavered', health: 'healthy', count: 2, needed: 3, detail: 'bad' },
      { kind: 'steadied', health: 'healthy' },
    ])
    expect(run(two, '-+').effects[1]).toEqual({
      kind: 'wavered',
      health: 'unhealthy',
      count: 1,
      needed: 2,
      detail: 'good',
    })
  })

  test('a change says why, and for how many results it was otherwise', () => {
    expect(changes(run(two, '++++---').effects)).toEqual([
      { kind: 'changed', from: 'unknown', to: 'healthy', detail: 'good', after: 0 },
      { kind: 'changed', from: 'healthy', to: 'unhealthy', detail: 'bad', after: 6 },
    ])
  })

  test('one that was taken for healthy unasked is not, at the first failure; later ones count', () => {
    const kinds = (results: string): string[] =>
      run(two, results, beginHealth('assumed', 0)).states.map(({ kind }) => kind)
    expect(kinds('-')).toEqual(['unhealthy'])
    expect(kinds('+-')).toEqual(['healthy', 'healthy'])
    expect(run(two, '+', beginHealth('assumed', 0)).last).not.toHaveProperty('isAssumed')
  })

  test('what serves already must fail as often as it takes; it has not come back before it was out', () => {
    const { states } = run(two, '---++', beginHealth('presumed', 0))
    expect(states.map(({ kind }) => short[kind]).join('')).toBe('hhuuh')
    expect(states.map(({ isReturning }) => isReturning)).toEqual([false, false, true, true, true])
    expect(states.at(-1)?.sinceMs).toBe(4000)
  })

  test('one that is new has not come back when it is first healthy, one that was started anew has', () => {
    expect(run(two, '+').last.isReturning).toBe(false)
    expect(run(two, '+', beginHealth('anew', 0)).last.isReturning).toBe(true)
  })
})

describe('connects between probes', () => {
  const asked = (config: HealthConfig, results: string): string =>
    [beginHealth(undefined, 0), ...run(config, results).states].map((state) => nextCheck(state)[0]).join('')

  test.each([
    { name: 'without connects every check is a probe', connects: 0, results: '+++-+', checks: 'pppppp' },
    { name: 'a good probe is followed by so many connects', connects: 2, results: '++++', checks: 'pccpc' },
    { name: 'a connect that fails is followed by a probe', connects: 3, results: '++-+', checks: 'pccpc' },
    { name: 'a probe that fails is repeated', connects: 2, results: '--+', checks: 'pppc' },
  ])('$name', ({ connects, results, checks }) => {
    expect(asked({ ...two, connects }, results)).toBe(checks)
  })

  /** ldirectord's _check_real: num_connects of the server against that of the service. */
  function original(connects: number, results: string): string {
    const never = 999_999
    let count = never
    const isProbe = (): boolean => count >= connects
    const checks = [isProbe() ? 'p' : 'c']
    for (const letter of results) {
      if (isProbe()) count = letter === '+' ? 0 : count
      else count = letter === '+' ? count + 1 : never
      checks.push(isProbe() ? 'p' : 'c')
    }
    return checks.join('')
  }

  test('the order of probes and connects is the original’s', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 5 }), letters('+++-'), (config, connects, results) => {
        expect(asked({ ...config, connects }, results)).toBe(original(connects, results))
      }),
    )
  })
})

describe('maintenance', () => {
  test('no result counts in it, and the first one after it decides', () => {
    expect(kinds(run(two, '++m---+e-'))).toBe('hhmmmmm?u')
    expect(kinds(run(two, '--me+'))).toBe('uum?h')
  })

  test('both ends are changes, and it has come back afterwards', () => {
    const { effects, last } = run(two, '+m++e+')
    expect(
      effects.map((effect) => effect.kind === 'changed' && `${effect.from} ${effect.to}: ${effect.detail}`),
    ).toEqual([
      'unknown healthy: good',
      'healthy maintenance: in maintenance',
      'maintenance unknown: maintenance is over',
      'unknown healthy: good',
    ])
    expect(last.isReturning).toBe(true)
  })

  test('it cannot begin twice or end without having begun', () => {
    expect(run(two, 'mm').effects).toHaveLength(1)
    expect(run(two, 'e+e').effects).toHaveLength(1)
  })
})

describe('flap damping', () => {
  const damped: HealthConfig = { rise: 1, fall: 1, damping: { changes: 3, withinMs: 60_000, holdMs: 3000 } }

  test('after so many changes it stays out until it was well for long enough, in a row', () => {
    expect(kinds(run(damped, '+-+-+++++'))).toBe('huhuuuuhh')
    expect(kinds(run(damped, '+-+-++-++++'))).toBe('huhuuuuuuuh')
  })

  test('the change says that it is held out, and why', () => {
    expect(changes(run(damped, '+-+-').effects).at(-1)?.detail).toBe(
      'bad; held out: 3 changes within 60 s, until it was well for 3 s',
    )
  })

  test('it steadies only where it was said to waver', () => {
    const told = run(damped, '+-+-+-').effects.map(({ kind }) => kind)
    expect(new Set(told)).toEqual(new Set(['changed']))
    const slower = run({ ...damped, rise: 2 }, '+-++-++-').effects.map(({ kind }) => kind)
    expect(slower.slice(-3)).toEqual(['changed', 'wavered', 'steadied'])
  })

  test('changes that lie further apart do not count', () => {
    const slow: HealthConfig = { ...damped, damping: { changes: 3, withinMs: 3000, holdMs: 60_000 } }
    expect(kinds(run(slow, '+++-++-++-+'))).toBe('hhhuhhuhhuh')
  })

  test('whoever comes back was not held, or well for the whole hold; and who changes seldom is not held at all', () => {
    fc.assert(
      fc.property(counts, damping, letters('+++-'), (config, damping, results) => {
        const { states } = run({ ...config, damping }, results)
        const isHeld = states.some(({ heldFor }) => heldFor > 0)
        if (!isHeld) expect(states.map(({ kind }) => kind)).toEqual(run(config, results).states.map(({ kind }) => kind))
        const changed: number[] = []
        for (const [at, { kind }] of states.entries()) {
          const before = states[at - 1]
          if (before === undefined || before.kind === kind) continue
          changed.push(at)
          const recent = changed.filter((when) => when * 1000 > at * 1000 - damping.withinMs)
          if (kind === 'unhealthy')
            expect(states[at]?.heldFor).toBe(
              recent.length >= damping.changes ? Math.min(recent.length, damping.changes + 1) : 0,
            )
          if (kind === 'healthy' && before.heldFor > 0)
            expect(results.slice(at - damping.holdMs / 1000, at + 1)).toBe('+'.repeat(damping.holdMs / 1000 + 1))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('what it remembers is bounded', () => {
    const { last } = run({ ...damped, damping: { changes: 5, withinMs: 1e9, holdMs: 1000 } }, '++-'.repeat(300))
    expect(last.changedMs.length).toBeLessThanOrEqual(5)
  })
})

describe('when to check', () => {
  test('intervals are up to a tenth shorter, and never longer: what is promised of detection holds', () => {
    expect([0.5, 0, 0.25].map((chance) => nextProbeMs(1000, chance))).toEqual([1000, 950, 925])
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (chance) => {
        expect(nextProbeMs(1000, chance)).toBeGreaterThan(900)
        expect(nextProbeMs(1000, chance)).toBeLessThanOrEqual(1000)
      }),
    )
  })

  test('the second check comes anywhere within the interval', () => {
    expect([0.5, 0.75, 0, 0.25].map((chance) => secondProbeMs(1000, chance))).toEqual([1000, 750, 500, 250])
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (chance) => {
        expect(secondProbeMs(1000, chance)).toBeGreaterThan(0)
        expect(secondProbeMs(1000, chance)).toBeLessThanOrEqual(1000)
      }),
    )
  })

  test('a new server’s first check is at once, or within its warm-up', () => {
    expect([firstProbeMs({}, 0.9), firstProbeMs({ warmUpMs: 5000 }, 0), firstProbeMs({ warmUpMs: 5000 }, 0.5)]).toEqual(
      [0, 0, 2500],
    )
  })
})
