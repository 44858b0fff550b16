import { describe, expect, test } from 'vitest'
import {
  type DirectorWorld,
  guestServer,
  named,
  openDirectorWorld as openWorld,
  put,
  weights,
  within,
} from '../../test/build/director.ts'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import type { ProbeReport } from '../health/check.ts'
import type { ServerStatus, WantedService } from './control.ts'
import { emptyIntent } from './intent.ts'

const checks = [buildCheck({ rise: 1, fall: 1 })]
const servers = [buildServer(1001, { weight: 10 }), buildServer(1002, { weight: 10 })]

async function statusOf({ director }: DirectorWorld, service = 0, server = 0): Promise<ServerStatus | undefined> {
  return (await director.status(within())).services[service]?.servers[server]
}
const stateOf = async ({ director }: DirectorWorld) => (await director.status(within())).services[0]?.state
const told = ({ events }: DirectorWorld, kind: string) => events.filter((event) => event.kind === kind)

describe('what servers say of themselves', () => {
  test.each<{ name: string; report: ProbeReport; weight: number; reason: string }>([
    { name: 'half', report: { weight: { percent: 50 } }, weight: 5, reason: 'its agent says 50%' },
    { name: 'hardly any', report: { weight: { percent: 1 } }, weight: 1, reason: 'its agent says 1%' },
    { name: 'nothing', report: { weight: { percent: 0 } }, weight: 0, reason: 'its agent says 0%' },
    { name: 'more', report: { weight: { percent: 250 } }, weight: 25, reason: 'its agent says 250%' },
    { name: 'a weight', report: { weight: { absolute: 3 } }, weight: 3, reason: 'its check says 3' },
    { name: 'drain', report: { wish: 'drain', weight: { percent: 50 } }, weight: 0, reason: 'its agent says drain' },
    { name: 'ready', report: { wish: 'ready' }, weight: 10, reason: 'its check passes' },
  ])('$name is heeded', async ({ report, weight, reason }) => {
    await using world = await openWorld()
    await put(world, buildWanted({ servers, checks }))
    await world.timing.advance(0)
    world.reports.set(1001, report)
    await world.timing.advance(1100)
    expect(await weights(world)).toEqual({ 8080: { 1001: weight, 1002: 10 } })
    expect(await statusOf(world)).toMatchObject({ wantedWeight: 10, weight, health: 'healthy', reason })
    if (weight !== 10) expect(told(world, 'server.changed').at(-1)).toMatchObject({ to: weight, reason })
    world.reports.set(1001, { wish: 'ready', weight: { percent: 100 } })
    await world.timing.advance(1100)
    expect(await weights(world)).toEqual({ 8080: { 1001: 10, 1002: 10 } })
  })

  test('maint takes a server out as a failure would, and is told', async () => {
    await using world = await openWorld()
    await put(world, buildWanted({ servers, checks, onFailure: 'remove' }))
    await world.timing.advance(0)
    world.events.length = 0
    world.reports.set(1001, { wish: 'maint' })
    await world.timing.advance(1100)
    expect(await weights(world)).toEqual({ 8080: { 1002: 10 } })
    expect(await statusOf(world)).toMatchObject({ health: 'maintenance', reason: 'its agent says maint' })
    world.reports.set(1001, { wish: 'ready' })
    await world.timing.advance(1100)
    expect(await weights(world)).toEqual({ 8080: { 1001: 10, 1002: 10 } })
    expect(told(world, 'server.health')).toMatchObject([
      { from: 'healthy', to: 'maintenance', reason: 'its agent says maint' },
      { from: 'maintenance', to: 'healthy', reason: 'maintenance is over' },
    ])
  })

  test('its limit of connections holds where it is the smaller one', async () => {
    await using world = await openWorld()
    const limited = [buildServer(1001, { upperThreshold: 20, lowerThreshold: 15 }), buildServer(1002)]
    world.reports.set(1001, { maximumConnections: 10 }).set(1002, { maximumConnections: 30 })
    await put(world, buildWanted({ servers: limited, checks }))
    await world.timing.advance(0)
    const [standing] = await world.engine.read(within())
    const limits = standing?.servers.map(({ server }) => [server.port, server.upperThreshold, server.lowerThreshold])
    expect(new Set(limits)).toEqual(
      new Set([
        [1001, 10, 10],
        [1002, 30, 0],
      ]),
    )
    world.reports.set(1001, { maximumConnections: 99 })
    await world.timing.advance(1100)
    const [again] = await world.engine.read(within())
    const own = again?.servers.find(({ server }) => server.port === 1001)?.server
    expect(own).toMatchObject({ upperThreshold: 20, lowerThreshold: 15 })
  })

  test('of several checks the smallest weight counts', async () => {
    await using world = await openWorld()
    const two = [...checks, buildCheck({ port: 2001, rise: 1, fall: 1 }), buildCheck({ port: 2002, rise: 1, fall: 1 })]
    world.reports.set(2001, { weight: { percent: 70 } }).set(2002, { weight: { percent: 30 } })
    await put(world, buildWanted({ servers: [buildServer(1001, { weight: 10 })], checks: two }))
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 3 } })
    expect((await statusOf(world))?.checks).toEqual([
      { kind: 'tcp', address: '127.0.0.1', port: 1001, health: 'healthy', detail: 'probe of 1001' },
      { kind: 'tcp', address: '127.0.0.1', port: 2001, health: 'healthy', detail: 'probe of 2001' },
      { kind: 'tcp', address: '127.0.0.1', port: 2002, health: 'healthy', detail: 'probe of 2002' },
    ])
  })
})

describe('maintenance', () => {
  const maintenance = '/maint'
  const cluster = (wanted: WantedService) => ({ cluster: 'shop', services: [wanted], maintenance })

  test('a file takes a server out within a second, checked or not, and its end gives it back', async () => {
    await using world = await openWorld(emptyIntent, { files: new Map([[maintenance, []]]) })
    await world.director.putCluster(cluster(buildWanted({ servers, checks })), within())
    await world.director.putCluster(
      { cluster: 'bare', services: [named('bare', 81, { onFailure: 'remove', servers })], maintenance },
      within(),
    )
    await world.timing.advance(0)
    world.events.length = 0
    world.files.set(maintenance, ['127.0.0.1:1001'])
    await world.timing.advance(1000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 10 }, 81: { 1002: 10 } })
    expect(await statusOf(world)).toMatchObject({
      health: 'maintenance',
      reason: 'in maintenance',
      detail: 'in maintenance',
    })
    world.files.set(maintenance, [])
    await world.timing.advance(1000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 10, 1002: 10 }, 81: { 1001: 10, 1002: 10 } })
    await world.timing.advance(1000)
    expect(told(world, 'server.health')).toMatchObject([
      { service: 'www', from: 'healthy', to: 'maintenance' },
      { service: 'bare', from: 'unchecked', to: 'maintenance', reason: 'in maintenance' },
      { service: 'www', from: 'maintenance', to: 'unknown', reason: 'maintenance is over' },
      { service: 'bare', from: 'maintenance', to: 'unchecked' },
      { service: 'www', from: 'unknown', to: 'healthy' },
    ])
  })

  test('one cluster’s files are nothing to another’s services, though they share the server', async () => {
    await using world = await openWorld(emptyIntent, { files: new Map([[maintenance, ['127.0.0.1']]]) })
    await world.director.putCluster(cluster(buildWanted({ servers, checks })), within())
    await world.director.putCluster({ cluster: 'other', services: [named('other', 81, { servers, checks })] }, within())
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0 }, 81: { 1001: 10, 1002: 10 } })
    world.events.length = 0
    world.sick.add(1001)
    await world.timing.advance(1500)
    // What is probed for the other is no news of a server that is out anyway.
    expect(told(world, 'server.health')).toMatchObject([{ cluster: 'other', from: 'healthy', to: 'unhealthy' }])
  })

  test('a director that begins does not give it connections for a moment', async () => {
    const intent = { ...emptyIntent, clusters: [cluster(buildWanted({ servers }))] }
    const files = new Map([[maintenance, ['web-7']]])
    const names = new Map([['127.0.0.1', ['web-7.shop.example']]])
    await using world = await openWorld(intent, { files, names })
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0 } })
    expect(told(world, 'server.added')).toMatchObject([{ to: 0 }, { to: 0 }])
  })

  test('names are looked up anew after a while', async () => {
    await using world = await openWorld(emptyIntent, { files: new Map([[maintenance, ['web-7:1001']]]) })
    await world.director.putCluster(cluster(buildWanted({ servers })), within())
    expect(await weights(world)).toEqual({ 8080: { 1001: 10, 1002: 10 } })
    world.names.set('127.0.0.1', ['web-7'])
    await world.timing.advance(62_000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 10 } })
  })

  test('a directory that is not there is a problem, said once, and nobody is in maintenance', async () => {
    await using world = await openWorld()
    await world.director.putCluster(cluster(buildWanted({ servers })), within())
    await world.timing.advance(10_000)
    expect(await weights(world)).toEqual({ 8080: { 1001: 10, 1002: 10 } })
    expect(told(world, 'maintenance.trouble')).toMatchObject([
      { cluster: 'shop', reason: expect.stringContaining(maintenance) as string },
    ])
    expect((await world.director.status(within())).problems).toEqual([expect.stringContaining('ENOENT')])
    world.files.set(maintenance, ['127.0.0.1'])
    await world.timing.advance(1000)
    expect((await world.director.status(within())).problems).toEqual([])
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0 } })
  })

  test('it ends with its cluster, and leaves nothing behind', async () => {
    const world = await openWorld(emptyIntent, { files: new Map([[maintenance, ['127.0.0.1']]]) })
    await world.director.putCluster(cluster(buildWanted({ servers })), within())
    await world.director.putCluster({ cluster: 'shop', services: [buildWanted({ servers })] }, within())
    expect(await weights(world)).toEqual({ 8080: { 1001: 10, 1002: 10 } })
    await world[Symbol.asyncDispose]()
    expect(world.timing.pending()).toBe(0)
  })
})

describe('slow start', () => {
  test('a server that comes back gets its weight step by step, and nothing is left of it', async () => {
    const world = await openWorld()
    const two = [buildServer(1001), buildServer(1002)]
    await put(world, buildWanted({ servers: two, checks, slowStartMs: 20_000 }))
    await world.timing.advance(0)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
    world.sick.add(1001)
    await world.timing.advance(1500)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 1 } })
    world.sick.clear()
    const seen: number[] = []
    for (let count = 0; count < 240; count += 1) {
      await world.timing.advance(100)
      const own = (await weights(world))[8080]
      if (own?.[1002] === 20) seen.push(own[1001] ?? 0)
    }
    expect([...new Set(seen)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19])
    expect(seen.length).toBeGreaterThanOrEqual(198)
    expect(seen.length).toBeLessThanOrEqual(202)
    expect(await weights(world)).toEqual({ 8080: { 1001: 1, 1002: 1 } })
    await world[Symbol.asyncDispose]()
    expect(world.timing.pending()).toBe(0)
  })
})

describe('panic', () => {
  const four = [1001, 1002, 1003, 1004].map((port) => buildServer(port, { weight: port - 1000 }))
  const wanted = buildWanted({ servers: four, checks, panicPercent: 50, fallback: { address: '127.0.0.9', port: 9 } })
  const all = { 1001: 1, 1002: 2, 1003: 3, 1004: 4 }

  test('with too few usable servers all get connections, before the fallback', async () => {
    await using world = await openWorld()
    await put(world, wanted)
    await world.timing.advance(0)
    world.sick.add(1001).add(1002)
    await world.timing.advance(1500)
    expect(await weights(world)).toEqual({ 8080: { ...all, 1001: 0, 1002: 0 } })
    expect(await stateOf(world)).toBe('served')
    world.sick.add(1003)
    await world.timing.advance(1500)
    expect(await weights(world)).toEqual({ 8080: all })
    expect(await stateOf(world)).toBe('panic')
    expect(await statusOf(world)).toMatchObject({
      health: 'unhealthy',
      reason: 'too few servers are usable: all get connections',
    })
    world.sick.add(1004)
    await world.timing.advance(1500)
    expect(await weights(world)).toEqual({ 8080: all })
    world.sick.clear()
    await world.timing.advance(1500)
    const states = told(world, 'service.state').map((event) => 'to' in event && event.to)
    expect(states.slice(-3)).toEqual(['served', 'panic', 'served'])
  })

  test('nobody panics before he was told anything', async () => {
    await using world = await openWorld()
    for (const { port } of four) world.silent.add(port)
    await put(world, wanted)
    expect(await stateOf(world)).toBe('fallback')
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0, 1003: 0, 1004: 0, 9: 1 } })
  })

  test('what was taken out on purpose neither counts nor gets any', async () => {
    await using world = await openWorld()
    await put(world, wanted)
    for (const port of [1001, 1002]) await world.director.drain({ endpoint: { address: '127.0.0.1', port } }, within())
    world.reports.set(1003, { wish: 'drain' })
    await world.timing.advance(0)
    expect(await stateOf(world)).toBe('served')
    world.sick.add(1004)
    await world.timing.advance(1500)
    expect(await weights(world)).toEqual({ 8080: { 1001: 0, 1002: 0, 1003: 0, 1004: 4 } })
    expect(await stateOf(world)).toBe('panic')
    await world.director.drain({ endpoint: { address: '127.0.0.1', port: 1004 } }, within())
    expect(await stateOf(world)).toBe('fallback')
  })
})

describe('fallback commands', () => {
  const commanded = (changes: Partial<WantedService> = {}): WantedService =>
    buildWanted({ servers: [guestServer(1001)], checks, fallbackCommand: 'page -x', ...changes })

  test('run once for each change, and for the end', async () => {
    const world = await openWorld()
    await put(world, commanded())
    await world.timing.advance(0)
    expect(world.ran).toEqual([])
    world.sick.add(1001)
    await world.timing.advance(10_000)
    expect(world.ran).toEqual(['page -x start 127.0.0.1:8080 tcp'])
    world.sick.clear()
    await world.timing.advance(10_000)
    world.sick.add(1001)
    await world.timing.advance(10_000)
    await world[Symbol.asyncDispose]()
    const [start, stop] = ['page -x start 127.0.0.1:8080 tcp', 'page -x stop 127.0.0.1:8080 tcp']
    expect(world.ran).toEqual([start, stop, start, stop])
    expect(told(world, 'command.ran')).toEqual(
      [start, stop, start, stop].map((command) => ({
        kind: 'command.ran',
        cluster: 'shop',
        service: 'www',
        command,
        failure: undefined,
      })),
    )
    expect(world.timing.pending()).toBe(0)
  })

  test('a removed service, and another command, hear the end of what began', async () => {
    await using world = await openWorld()
    world.sick.add(1001)
    await put(world, commanded())
    await world.timing.advance(0)
    await put(world, commanded({ fallbackCommand: 'other' }))
    await world.director.removeCluster('shop', within())
    await world.timing.advance(0)
    expect(world.ran).toEqual([
      'page -x start 127.0.0.1:8080 tcp',
      'page -x stop 127.0.0.1:8080 tcp',
      'other start 127.0.0.1:8080 tcp',
      'other stop 127.0.0.1:8080 tcp',
    ])
  })

  test('a slow one holds up nobody, and what has changed back meanwhile is not run', async () => {
    const held: (() => void)[] = []
    await using world = await openWorld(emptyIntent, {
      run: () => new Promise((resolve) => held.push(() => resolve('exit code 3'))),
    })
    world.sick.add(1001)
    await put(world, commanded())
    await world.timing.advance(0)
    for (const isSick of [false, true, false, true]) {
      if (isSick) world.sick.add(1001)
      else world.sick.clear()
      await world.timing.advance(1500)
      expect(await weights(world)).toEqual({ 8080: { 1001: isSick ? 0 : 1 } })
    }
    expect(world.ran).toHaveLength(1)
    held[0]?.()
    await world.timing.advance(0)
    expect(world.ran).toHaveLength(1)
    expect(told(world, 'command.ran')).toMatchObject([{ failure: 'exit code 3' }])
    world.sick.clear()
    await world.timing.advance(1500)
    expect(world.ran).toHaveLength(2)
    held[1]?.()
  })

  test('one that does not end is given up in its time', async () => {
    await using world = await openWorld(emptyIntent, {
      run: (_line, signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve('it was killed'), { once: true })),
    })
    world.sick.add(1001)
    await put(world, commanded())
    await world.timing.advance(29_000)
    expect(told(world, 'command.ran')).toEqual([])
    await world.timing.advance(2000)
    expect(told(world, 'command.ran')).toMatchObject([{ failure: 'it was killed' }])
    world.sick.clear()
    await world.timing.advance(31_500)
  })

  test('after a crash nobody knows what was said: the first word is said in any case', async () => {
    const intent = { ...emptyIntent, clusters: [{ cluster: 'shop', services: [commanded()] }] }
    await using world = await openWorld(intent, { restarts: 1 })
    await world.timing.advance(0)
    expect(world.ran).toEqual(['page -x stop 127.0.0.1:8080 tcp'])
    await put(world, commanded(), named('new', 81, { fallbackCommand: 'new' }))
    await world.timing.advance(5000)
    expect(world.ran).toHaveLength(1)
  })

  test.each([
    { id: { kind: 'fwmark' as const, mark: 5, family: 'ipv4' as const }, args: ':0 fwm' },
    {
      id: { kind: 'address' as const, protocol: 'udp' as const, address: 'fd00::1', port: 53 },
      args: '[fd00::1]:53 udp',
    },
  ])('$args says which service', async ({ id, args }) => {
    await using world = await openWorld()
    world.sick.add(1001)
    await put(world, commanded({ service: buildService({ id }) }))
    await world.timing.advance(0)
    expect(world.ran).toEqual([`page -x start ${args}`])
  })
})
