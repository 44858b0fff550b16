import { describe, expect, test } from 'vitest'
import { buildCheck } from '../../test/build/services.ts'
import type { ProbeResult } from './check.ts'
import { type CheckTarget, type HealthChange, openChecker } from './checker.ts'
import { type FakeTiming, fakeTiming } from './fake-timing.ts'
import { deadline, machineTiming } from './timing.ts'

const target = (port: number, changes: Parameters<typeof buildCheck>[0] = {}): CheckTarget => ({
  check: buildCheck(changes),
  endpoint: { address: '10.0.0.1', port },
})

function openWorld(answer: (port: number) => Promise<boolean> = () => Promise.resolve(true), concurrency = 512) {
  const timing: FakeTiming = fakeTiming()
  const probed: { port: number; atMs: number }[] = []
  const changes: HealthChange[] = []
  const running = { now: 0, most: 0 }
  const checker = openChecker({
    timing,
    concurrency,
    onChange: (change) => changes.push(change),
    open:
      () =>
      async (endpoint, { signal }): Promise<ProbeResult> => {
        probed.push({ port: endpoint.port, atMs: timing.now() })
        running.now += 1
        running.most = Math.max(running.most, running.now)
        const aborted = new Promise<false>((resolve) =>
          signal.addEventListener('abort', () => resolve(false), { once: true }),
        )
        const healthy = await Promise.race([answer(endpoint.port), aborted])
        running.now -= 1
        return { healthy, detail: String(healthy), tookMs: 0 }
      },
  })
  return { timing, probed, changes, running, checker, [Symbol.asyncDispose]: () => checker[Symbol.asyncDispose]() }
}

describe('checker', () => {
  test('every target is probed at once and then at its own interval', async () => {
    await using world = openWorld()
    world.checker.watch([target(1, { everyMs: 1000 }), target(2, { everyMs: 400 })])
    await world.timing.advance(1000)
    expect(world.probed.filter(({ port }) => port === 1).map(({ atMs }) => atMs)).toEqual([0, 1000])
    expect(world.probed.filter(({ port }) => port === 2).map(({ atMs }) => atMs)).toEqual([0, 400, 800])
  })

  test('services that check the same server in the same way share one probe; others do not', async () => {
    await using world = openWorld()
    world.checker.watch([target(1), target(1), target(9), target(9, { port: 5 }), target(1, { fall: 7 })])
    await world.timing.advance(0)
    expect(world.probed.map(({ port }) => port)).toEqual([1, 9, 1])
  })

  test('a target that stays is not disturbed by others that come and go', async () => {
    await using world = openWorld()
    world.checker.watch([target(1), target(2)])
    await world.timing.advance(500)
    world.checker.watch([target(1), target(3)])
    await world.timing.advance(1000)
    expect(world.probed).toEqual([
      { port: 1, atMs: 0 },
      { port: 2, atMs: 0 },
      { port: 3, atMs: 500 },
      { port: 1, atMs: 1000 },
      { port: 3, atMs: 1500 },
    ])
  })

  test('a probe that hangs holds up nobody else, and ends at its timeout', async () => {
    await using world = openWorld((port) => (port === 1 ? new Promise(() => {}) : Promise.resolve(true)))
    world.checker.watch([target(1, { timeoutMs: 600 }), target(2)])
    await world.timing.advance(599)
    expect(world.checker.view(target(1, { timeoutMs: 600 })).health).toBe('unknown')
    await world.timing.advance(1)
    expect(world.checker.view(target(1, { timeoutMs: 600 })).health).toBe('unhealthy')
    expect(world.checker.view(target(2)).health).toBe('healthy')
  })

  test('a probe that breaks is a failed check, not the end of the daemon', async () => {
    const timing = fakeTiming()
    await using checker = openChecker({
      timing,
      onChange: () => {},
      open: () => () => {
        throw new TypeError('no such thing')
      },
    })
    checker.watch([target(1)])
    await timing.advance(0)
    expect(checker.view(target(1))).toMatchObject({
      health: 'unhealthy',
      detail: 'the check could not run: no such thing',
    })
  })

  test('no more probes are under way at once than are allowed, and all get their turn', async () => {
    await using world = openWorld(() => new Promise(() => {}), 3)
    const targets = Array.from({ length: 10 }, (_, port) => target(port + 1, { timeoutMs: 100, everyMs: 60_000 }))
    world.checker.watch(targets)
    await world.timing.advance(450)
    expect(world.running.most).toBe(3)
    expect(world.probed.map(({ port }) => port)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('a change tells how long it was otherwise', async () => {
    let good = true
    await using world = openWorld(() => Promise.resolve(good))
    world.checker.watch([target(1, { fall: 2 })])
    await world.timing.advance(4500)
    good = false
    await world.timing.advance(2000)
    expect(world.changes).toMatchObject([
      { from: 'unknown', to: 'healthy' },
      { from: 'healthy', to: 'unhealthy', after: 6 },
    ])
  })

  test('a presumed target must fail before it is out, a target that starts anew is unknown', async () => {
    await using world = openWorld(() => new Promise(() => {}))
    world.checker.watch([{ ...target(1), start: 'presumed' }])
    expect(world.checker.view(target(1)).health).toBe('healthy')
    world.checker.watch([{ ...target(1), start: 'anew' }])
    expect(world.checker.view(target(1)).health).toBe('unknown')
  })

  test('a result that comes after its target is gone changes nothing', async () => {
    await using world = openWorld()
    world.checker.watch([target(1)])
    world.checker.watch([])
    await world.timing.advance(5000)
    expect(world.changes).toEqual([])
    expect(world.timing.pending()).toBe(0)
  })

  test('intervals are spread by chance', async () => {
    const timing = fakeTiming()
    const at: number[] = []
    await using checker = openChecker({
      timing: { ...timing, chance: () => 0 },
      onChange: () => {},
      open: () => () => {
        at.push(timing.now())
        return Promise.resolve({ healthy: true, detail: '', tookMs: 0 })
      },
    })
    checker.watch([target(1)])
    await timing.advance(2000)
    expect(at).toEqual([0, 500, 1400])
  })
})

describe('deadline', () => {
  test('it ends with its time, with its parent, or is let go', async () => {
    const timing = fakeTiming()
    const parent = new AbortController()
    const late = deadline(timing, parent.signal, 100)
    const withParent = deadline(timing, parent.signal, 200)
    const letGo = deadline(timing, parent.signal, 50)
    letGo[Symbol.dispose]()
    await timing.advance(100)
    expect([late.signal.aborted, withParent.signal.aborted, letGo.signal.aborted]).toEqual([true, false, false])
    expect((late.signal.reason as Error).name).toBe('TimeoutError')
    parent.abort()
    expect(withParent.signal.aborted).toBe(true)
    expect(letGo.signal.aborted).toBe(false)
    withParent[Symbol.dispose]()
    await timing.advance(0)
    expect(timing.pending()).toBe(0)
  })

  test('the machine’s own clock sleeps, and wakes when it is told to', async () => {
    const stop = new AbortController()
    await machineTiming.sleep(1, stop.signal)
    const sleeping = machineTiming.sleep(60_000, stop.signal)
    stop.abort()
    await sleeping
    expect(machineTiming.chance()).toBeLessThan(1)
  })
})
