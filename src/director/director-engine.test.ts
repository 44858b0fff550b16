import { describe, expect, test } from 'vitest'
import { at, named, openDirectorWorld as openWorld, put, weights, within } from '../../test/build/director.ts'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import { fakeEngine } from '../engines/fake/fake.ts'
import { InfraError } from '../errors.ts'
import { fakeTiming } from '../health/fake-timing.ts'
import { openDirector } from './director.ts'
import { emptyIntent, type IntentStore, memoryIntentStore } from './intent.ts'

describe('director and engine', () => {
  test('an address that is taken is refused, and all is as before', async () => {
    await using world = await openWorld()
    await put(world, named('www', 80))
    world.taken.add('tcp 127.0.0.1:81')
    const refused = put(world, named('www', 80, { servers: [buildServer(1003)] }), named('api', 81), named('new', 82))
    await expect(refused).rejects.toMatchObject({ code: 'busy', message: 'tcp 127.0.0.1:81: the port is taken' })
    expect(await weights(world)).toEqual({ 80: { 1001: 1, 1002: 1 } })
    expect(world.saved().clusters).toMatchObject([{ services: [{ name: 'www', servers: [{ port: 1001 }, {}] }] }])
    expect((await world.director.status(within())).problems).toEqual([])
  })

  test('at a start, a taken address holds up no other service, and is tried ever more slowly until it is free', async () => {
    const services = [named('www', 80), named('api', 81)]
    const taken = new Set(['tcp 127.0.0.1:80'])
    await using world = await openWorld({ ...emptyIntent, clusters: [{ cluster: 'shop', services }] }, { taken })
    expect(await weights(world)).toEqual({ 81: { 1001: 1, 1002: 1 } })
    expect((await world.director.status(within())).problems).toEqual(['tcp 127.0.0.1:80: the port is taken'])
    const tries: number[] = []
    for (const ms of [100, 200, 400, 800, 1600, 3200, 5000, 5000]) {
      const before = world.applied.count
      await world.timing.advance(ms - 1)
      tries.push(world.applied.count - before)
      await world.timing.advance(1)
      tries.push(world.applied.count - before)
    }
    expect(tries).toEqual(Array.from({ length: 8 }, () => [0, 1]).flat())
    world.taken.clear()
    await world.timing.advance(5000)
    expect(await weights(world)).toMatchObject({ 80: { 1001: 1, 1002: 1 } })
    const said = world.events.filter(({ kind }) => kind === 'engine.failed' || kind === 'engine.recovered')
    expect(said).toMatchObject([{ kind: 'engine.failed' }, { kind: 'engine.recovered', failures: 9 }])
  })

  test('changes that come while something is tried again do not make the tries more', async () => {
    const services = [named('www', 80)]
    const taken = new Set(['tcp 127.0.0.1:80'])
    await using world = await openWorld({ ...emptyIntent, clusters: [{ cluster: 'shop', services }] }, { taken })
    for (let count = 0; count < 20; count += 1) await world.director.drain({ guest: `web-${count}` }, within())
    await world.timing.advance(10_000)
    const before = world.applied.count
    await world.timing.advance(20_000)
    expect(world.applied.count - before).toBeLessThanOrEqual(5)
  })

  test('what somebody else changes in the engine is put right within half a minute', async () => {
    await using world = await openWorld()
    await put(world, buildWanted())
    await world.engine.apply(
      [{ kind: 'server.remove', id: at(8080), server: { address: '127.0.0.1', port: 1001 } }],
      within(),
    )
    await world.timing.advance(30_000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
  })

  test('settings that somebody else changes are put right, and those that nobody asked for are left alone', async () => {
    await using world = await openWorld()
    const settings = { timeouts: { udp: 30 }, sysctls: { expire_nodest_conn: 1 } }
    await world.director.putCluster({ cluster: 'shop', services: [], settings }, within())
    const other = { timeouts: { udp: 99, tcp: 99 }, sysctls: { expire_nodest_conn: 0, sloppy_tcp: 1 } }
    await world.engine.apply([{ kind: 'settings', settings: other }], within())
    await world.timing.advance(30_000)
    const { timeouts, sysctls } = (await world.engine.info(within())).settings
    expect(timeouts).toMatchObject({ udp: 30, tcp: 99 })
    expect(sysctls).toMatchObject({ expire_nodest_conn: 1, sloppy_tcp: 1 })
  })

  test('a cluster whose settings the engine does not take is refused, and all is as before', async () => {
    const engine = fakeEngine()
    const stubborn: typeof engine = {
      ...engine,
      async apply(changes, options) {
        if (changes.some(({ kind }) => kind === 'settings'))
          throw new InfraError('permission', 'only root may', { subject: 'engine' })
        await engine.apply(changes, options)
      },
    }
    await using world = await openWorld(emptyIntent, { engine: stubborn })
    const refused = world.director.putCluster(
      { cluster: 'shop', services: [buildWanted()], settings: { timeouts: { udp: 30 } } },
      within(),
    )
    await expect(refused).rejects.toMatchObject({ code: 'permission' })
    expect(await weights(world)).toEqual({})
    expect((await world.director.status(within())).problems).toEqual([])
  })

  test('a removal that a crash cut off is finished by the next director, and hand-made services are left alone', async () => {
    const engine = fakeEngine()
    const before = await openWorld(emptyIntent, { engine })
    await put(before, named('www', 80))
    await engine.apply([{ kind: 'service.add', service: buildService({ id: at(99) }) }], within())
    await before.director.removeCluster('shop', within())
    const cut = before.saves.at(-2)
    expect(cut).toMatchObject({ clusters: [], leaving: ['tcp 127.0.0.1:80'] })
    await engine.apply([{ kind: 'service.add', service: buildService({ id: at(80) }) }], within())
    await using world = await openWorld(cut, { engine })
    expect(await weights(world)).toEqual({ 99: {} })
    await world.director.drain({ guest: 'web-9' }, within())
    expect(world.saved().leaving).toEqual([])
  })

  test('a change whose caller lost patience before its turn is not made', async () => {
    await using world = await openWorld()
    const first = put(world, named('www', 80))
    const second = world.director.putCluster(
      { cluster: 'late', services: [named('api', 81)] },
      { signal: AbortSignal.abort() },
    )
    await expect(second).rejects.toMatchObject({ code: 'cancelled' })
    await first
    expect(Object.keys(await weights(world))).toEqual(['80'])
  })

  test('an engine that does not answer any more is reported as lost, once', async () => {
    const timing = fakeTiming()
    const engine = fakeEngine()
    let lost = 0
    const dead = new InfraError('failed', 'the data plane ended', { subject: 'userspace' })
    const director = await openDirector({
      engine: { ...engine, read: () => Promise.reject(dead) },
      intent: memoryIntentStore(),
      timing,
      now: () => new Date(0),
      onEvent: () => {},
      onStop: () => {},
      onEngineLost: () => (lost += 1),
    })
    expect(lost).toBe(0)
    await timing.advance(60_000)
    expect(lost).toBe(1)
    await director[Symbol.asyncDispose]()
  })

  test('when the intent cannot be kept, nothing is changed', async () => {
    const engine = fakeEngine()
    const full: IntentStore = {
      load: async () => ({ intent: emptyIntent }),
      save: () => Promise.reject(new InfraError('no-space', 'the disk is full', { subject: 'intent.json' })),
    }
    const director = await openDirector({
      engine,
      intent: full,
      timing: fakeTiming(),
      now: () => new Date(0),
      onEvent: () => {},
      onStop: () => {},
    })
    await expect(director.putCluster({ cluster: 'shop', services: [buildWanted()] }, within())).rejects.toMatchObject({
      code: 'no-space',
    })
    expect(await engine.read(within())).toEqual([])
    await director[Symbol.asyncDispose]()
  })

  test('nothing is left under way when it is closed', async () => {
    const world = await openWorld()
    world.silent.add(1001)
    await put(world, buildWanted({ checks: [buildCheck()] }))
    await world.director[Symbol.asyncDispose]()
    expect(world.timing.pending()).toBe(0)
  })
})
