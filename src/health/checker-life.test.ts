/** One server's life at the checker: maintenance, warm-up, connects, flaps, and what it says of itself. */
import { describe, expect, test } from 'vitest'
import { openCheckerWorld as openWorld, buildTarget as target } from '../../test/build/checker.ts'
import type { ProbeReport } from './check.ts'
import { openChecker } from './checker.ts'
import { fakeTiming } from './fake-timing.ts'
import type { CheckTarget } from './target.ts'

describe('checker, of one server in its life', () => {
  test('in maintenance it is not probed, and afterwards the first result decides', async () => {
    const answers = { good: true }
    await using world = openWorld(() => Promise.resolve(answers.good))
    const server = target(1, { fall: 3 })
    world.checker.watch([server])
    await world.timing.advance(1500)
    world.checker.watch([{ ...server, maintenance: true }])
    expect(world.checker.view(server)).toMatchObject({ health: 'maintenance', detail: 'in maintenance', sinceMs: 1500 })
    await world.timing.advance(10_000)
    expect(world.probed.length).toBe(2)
    answers.good = false
    world.checker.watch([{ ...server, maintenance: false }])
    expect(world.checker.view(server)).toMatchObject({ health: 'unknown', detail: 'not probed yet' })
    await world.timing.advance(0)
    expect(world.changes.map(({ from, to, detail }) => `${from} ${to}: ${detail}`)).toEqual([
      'unknown healthy: true',
      'healthy maintenance: in maintenance',
      'maintenance unknown: maintenance is over',
      'unknown unhealthy: false',
    ])
  })

  test('a result that was under way when maintenance began does not count', async () => {
    const finish: ((good: boolean) => void)[] = []
    await using world = openWorld(() => new Promise((resolve) => void finish.push(resolve)))
    world.checker.watch([target(1)])
    await world.timing.advance(100)
    world.checker.watch([{ ...target(1), maintenance: true }])
    finish[0]?.(false)
    await world.timing.advance(100)
    expect(world.checker.view(target(1)).health).toBe('maintenance')
    expect(world.results).toEqual([])
  })

  test('a server that begins in maintenance is in it, and one that is for one of two is for both', async () => {
    await using world = openWorld()
    world.checker.watch([target(1), { ...target(1), maintenance: true }])
    await world.timing.advance(5000)
    expect(world.probed).toEqual([])
    expect(world.changes).toMatchObject([{ from: 'unknown', to: 'maintenance' }])
  })

  test('it has come back when it was sick, in maintenance, or started anew; not when it is new or presumed well', async () => {
    const answers = { good: true }
    await using world = openWorld(() => Promise.resolve(answers.good))
    const [fresh, presumed, anew, rested] = [1, 2, 3, 4].map((port) => target(port, { rise: 1, fall: 1 })) as [
      CheckTarget,
      CheckTarget,
      CheckTarget,
      CheckTarget,
    ]
    const all: CheckTarget[] = [fresh, { ...presumed, start: 'presumed' }, { ...anew, start: 'anew' }]
    world.checker.watch([...all, { ...rested, maintenance: true }])
    await world.timing.advance(500)
    world.checker.watch([fresh, presumed, anew, rested])
    await world.timing.advance(0)
    const recovered = (): boolean[] => [fresh, presumed, anew, rested].map((one) => world.checker.view(one).recovered)
    expect(recovered()).toEqual([false, false, true, true])
    answers.good = false
    await world.timing.advance(1000)
    expect(recovered()).toEqual([false, false, false, false])
    answers.good = true
    await world.timing.advance(1000)
    expect(recovered()).toEqual([true, true, true, true])
    expect(world.checker.view(fresh).sinceMs).toBe(2000)
  })

  test('between probes it is only connected to, until a connect fails; by hand it is always probed', async () => {
    const answers = { good: true }
    await using world = openWorld(() => Promise.resolve(answers.good))
    const combined = target(1, { probe: { kind: 'simpletcp' }, connects: 2, fall: 5 })
    world.checker.watch([combined])
    await world.timing.advance(4000)
    expect(world.kinds()).toBe('simpletcp tcp tcp simpletcp tcp')
    await world.checker.probeNow(combined)
    answers.good = false
    await world.timing.advance(3000)
    expect(world.kinds()).toBe('simpletcp tcp tcp simpletcp tcp simpletcp tcp simpletcp simpletcp')
  })

  test('a connect between probes has a time of its own', async () => {
    const answers = { silent: false }
    await using world = openWorld(() => (answers.silent ? new Promise(() => {}) : Promise.resolve(true)))
    const combined = { probe: { kind: 'simpletcp' }, connects: 1, timeoutMs: 900, connectTimeoutMs: 300 } as const
    world.checker.watch([target(1, combined)])
    await world.timing.advance(500)
    answers.silent = true
    const running: number[] = []
    // The connect begins after 1000 ms, the probe that follows it after 2000.
    for (const ms of [750, 70, 1500, 100]) {
      await world.timing.advance(ms)
      running.push(world.running.now)
    }
    expect(running).toEqual([1, 0, 1, 0])
  })

  test('a new server’s first check comes within its warm-up; one that was started anew is checked at once', async () => {
    await using world = openWorld()
    world.checker.watch([target(1, { warmUpMs: 3000 }), { ...target(2, { warmUpMs: 3000 }), start: 'anew' }])
    await world.timing.advance(1600)
    expect(world.probed.filter(({ atMs }) => atMs < 2000)).toMatchObject([
      { port: 2, atMs: 0 },
      { port: 2, atMs: 1000 },
      { port: 1, atMs: 1500 },
    ])
  })

  test('a server that flaps is held out, and what it says of itself says so', async () => {
    let round = 0
    await using world = openWorld(() => Promise.resolve((round += 1) > 4 || round % 2 === 1))
    const damping = { changes: 3, withinMs: 60_000, holdMs: 3000 }
    const flapping = target(1, { rise: 1, fall: 1, damping })
    world.checker.watch([flapping])
    await world.timing.advance(6000)
    const held = 'held out: 3 changes within 60 s, until it was well for 3 s'
    expect(world.changes.at(-1)).toMatchObject({ to: 'unhealthy', detail: `false; ${held}` })
    expect(world.checker.view(flapping)).toMatchObject({ health: 'unhealthy', detail: `true; ${held}` })
    await world.timing.advance(1000)
    expect(world.checker.view(flapping)).toMatchObject({ health: 'healthy', detail: 'true' })
  })

  test('each result and each doubt is told', async () => {
    let round = 0
    await using world = openWorld(() => Promise.resolve((round += 1) !== 2))
    world.checker.watch([target(1, { fall: 3 })])
    await world.timing.advance(2000)
    expect(world.results.map(({ healthy, detail }) => [healthy, detail])).toEqual([
      [true, 'true'],
      [false, 'false'],
      [true, 'true'],
    ])
    expect(world.doubts).toMatchObject([
      { kind: 'wavered', health: 'healthy', count: 1, needed: 3, detail: 'false' },
      { kind: 'steadied', health: 'healthy' },
    ])
  })

  test('what a server says of itself stays until it says otherwise', async () => {
    const timing = fakeTiming()
    const reports: ProbeReport[] = [
      { wish: 'drain', maximumConnections: 5 },
      { weight: { percent: 50 } },
      { wish: 'ready' },
    ]
    await using checker = openChecker({
      timing,
      onChange: () => {},
      open: () => () => {
        const report = reports.shift()
        return Promise.resolve({ healthy: true, detail: '', tookMs: 0, ...(report === undefined ? {} : { report }) })
      },
    })
    checker.watch([target(1)])
    await timing.advance(1000)
    const said = { weight: { percent: 50 }, wish: 'drain', maximumConnections: 5 }
    expect(checker.view(target(1)).report).toEqual(said)
    await timing.advance(4000)
    expect(checker.view(target(1)).report).toEqual({ ...said, wish: 'ready' })
  })

  test('a check that cannot run for this machine’s sake says nothing of the server, and is a problem', async () => {
    const timing = fakeTiming()
    const troubles: (string | undefined)[] = []
    await using checker = openChecker({
      timing,
      onChange: () => {},
      onTrouble: (trouble) => troubles.push(trouble),
      open: () => () => Promise.resolve({ healthy: false, detail: 'x: EMFILE', tookMs: 0, inconclusive: true }),
    })
    checker.watch([{ ...target(1, { fall: 1 }), start: 'presumed' }])
    await timing.advance(5000)
    expect(checker.view(target(1, { fall: 1 }))).toMatchObject({ health: 'healthy' })
    expect(checker.problem()).toContain('EMFILE')
    expect(troubles).toHaveLength(1)
  })
})
