import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import type { Engine } from '../engines/engine.ts'
import { type FakeEngine, fakeEngine } from '../engines/fake/fake.ts'
import { InfraError } from '../errors.ts'
import { type FakeTiming, fakeTiming } from '../health/fake-timing.ts'
import { serviceKey } from '../lvs/service.ts'
import type { WantedService } from './control.ts'
import { type Director, openDirector } from './director.ts'
import type { DirectorEvent } from './events.ts'
import { emptyIntent, type IntentStore, memoryIntentStore } from './intent.ts'
import type { Intent } from './schemas.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) })
const at = (port: number): ReturnType<typeof buildService>['id'] => ({
  kind: 'address',
  protocol: 'tcp',
  address: '127.0.0.1',
  port,
})
const named = (name: string, port: number, changes: Partial<WantedService> = {}): WantedService =>
  buildWanted({ name, service: buildService({ id: at(port) }), ...changes })
const guestServer = (port: number, changes: Parameters<typeof buildServer>[1] = {}): ReturnType<typeof buildServer> =>
  buildServer(port, { guest: 'web-1', guestPort: 80, ...changes })

type World = AsyncDisposable & {
  readonly director: Director
  readonly engine: FakeEngine
  readonly timing: FakeTiming
  readonly events: DirectorEvent[]
  /** Ports whose probes fail, and ports whose probes give no answer. */
  readonly sick: Set<number>
  readonly silent: Set<number>
  /** Service keys whose addresses somebody else has. */
  readonly taken: Set<string>
  readonly applied: { count: number }
  readonly saved: () => Intent
  readonly saves: readonly Intent[]
}

async function openWorld(
  intent: Intent = emptyIntent,
  { engine = fakeEngine(), taken = new Set<string>() }: { engine?: FakeEngine; taken?: Set<string> } = {},
): Promise<World> {
  const timing = fakeTiming()
  const store = memoryIntentStore(intent)
  const saves: Intent[] = []
  const events: DirectorEvent[] = []
  const sick = new Set<number>()
  const silent = new Set<number>()
  const applied = { count: 0 }
  const director = await openDirector({
    engine: withTakenAddresses(engine, taken, applied),
    intent: {
      ...store,
      save: (next, options) => {
        saves.push(next)
        return store.save(next, options)
      },
    },
    timing,
    now: () => new Date(0),
    onEvent: (event) => events.push(event),
    onStop: () => {},
    openProbe: () => (target) =>
      silent.has(target.port)
        ? new Promise(() => {})
        : Promise.resolve({ healthy: !sick.has(target.port), detail: `probe of ${target.port}`, tookMs: 0 }),
  })
  return {
    director,
    engine,
    timing,
    events,
    sick,
    silent,
    taken,
    applied,
    saved: store.saved,
    saves,
    [Symbol.asyncDispose]: () => director[Symbol.asyncDispose](),
  }
}

function withTakenAddresses(engine: FakeEngine, taken: ReadonlySet<string>, applied: { count: number }): Engine {
  return {
    ...engine,
    async apply(changes, options) {
      applied.count += 1
      for (const change of changes)
        if (change.kind === 'service.add' && taken.has(serviceKey(change.service.id)))
          throw new InfraError('busy', 'the port is taken', { subject: serviceKey(change.service.id), retryable: true })
      await engine.apply(changes, options)
    },
  }
}

/** `port: weight` of every server, by the port of its service. */
async function weights({ engine }: World): Promise<Record<number, Record<number, number>>> {
  const standing = await engine.read(within())
  return Object.fromEntries(
    standing.map(({ service: { id }, servers }) => [
      id.kind === 'address' ? id.port : id.mark,
      Object.fromEntries(servers.map(({ server }) => [server.port, server.weight] as const)),
    ]),
  )
}

const put = (world: World, ...services: WantedService[]): Promise<void> =>
  world.director.putCluster({ cluster: 'shop', services }, within())

describe('director and health', () => {
  test('a server gets connections with its first success', async () => {
    await using world = await openWorld()
    world.silent.add(1002)
    await put(world, buildWanted({ check: buildCheck() }))
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 0 } })
  })

  test('a server goes after `fall` failures and comes back after `rise` successes, at the intervals of its check', async () => {
    await using world = await openWorld()
    await put(world, buildWanted({ check: buildCheck({ everyMs: 1000, rise: 2, fall: 3 }) }))
    await world.timing.advance(100)
    world.sick.add(1001)
    await world.timing.advance(2999 - 100)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
    await world.timing.advance(2)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 1 } })
    world.sick.clear()
    await world.timing.advance(1500)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 1 } })
    await world.timing.advance(1000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
  })

  test('a probe that never answers counts as failed at its timeout', async () => {
    await using world = await openWorld()
    world.silent.add(1001)
    await put(world, buildWanted({ check: buildCheck({ timeoutMs: 500 }) }))
    await world.timing.advance(501)
    const [service] = (await world.director.status(within())).services
    expect(service?.servers[0]).toMatchObject({ health: 'unhealthy', detail: 'no result within 500 ms' })
  })

  test.each<{ name: string; before: Partial<WantedService>; after: Partial<WantedService> }>([
    { name: 'another interval', before: { check: buildCheck() }, after: { check: buildCheck({ everyMs: 9000 }) } },
    {
      name: 'another probe',
      before: { check: buildCheck() },
      after: { check: buildCheck({ probe: { kind: 'http', path: '/', status: [200] } }) },
    },
    { name: 'a check where there was none', before: {}, after: { check: buildCheck() } },
  ])('$name takes no serving server out while its first result is awaited', async ({ before, after }) => {
    await using world = await openWorld()
    await put(world, buildWanted(before))
    await world.timing.advance(0)
    world.silent.add(1001).add(1002)
    await put(world, buildWanted(after))
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
    expect(world.events.filter(({ kind }) => kind === 'server.changed')).toEqual(
      'check' in before ? expect.any(Array) : [],
    )
  })

  test('a guest’s server that moved must prove itself before it gets connections', async () => {
    await using world = await openWorld()
    await put(world, buildWanted({ servers: [guestServer(1001), buildServer(1002)], check: buildCheck() }))
    await world.timing.advance(0)
    world.silent.add(1009)
    const reach = [
      { protocol: 'udp' as const, guestPort: 80, address: '127.0.0.1', port: 7 },
      { protocol: 'tcp' as const, guestPort: 80, address: '127.0.0.1', port: 1009 },
    ]
    await world.director.moveGuest('web-1', reach, within())
    expect(await weights(world)).toEqual({ 8080: { 1002: 1, 1009: 0 } })
    world.silent.clear()
    await world.timing.advance(3000)
    expect(await weights(world)).toEqual({ 8080: { 1002: 1, 1009: 1 } })
  })

  test('a server behind forwarded ports is checked where it says, also after it has moved', async () => {
    await using world = await openWorld()
    world.sick.add(1001).add(1009)
    const server = guestServer(1001, { checkPort: 2001 })
    await put(world, buildWanted({ servers: [server], check: buildCheck({ port: 8080 }) }))
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1 } })
    const reach = [
      { guestPort: 80, address: '127.0.0.1', port: 1009 },
      { guestPort: 8080, address: '127.0.0.1', port: 2009 },
    ]
    world.sick.add(2009)
    await world.director.moveGuest('web-1', reach, within())
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1009: 0 } })
    const { clusters } = await world.director.status(within())
    expect(clusters[0]?.services[0]?.servers[0]).toMatchObject({ port: 1009, checkPort: 2009 })
  })

  test('a guest that takes over another’s endpoint must prove itself there', async () => {
    await using world = await openWorld()
    const other = buildServer(1002, { guest: 'web-2', guestPort: 80 })
    const check = buildCheck()
    await put(world, buildWanted({ servers: [guestServer(1001), other], check }))
    await world.timing.advance(0)
    world.silent.add(1001).add(1002)
    await put(world, buildWanted({ servers: [guestServer(1002), { ...other, port: 1001 }], check }))
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0 } })
  })

  test('a sick guest that was started again at the same place needs one success only', async () => {
    await using world = await openWorld()
    world.sick.add(1001)
    await put(world, buildWanted({ servers: [guestServer(1001)], check: buildCheck({ rise: 5 }) }))
    await world.timing.advance(0)
    world.sick.clear()
    await world.director.moveGuest('web-1', [{ guestPort: 80, address: '127.0.0.1', port: 1001 }], within())
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1 } })
  })

  test('a server that had weight 0 and is to serve again must prove itself', async () => {
    await using world = await openWorld()
    const check = buildCheck()
    await put(world, buildWanted({ servers: [guestServer(1001)], check }))
    await world.timing.advance(0)
    await put(world, buildWanted({ servers: [guestServer(1001, { weight: 0 })], check }))
    world.silent.add(1001)
    await put(world, buildWanted({ servers: [guestServer(1001)], check }))
    expect(await weights(world)).toEqual({ 8080: { 1001: 0 } })
    expect((await world.director.status(within())).services[0]?.servers[0]?.health).toBe('unknown')
  })

  test('who serves, why weights change and when checks change their mind is told, once each', async () => {
    await using world = await openWorld()
    const fallback = { address: '127.0.0.1', port: 9 }
    await put(world, buildWanted({ servers: [guestServer(1001)], check: buildCheck({ fall: 2 }), fallback }))
    await world.timing.advance(5000)
    world.events.length = 0
    world.sick.add(1001)
    await world.timing.advance(60_000)
    const server = '127.0.0.1:1001'
    expect(world.events).toEqual([
      {
        kind: 'server.health',
        service: 'www',
        server,
        guest: 'web-1',
        from: 'healthy',
        to: 'unhealthy',
        reason: 'probe of 1001',
        after: expect.any(Number) as number,
      },
      {
        kind: 'server.added',
        service: 'www',
        server: '127.0.0.1:9',
        from: undefined,
        to: 1,
        reason: 'no server is usable',
      },
      { kind: 'server.changed', service: 'www', server, from: 1, to: 0, reason: 'its check fails' },
      { kind: 'service.state', service: 'www', from: 'served', to: 'fallback' },
    ])
  })
})

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
    await put(world, buildWanted({ check: buildCheck() }))
    await world.director[Symbol.asyncDispose]()
    expect(world.timing.pending()).toBe(0)
  })
})

describe('drains', () => {
  test('a drain of an endpoint goes where its guest goes', async () => {
    await using world = await openWorld()
    await put(world, buildWanted({ servers: [guestServer(1001), buildServer(1002)] }))
    await world.director.drain({ endpoint: { address: '127.0.0.1', port: 1001 } }, within())
    await world.director.moveGuest('web-1', [{ guestPort: 80, address: '127.0.0.1', port: 1009 }], within())
    expect(await weights(world)).toEqual({ 8080: { 1002: 1, 1009: 0 } })
    await put(world, buildWanted({ servers: [guestServer(1010), buildServer(1002)] }))
    expect(await weights(world)).toEqual({ 8080: { 1002: 1, 1010: 0 } })
  })

  test('a drain waits for servers that come later', async () => {
    await using world = await openWorld()
    expect(await world.director.drain({ guest: 'web-1' }, within())).toBe(0)
    await put(world, buildWanted({ servers: [guestServer(1001)] }))
    expect(await weights(world)).toEqual({ 8080: { 1001: 0 } })
  })

  test('a removed cluster takes the drains of its servers along, and only those', async () => {
    await using world = await openWorld()
    await put(world, named('www', 80, { servers: [guestServer(1001)] }))
    await world.director.putCluster({ cluster: 'other', services: [named('api', 81)] }, within())
    for (const target of [{ guest: 'web-1' }, { guest: 'later' }, { endpoint: { address: '127.0.0.1', port: 1001 } }])
      await world.director.drain(target, within())
    await world.director.removeCluster('shop', within())
    expect(world.saved().drains).toEqual([{ guest: 'later' }, { endpoint: { address: '127.0.0.1', port: 1001 } }])
    await world.director.removeCluster('other', within())
    expect(world.saved().drains).toEqual([])
  })
})
