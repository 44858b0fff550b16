import { describe, expect, test } from 'vitest'
import { guestServer, named, openDirectorWorld as openWorld, put, weights, within } from '../../test/build/director.ts'
import { buildCheck, buildServer, buildWanted } from '../../test/build/services.ts'
import type { WantedService } from './control.ts'

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
