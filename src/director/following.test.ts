import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { guestServer, openDirectorWorld, within } from '../../test/build/director.ts'
import { buildCheck, buildServer, buildWanted } from '../../test/build/services.ts'
import { InfraError } from '../errors.ts'
import { fakeTiming } from '../health/fake-timing.ts'
import type { ClusterServices } from './control.ts'
import { type GuestPlace, nextAddress, openFollowing } from './following.ts'

const shop: ClusterServices = {
  cluster: 'shop',
  services: [
    buildWanted({
      servers: [guestServer(80, { address: '10.0.0.5' }), buildServer(1002)],
      checks: [buildCheck({ everyMs: 1000, timeoutMs: 500, rise: 1, fall: 1 })],
    }),
  ],
}

describe('where a guest is followed to', () => {
  test.each<[current: string, known: string[], isSick: boolean, next: string | undefined]>([
    ['10.0.0.5', ['10.0.0.5'], false, undefined],
    ['10.0.0.5', ['10.0.0.9'], false, '10.0.0.9'],
    ['10.0.0.5', ['10.0.0.9', '10.0.0.5'], false, undefined],
    ['10.0.0.5', ['10.0.0.9', '10.0.0.5'], true, '10.0.0.9'],
    ['10.0.0.5', ['10.0.0.5'], true, undefined],
    ['10.0.0.5', [], true, undefined],
    ['10.0.0.5', ['2001:db8::5'], true, undefined],
    ['2001:db8::5', ['10.0.0.9', '2001:db8::9'], false, '2001:db8::9'],
  ])('%s of %j, sick: %s', (current, known, isSick, next) => {
    expect(nextAddress(current, known, isSick)).toBe(next)
  })

  test('it is another one that somebody knows, and a healthy one is left only when nobody knows it any more', () => {
    const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', '2001:db8::1')
    fc.assert(
      fc.property(address, fc.uniqueArray(address), fc.boolean(), (current, known, isSick) => {
        const next = nextAddress(current, known, isSick)
        if (next === undefined) return
        expect(known).toContain(next)
        expect(next).not.toBe(current)
        if (!isSick) expect(known).not.toContain(current)
      }),
    )
  })
})

describe('a director that follows', () => {
  const servers = async ({ director }: Awaited<ReturnType<typeof openDirectorWorld>>) => {
    const { services } = await director.status(within())
    return services[0]?.servers.map(({ address, guest, weight }) => [address, guest, weight])
  }

  test('sends a guest’s connections where it is now, once it is healthy there', async () => {
    let places: GuestPlace[] = [{ cluster: 'shop', guest: 'web-1', addresses: ['10.0.0.5'] }]
    await using world = await openDirectorWorld(undefined, { findGuests: async () => places })
    await world.director.putCluster(shop, within())
    await world.timing.advance(5000)
    const before = await servers(world)
    expect(before).toEqual([
      ['10.0.0.5', 'web-1', 1],
      ['127.0.0.1', undefined, 1],
    ])
    places = [{ cluster: 'shop', guest: 'web-1', addresses: ['10.0.0.9'] }]
    world.silent.add(80)
    await world.timing.advance(3000)
    expect((await servers(world))?.[0]).toEqual(['10.0.0.9', 'web-1', 0])
    world.silent.delete(80)
    await world.timing.advance(6000)
    expect(await servers(world)).toEqual([
      ['10.0.0.9', 'web-1', 1],
      ['127.0.0.1', undefined, 1],
    ])
    expect(world.events.filter(({ kind }) => kind === 'guest.moved')).toEqual([
      { kind: 'guest.moved', guest: 'web-1', servers: 1 },
    ])
  })

  test('leaves guests of other clusters and other machines alone, and says what it cannot ask', async () => {
    let isWell = true
    const other: GuestPlace = { cluster: 'other', guest: 'web-1', addresses: ['10.0.0.9'] }
    await using world = await openDirectorWorld(undefined, {
      findGuests: async () => {
        if (isWell) return [other]
        throw new InfraError('unreachable', 'libvirt does not answer', { subject: 'libvirt' })
      },
    })
    await world.director.putCluster(shop, within())
    await world.timing.advance(10_000)
    expect((await servers(world))?.[0]?.[0]).toBe('10.0.0.5')
    isWell = false
    await world.timing.advance(5000)
    const { problems } = await world.director.status(within())
    expect(problems).toContain('addresses of guests are not followed: libvirt does not answer')
  })
})

describe('the address that a guest has left', () => {
  const former = buildServer(80, { address: '10.0.0.5', weight: 0, checks: [], formerly: 'web-1' })
  const [service] = shop.services
  const clusters = [{ ...shop, services: service === undefined ? [] : [{ ...service, servers: [former] }] }]

  test.each([
    { name: 'goes with its last connection', connections: [2, 1, 0], drainMs: 60_000, rounds: 3 },
    { name: 'goes when the time of its pool is over', connections: [2, 2, 2, 2, 2, 2], drainMs: 9_000, rounds: 4 },
  ])('$name', async ({ connections, drainMs, rounds }) => {
    const timing = fakeTiming()
    const left = [...connections]
    let asked = 0
    let over = 0
    const guests = [{ pool: 'web', guests: ['web-1'], drainMs }]
    await using _following = openFollowing({
      timing,
      find: async () => [],
      clusters: () => (over > 0 ? [] : clusters.map((cluster) => ({ ...cluster, guests }))),
      look: () => ({ health: 'unchecked' }) as never,
      connections: async () => {
        asked += 1
        return left.shift() ?? 0
      },
      onMoved: async () => {},
      onOver: async (isOver) => {
        if (service !== undefined && isOver(former, service)) over = Math.max(over, asked)
      },
    })
    for (let round = 0; round < 8; round += 1) await timing.advance(3000)
    expect(over).toBeGreaterThanOrEqual(rounds - 1)
    expect(over).toBeLessThanOrEqual(rounds)
  })
})
