import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { guestServer, named, openDirectorWorld as openWorld, put, weights, within } from '../../test/build/director.ts'
import { buildCheck, buildServer, buildWanted } from '../../test/build/services.ts'
import { fakeEngine } from '../engines/fake/fake.ts'
import type { WantedService } from './control.ts'

describe('director and health', () => {
  test('a server gets connections with its first success', async () => {
    await using world = await openWorld()
    world.silent.add(1002)
    await put(world, buildWanted({ checks: [buildCheck()] }))
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 0 } })
  })

  test('a server goes after `fall` failures and comes back after `rise` successes, at the intervals of its check', async () => {
    await using world = await openWorld()
    await put(world, buildWanted({ checks: [buildCheck({ everyMs: 1000, rise: 2, fall: 3 })] }))
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

  test('all checks of a server must pass', async () => {
    await using world = await openWorld()
    const checks = [buildCheck(), buildCheck({ port: 2001 })]
    world.silent.add(2001)
    await put(world, buildWanted({ servers: [guestServer(1001)], checks }))
    await world.timing.advance(0)
    const health = async () => (await world.director.status(within())).services[0]?.servers[0]
    expect(await health()).toMatchObject({ weight: 0, health: 'unknown', detail: 'not probed yet' })
    world.silent.clear()
    await world.timing.advance(5000)
    expect(await health()).toMatchObject({ weight: 1, health: 'healthy' })
    world.events.length = 0
    world.sick.add(2001)
    await world.timing.advance(5000)
    expect(await health()).toMatchObject({ weight: 0, health: 'unhealthy', detail: 'probe of 2001' })
    world.sick.add(1001)
    await world.timing.advance(5000)
    world.sick.clear()
    await world.timing.advance(5000)
    expect(await health()).toMatchObject({ weight: 1, health: 'healthy' })
    // The second failure says nothing new of the server, nor does the first recovery.
    expect(world.events.filter(({ kind }) => kind === 'server.health')).toMatchObject([
      { from: 'healthy', to: 'unhealthy', reason: 'probe of 2001' },
      { from: 'unhealthy', to: 'healthy' },
    ])
  })

  test('a server has checks of its own, or none, whatever its service has', async () => {
    await using world = await openWorld()
    const servers = [
      buildServer(1001, { checks: [buildCheck({ port: 2001 })] }),
      buildServer(1002, { checks: [] }),
      buildServer(1003),
    ]
    for (const port of [1001, 1002, 1003]) world.sick.add(port)
    await put(world, buildWanted({ servers, checks: [buildCheck()] }))
    await world.timing.advance(10_000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1, 1003: 0 } })
    expect((await world.director.status(within())).services[0]?.servers.map(({ health }) => health)).toEqual([
      'healthy',
      'unchecked',
      'unhealthy',
    ])
  })

  test('a check with an address of its own is made there', async () => {
    await using world = await openWorld()
    const checks = [buildCheck({ address: '127.0.0.7', port: 7 })]
    world.sick.add(7)
    await put(
      world,
      buildWanted({ servers: [buildServer(1001, { guest: 'web-1', guestPort: 80, checkPorts: { 7: 8 } })], checks }),
    )
    await world.timing.advance(10_000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0 } })
  })

  test('a probe that never answers counts as failed at its timeout', async () => {
    await using world = await openWorld()
    world.silent.add(1001)
    await put(world, buildWanted({ checks: [buildCheck({ timeoutMs: 500 })] }))
    await world.timing.advance(501)
    const [service] = (await world.director.status(within())).services
    expect(service?.servers[0]).toMatchObject({ health: 'unhealthy', detail: 'no result within 500 ms' })
  })

  test.each<{ name: string; before: Partial<WantedService>; after: Partial<WantedService> }>([
    {
      name: 'another interval',
      before: { checks: [buildCheck()] },
      after: { checks: [buildCheck({ everyMs: 9000 })] },
    },
    {
      name: 'another probe',
      before: { checks: [buildCheck()] },
      after: { checks: [buildCheck({ probe: { kind: 'http', path: '/', status: [200] } })] },
    },
    { name: 'a check where there was none', before: {}, after: { checks: [buildCheck()] } },
  ])('$name takes no serving server out while its first result is awaited', async ({ before, after }) => {
    await using world = await openWorld()
    await put(world, buildWanted(before))
    await world.timing.advance(0)
    world.silent.add(1001).add(1002)
    await put(world, buildWanted(after))
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
    expect(world.events.filter(({ kind }) => kind === 'server.changed')).toEqual(
      'checks' in before ? expect.any(Array) : [],
    )
  })

  test('a guest’s server that moved must prove itself before it gets connections', async () => {
    await using world = await openWorld()
    await put(world, buildWanted({ servers: [guestServer(1001), buildServer(1002)], checks: [buildCheck()] }))
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
    const server = guestServer(1001, { checkPorts: { 8080: 2001 } })
    await put(world, buildWanted({ servers: [server], checks: [buildCheck({ port: 8080 })] }))
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
    expect(clusters[0]?.services[0]?.servers[0]).toMatchObject({ port: 1009, checkPorts: { 8080: 2009 } })
  })

  test('a guest that takes over another’s endpoint must prove itself there', async () => {
    await using world = await openWorld()
    const other = buildServer(1002, { guest: 'web-2', guestPort: 80 })
    const checks = [buildCheck()]
    await put(world, buildWanted({ servers: [guestServer(1001), other], checks }))
    await world.timing.advance(0)
    world.silent.add(1001).add(1002)
    await put(world, buildWanted({ servers: [guestServer(1002), { ...other, port: 1001 }], checks }))
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0 } })
  })

  test('a sick guest that was started again at the same place needs one success only', async () => {
    await using world = await openWorld()
    world.sick.add(1001)
    await put(world, buildWanted({ servers: [guestServer(1001)], checks: [buildCheck({ rise: 5 })] }))
    await world.timing.advance(0)
    world.sick.clear()
    await world.director.moveGuest('web-1', [{ guestPort: 80, address: '127.0.0.1', port: 1001 }], within())
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1 } })
  })

  test('a server that had weight 0 and is to serve again must prove itself', async () => {
    await using world = await openWorld()
    const checks = [buildCheck()]
    await put(world, buildWanted({ servers: [guestServer(1001)], checks }))
    await world.timing.advance(0)
    await put(world, buildWanted({ servers: [guestServer(1001, { weight: 0 })], checks }))
    world.silent.add(1001)
    await put(world, buildWanted({ servers: [guestServer(1001)], checks }))
    expect(await weights(world)).toEqual({ 8080: { 1001: 0 } })
    expect((await world.director.status(within())).services[0]?.servers[0]?.health).toBe('unknown')
  })

  test('who serves, why weights change and when checks change their mind is told, once each', async () => {
    await using world = await openWorld()
    const fallback = { address: '127.0.0.1', port: 9 }
    await put(world, buildWanted({ servers: [guestServer(1001)], checks: [buildCheck({ fall: 2 })], fallback }))
    await world.timing.advance(5000)
    world.events.length = 0
    world.sick.add(1001)
    await world.timing.advance(60_000)
    const server = '127.0.0.1:1001'
    expect(world.events).toEqual([
      {
        kind: 'server.wavered',
        cluster: 'shop',
        service: 'www',
        server,
        guest: 'web-1',
        health: 'healthy',
        count: 1,
        needed: 2,
        reason: 'probe of 1001',
      },
      {
        kind: 'server.health',
        cluster: 'shop',
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
        cluster: 'shop',
        service: 'www',
        server: '127.0.0.1:9',
        from: undefined,
        to: 1,
        reason: 'no server is usable',
      },
      { kind: 'server.changed', cluster: 'shop', service: 'www', server, from: 1, to: 0, reason: 'its check fails' },
      { kind: 'service.state', cluster: 'shop', service: 'www', from: 'served', to: 'fallback' },
    ])
  })
})

describe('results of checks', () => {
  test('are told to who asks for them, and to nobody else', async () => {
    await using world = await openWorld()
    const enough = new AbortController()
    const heard: unknown[] = []
    const listening = (async () => {
      for await (const { event } of world.director.events({ results: true, signal: enough.signal }))
        if (event.kind === 'check.result') heard.push(event)
    })()
    await put(world, buildWanted({ servers: [guestServer(1001)], checks: [buildCheck()] }))
    await world.timing.advance(0)
    expect(heard).toEqual([
      {
        kind: 'check.result',
        cluster: 'shop',
        service: 'www',
        server: '127.0.0.1:1001',
        guest: 'web-1',
        healthy: true,
        detail: 'probe of 1001',
        tookMs: 0,
      },
    ])
    enough.abort()
    await listening
    await world.timing.advance(60_000)
    expect(heard).toHaveLength(1)
    expect(world.events.filter(({ kind }) => kind === 'check.result')).toEqual([])
  })
})

describe('sinks', () => {
  test('hear of their cluster from the first change to the last, and of what was refused', async () => {
    const told: string[] = []
    await using world = await openWorld(undefined, {
      deliver: async (_sink, { event }) => {
        told.push(event.kind)
        return { kind: 'delivered' }
      },
    })
    const notify = [{ kind: 'webhook' as const, url: 'https://hooks.example.org/' }]
    const services = [buildWanted({ servers: [guestServer(1001)] })]
    await world.director.putCluster({ cluster: 'shop', services, notify }, within())
    await world.director.putCluster({ cluster: 'other', services: [named('api', 81)] }, within())
    await world.director.drain({ guest: 'web-1' }, within())
    world.taken.add('tcp 127.0.0.1:82')
    const refused = world.director.putCluster({ cluster: 'shop', services: [named('b', 82)] }, within())
    await expect(refused).rejects.toMatchObject({ code: 'busy' })
    await world.director.removeCluster('shop', within())
    await world.timing.advance(0)
    expect(told.slice(0, 4)).toEqual(['service.added', 'server.added', 'service.state', 'cluster.put'])
    expect(told).toContain('server.drained')
    expect(told.filter((kind) => kind.startsWith('cluster'))).toEqual([
      'cluster.put',
      'cluster.refused',
      'cluster.removed',
    ])
    expect(told.at(-1)).toBe('cluster.removed')
    await put(world, named('www', 80))
    await world.timing.advance(0)
    expect(told.at(-1)).toBe('cluster.removed')
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

describe('changes', () => {
  test('a cluster that is put goes on, and is told of, when nobody waits for it any more', async () => {
    const engine = fakeEngine()
    const read: typeof engine.read = async (options) => {
      await turn()
      return engine.read(options)
    }
    await using world = await openWorld(undefined, { engine: { ...engine, read } })
    const patience = new AbortController()
    const asked = world.director.putCluster({ cluster: 'shop', services: [buildWanted()] }, { signal: patience.signal })
    while (world.saves.length === 0) await Promise.resolve()
    patience.abort()
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' })
    await world.timing.advance(0)
    expect(world.events.map(({ kind }) => kind)).toContain('cluster.put')
  })
})
