import { describe, expect, test } from 'vitest'
import { guestServer, openDirectorWorld as openWorld, weights, within } from '../../../test/build/director.ts'
import { buildCheck, buildServer, buildWanted } from '../../../test/build/services.ts'
import { InfraError } from '../../errors.ts'
import type { ClusterServices } from '../control.ts'
import type { RestartGuest } from './restarts.ts'

const shop: ClusterServices = {
  cluster: 'shop',
  services: [
    buildWanted({
      servers: [guestServer(1001), buildServer(1002)],
      checks: [buildCheck({ everyMs: 1000, timeoutMs: 500, rise: 1, fall: 1 })],
    }),
  ],
  guests: [
    {
      pool: 'web',
      guests: ['web-1'],
      restart: { afterMs: 10_000, backOffMs: 60_000, limit: 2, withinMs: 3_600_000 },
    },
  ],
}

async function openShop(restartGuest: RestartGuest, services = shop) {
  const world = await openWorld(undefined, { restartGuest })
  await world.director.putCluster(services, within())
  await world.timing.advance(3000)
  return world
}
const problems = async ({ director }: Awaited<ReturnType<typeof openShop>>) =>
  (await director.status(within())).problems
const told = ({ events }: Awaited<ReturnType<typeof openShop>>) =>
  events.flatMap((event) => (event.kind.startsWith('guest.') ? [event] : []))

describe('a guest whose checks fail', () => {
  test('is restarted after the time of its pool, served where it is then, and only once it is healthy', async () => {
    const asked: string[] = []
    await using world = await openShop(async (guest, cluster) => {
      asked.push(`${cluster}/${guest}`)
      return { kind: 'restarted', reach: [{ guestPort: 80, address: '127.0.0.1', port: 1009 }] }
    })
    world.sick.add(1001)
    world.silent.add(1009)
    await world.timing.advance(5000)
    expect(await problems(world)).toEqual([
      expect.stringMatching(/^web-1: its checks fail; it is restarted \(1 of 2\) in \ds$/),
    ])
    expect(asked).toEqual([])
    await world.timing.advance(8000)
    expect(asked).toEqual(['shop/web-1'])
    expect(await weights(world)).toEqual({ 8080: { 1009: 0, 1002: 1 } })
    expect(told(world)).toMatchObject([
      { kind: 'guest.restarting', cluster: 'shop', guest: 'web-1', attempt: 1, limit: 2 },
      { kind: 'guest.restarted', cluster: 'shop', guest: 'web-1' },
    ])
    world.silent.delete(1009)
    await world.timing.advance(2000)
    expect(await weights(world)).toEqual({ 8080: { 1009: 1, 1002: 1 } })
    expect(await problems(world)).toEqual([])
  })

  test('is left to people when that does not help, and a person’s start begins anew', async () => {
    let asked = 0
    await using world = await openShop(async () => {
      asked += 1
      if (asked === 1) throw new InfraError('failed', 'QEMU does not start', { subject: 'web-1' })
      return { kind: 'restarted', reach: [] }
    })
    world.sick.add(1001)
    await world.timing.advance(30_000)
    expect(asked).toBe(1)
    for (let minute = 0; minute < 10; minute += 1) await world.timing.advance(60_000)
    expect(asked).toBe(2)
    expect(told(world).map(({ kind }) => kind)).toEqual([
      'guest.restarting',
      'guest.failed',
      'guest.restarting',
      'guest.restarted',
      'guest.left',
    ])
    expect(await problems(world)).toEqual(['web-1 is left to people: its checks fail, and 2 restarts did not help'])
    await world.director.moveGuest('web-1', [], within())
    expect(await problems(world)).toEqual([expect.stringContaining('it is restarted (1 of 2)')])
    await world.timing.advance(15_000)
    expect(asked).toBe(3)
  })

  test.each<{ name: string; drained: boolean; services: ClusterServices }>([
    { name: 'it is drained', drained: true, services: shop },
    {
      name: 'nobody has asked for it',
      drained: false,
      services: { ...shop, guests: [{ pool: 'web', guests: ['web-1'] }] },
    },
  ])('is not restarted when $name', async ({ drained, services }) => {
    let asked = 0
    await using world = await openShop(async () => {
      asked += 1
      return { kind: 'restarted', reach: [] }
    }, services)
    if (drained) await world.director.drain({ guest: 'web-1' }, within())
    world.sick.add(1001)
    await world.timing.advance(60_000)
    expect(asked).toBe(0)
  })
})
