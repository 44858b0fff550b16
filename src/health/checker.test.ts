import { describe, expect, test } from 'vitest'
import { openCheckerWorld as openWorld, buildTarget as target } from '../../test/build/checker.ts'
import { openDescriptors, raw, silentServer } from '../../test/build/servers.ts'
import { buildCheck } from '../../test/build/services.ts'
import { openChecker } from './checker.ts'
import type { Connector } from './connector.ts'
import { epollConnector } from './connector-epoll.ts'
import { netConnector } from './connector-net.ts'
import { fakeTiming } from './fake-timing.ts'
import type { CheckResult, CheckTarget } from './target.ts'
import { deadline, machineTiming } from './timing.ts'

describe('checker', () => {
  test('every target is probed at once and then at its own interval', async () => {
    await using world = openWorld()
    world.checker.watch([target(1, { everyMs: 1000 }), target(2, { everyMs: 400 })])
    await world.timing.advance(1000)
    expect(world.probed.filter(({ port }) => port === 1).map(({ atMs }) => atMs)).toEqual([0, 1000])
    expect(world.probed.filter(({ port }) => port === 2).map(({ atMs }) => atMs)).toEqual([0, 400, 800])
  })

  test('while failures are counted it is asked again sooner, and then as ever', async () => {
    let isWell = true
    await using world = openWorld(() => Promise.resolve(isWell))
    const one = target(1, { everyMs: 1000, doubtEveryMs: 100, fall: 3 })
    world.checker.watch([one])
    await world.timing.advance(500)
    isWell = false
    await world.timing.advance(700)
    expect(world.checker.view(one).health).toBe('unhealthy')
    await world.timing.advance(1000)
    expect(world.probed.map(({ atMs }) => atMs)).toEqual([0, 1000, 1100, 1200, 2200])
  })

  test('one that is presumed to be well is so until it is asked, and then as the answer says', async () => {
    await using world = openWorld(() => Promise.resolve(false))
    const one = target(1, { presumed: true, warmUpMs: 1000, fall: 3 })
    world.checker.watch([one])
    await world.timing.advance(0)
    expect(world.checker.view(one).health).toBe('healthy')
    await world.timing.advance(1000)
    expect(world.checker.view(one).health).toBe('unhealthy')
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
    expect(at).toEqual([0, 500, 1450])
  })
})

describe('checker, of many servers', () => {
  test('silent ones that take all places make the others late, which is a problem until it is over', async () => {
    const silent = { is: true }
    await using world = openWorld(
      (port) => (port > 10 || !silent.is ? Promise.resolve(true) : new Promise(() => {})),
      4,
    )
    const targets = Array.from({ length: 20 }, (_, port) => target(port + 1, { timeoutMs: 900 }))
    world.checker.watch(targets)
    await world.timing.advance(5000)
    expect(world.troubles).toEqual([expect.stringMatching(/^checks begin late, .* no more than 4 at once/)])
    expect(world.checker.problem()).toBe(world.troubles[0])
    silent.is = false
    await world.timing.advance(60_000)
    expect(world.troubles).toEqual([expect.any(String), undefined])
    expect(world.checker.problem()).toBeUndefined()
  })

  test('thousands of silent ones delay nobody while there are places', async () => {
    await using world = openWorld((port) => (port > 1 ? new Promise(() => {}) : Promise.resolve(true)), 10_000)
    const targets = Array.from({ length: 2000 }, (_, port) => target(port + 1, { timeoutMs: 1000 }))
    world.checker.watch(targets)
    await world.timing.advance(3000)
    const own = world.probed.filter(({ port }) => port === 1).map(({ atMs }) => atMs)
    expect(own).toEqual([0, 1000, 2000, 3000])
    expect(world.troubles).toEqual([])
  })
})

describe('checker, of a director that is held up', () => {
  test('a deadline that it slept through is given again, once', async () => {
    const timing = fakeTiming()
    const skew = { ms: 0 }
    const results: CheckResult[] = []
    await using checker = openChecker({
      timing: { ...timing, now: () => timing.now() + skew.ms },
      onChange: () => {},
      onResult: (result) => results.push(result),
      open:
        () =>
        async ({ port }, { signal }) => {
          await timing.sleep(port * 100, signal)
          return { healthy: !signal.aborted, detail: '', tookMs: 0 }
        },
    })
    // The second does not answer in its time, however often it is given.
    const once = { timeoutMs: 500, everyMs: 60_000 }
    checker.watch([target(7, once), target(30, once)])
    await timing.advance(100)
    skew.ms = 2000
    await timing.advance(700)
    expect(results.map(({ healthy }) => healthy)).toEqual([true])
    await timing.advance(600)
    expect(results.map(({ healthy }) => healthy)).toEqual([true, false])
  })

  test('a deadline that always rings late ends the check all the same', async () => {
    const timing = fakeTiming()
    const results: CheckResult[] = []
    await using checker = openChecker({
      timing: { ...timing, now: () => timing.now() * 10 },
      onChange: () => {},
      onResult: (result) => results.push(result),
      open: () => () => new Promise(() => {}),
    })
    checker.watch([target(1, { timeoutMs: 500, everyMs: 600_000 })])
    await timing.advance(1100)
    expect(results).toMatchObject([{ healthy: false, detail: 'no result within 500 ms' }])
  })

  test('a connector is asked once more before it is given up', async () => {
    const timing = fakeTiming()
    const results: CheckResult[] = []
    const connector: Connector = {
      kind: 'net',
      connect: (_target, listener) => ({
        settle: () => listener.onConnectEnd({ healthy: true, detail: 'connected' }),
        cancel: () => {},
      }),
      [Symbol.dispose]: () => {},
    }
    await using checker = openChecker({
      timing,
      connector,
      onChange: () => {},
      onResult: (result) => results.push(result),
    })
    checker.watch([target(1)])
    await timing.advance(600)
    expect(results).toMatchObject([{ healthy: true }])
  })

  test.each([
    { name: 'epoll', open: epollConnector },
    { name: 'net', open: (): Connector => netConnector },
  ])('what came while it slept is read before it says that nothing did: $name', async ({ open }) => {
    await using server = await raw(() => {})
    const results: CheckResult[] = []
    using connector = open()
    await using checker = openChecker({
      timing: machineTiming,
      connector,
      onChange: () => {},
      onResult: (result) => results.push(result),
    })
    const endpoint = { address: '127.0.0.1', port: server.port }
    checker.watch([{ check: buildCheck({ everyMs: 60_000, timeoutMs: 50 }), endpoint }])
    const begun = performance.now()
    while (performance.now() - begun < 150);
    await expect.poll(() => results.map(({ detail }) => detail)).toEqual(['connected'])
  })
})

describe('checker, on this machine', () => {
  test('a silent server delays no other and ends at its deadline, and nothing is open when none is watched', async () => {
    await using silent = await silentServer()
    await using server = await raw(() => {})
    const before = openDescriptors()
    const results: CheckResult[] = []
    await using checker = openChecker({
      timing: machineTiming,
      onChange: () => {},
      onResult: (result) => results.push(result),
    })
    const of = (port: number): CheckTarget => ({
      check: buildCheck({ everyMs: 100, timeoutMs: 500 }),
      endpoint: { address: '127.0.0.1', port },
    })
    checker.watch([of(silent.port), of(server.port)])
    await expect.poll(() => results.filter(({ healthy }) => !healthy).length, { timeout: 10_000 }).toBe(2)
    const [first] = results.filter(({ healthy }) => !healthy)
    expect(first).toMatchObject({ detail: `no connection to 127.0.0.1:${silent.port} in time`, tookMs: 500 })
    expect(results.filter(({ healthy }) => healthy).length).toBeGreaterThan(5)
    // The epoll of its connector stays as long as it does; what is more is a connection.
    await expect.poll(openDescriptors, { interval: 5 }).toBeGreaterThan(before + 1)
    checker.watch([])
    expect(openDescriptors()).toBeLessThanOrEqual(before + 1)
    await checker[Symbol.asyncDispose]()
    expect(openDescriptors()).toBeLessThanOrEqual(before)
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
