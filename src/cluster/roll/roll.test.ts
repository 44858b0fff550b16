import { describe, expect, test } from 'vitest'
import { buildSites, type FakeSites } from '../../../test/build/sites.ts'
import { buildPool, buildSpec } from '../../../test/build/spec.ts'
import { isInfraError } from '../../errors.ts'
import { makePlan, run } from '../converge.ts'
import type { ClusterSpec } from '../spec/model.ts'
import type { RollLimits } from './machine.ts'
import { type RollRecord, type RollRecords, rollRecords } from './record.ts'
import { type Rolled, roll } from './roll.ts'
import { startRoll } from './start.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(20_000) })
const images = { other: { kind: 'disk', path: '/other.qcow2' } } as const
const spec = buildSpec({ guests: [buildPool('web', { count: 4 })], images })

async function openPool(wanted: ClusterSpec = spec): Promise<{ sites: FakeSites; records: RollRecords }> {
  const sites = buildSites(wanted)
  const { failed } = await run(await makePlan(wanted, sites.sites, 'up', within()), wanted, sites.sites, 'up', within())
  if (failed[0] !== undefined) throw failed[0].error
  const site = [...sites.sites.values()][0]
  if (site === undefined) throw new Error('there is no site')
  return { sites, records: rollRecords(site.host, wanted.name) }
}

/** `name image state`, and how many of the pool take connections. */
async function guestsOf({ sites }: FakeSites): Promise<string[]> {
  const lists = await Promise.all([...sites.values()].map(({ hypervisor }) => hypervisor.list(within())))
  return lists.flat().map(({ definition: { name, boot }, state }) => `${name} ${boot.kind} ${state}`)
}

async function served({ sites }: FakeSites): Promise<number> {
  const [site] = [...sites.values()]
  const status = await site?.director.control.status(within())
  return status?.services.flatMap(({ servers }) => servers).filter(({ weight = 0 }) => weight > 0).length ?? 0
}

const begin = (limits: RollLimits, guests: readonly string[] = ['web']): RollRecord =>
  startRoll(spec, { guests, image: 'other', limits })
const one: RollLimits = { maxUnavailable: 1, surge: 0 }

async function digests({ sites }: FakeSites): Promise<Record<string, string>> {
  const lists = await Promise.all([...sites.values()].map(({ hypervisor }) => hypervisor.list(within())))
  return Object.fromEntries(lists.flat().map(({ definition: { name, image } }) => [name, image]))
}

async function go(world: { sites: FakeSites; records: RollRecords }, record: RollRecord): Promise<Rolled> {
  return await roll(spec, world.sites.sites, world.records, record, {
    ...within(),
    onEvent: () => {},
    patienceMs: 2000,
  })
}

describe('a roll of a pool', () => {
  test.each<{ name: string; limits: RollLimits; least: number; most: number }>([
    { name: 'one by one', limits: one, least: 3, most: 4 },
    { name: 'two at a time', limits: { maxUnavailable: 2, surge: 0 }, least: 2, most: 4 },
    { name: 'with one more meanwhile', limits: { maxUnavailable: 0, surge: 1 }, least: 4, most: 5 },
  ])('$name: all are new in the end, and enough of them served all the time', async ({ limits, least, most }) => {
    const world = await openPool()
    await using sites = world.sites
    const before = await digests(sites)
    const seen: number[] = []
    const all: number[] = []
    sites.onEffect = async () => {
      seen.push(await served(sites))
      all.push((await guestsOf(sites)).length)
    }
    const { end, errors } = await go(world, begin(limits))
    expect({ end, errors }).toEqual({ end: 'done', errors: [] })
    expect(Math.min(...seen)).toBe(least)
    expect(Math.max(...all)).toBe(most)
    const after = await digests(sites)
    expect(Object.keys(after)).toEqual(Object.keys(before))
    expect(new Set(Object.values(after)).size).toBe(1)
    expect(after['web-1']).not.toBe(before['web-1'])
    expect(await served(sites)).toBe(4)
    expect(await world.records.read(within())).toBeUndefined()
    // With the image in the file nothing is left to do.
    const written = { ...spec, guests: { web: buildPool('web', { count: 4, image: 'other' }) } }
    expect((await makePlan(written, sites.sites, 'up', within())).steps).toEqual([])
  })

  test('that dies at any effect goes on from there, and renews nobody twice who was done', async () => {
    for (let survived = 0; ; survived += 3) {
      const world = await openPool()
      await using sites = world.sites
      let left = survived
      sites.onEffect = () => {
        left -= 1
        if (left < 0) throw new Error('killed')
      }
      const first = await go(world, begin({ maxUnavailable: 0, surge: 1 })).catch((error: unknown) => {
        if (!(error instanceof Error) || error.message !== 'killed') throw error
      })
      sites.onEffect = () => {}
      if (first?.end === 'done') {
        expect(survived).toBeGreaterThan(12)
        return
      }
      const record = await world.records.read(within())
      if (record === undefined) throw new Error(`dead at effect ${survived}: there is no record`)
      const again: string[] = []
      const { end } = await roll(spec, sites.sites, world.records, record, {
        ...within(),
        onEvent: ({ kind, step }) => (kind === 'started' && step.kind === 'renew' ? again.push(step.guest) : 0),
      })
      expect(end, `dead at effect ${survived}`).toBe('done')
      expect(again.filter((name) => record.done.includes(name))).toEqual([])
      expect(new Set(Object.values(await digests(sites))).size).toBe(1)
      expect(Object.keys(await digests(sites))).toEqual(['web-1', 'web-2', 'web-3', 'web-4'])
      expect(await served(sites)).toBe(4)
    }
  }, 120_000)

  test('pauses after the guest under way, and goes on when it is told to', async () => {
    const world = await openPool()
    await using sites = world.sites
    sites.onEffect = async (effect) => {
      if (effect.startsWith('define')) await world.records.setWish('pause', within())
    }
    const paused = await go(world, begin(one))
    expect(paused.end).toBe('paused')
    expect(paused.record.done).toEqual(['web-1'])
    expect(await served(sites)).toBe(4)
    sites.onEffect = () => {}
    await world.records.setWish('go', within())
    const record = await world.records.read(within())
    expect((await go(world, record ?? begin(one))).end).toBe('done')
  })

  test('ends before its time with a whole pool, and without what it made beside it', async () => {
    const world = await openPool()
    await using sites = world.sites
    let defined = 0
    sites.onEffect = async (effect) => {
      if (effect.startsWith('define')) defined += 1
      if (defined === 2) await world.records.setWish('abort', within())
    }
    const { end, record } = await go(world, begin({ maxUnavailable: 0, surge: 1 }))
    expect({ end, done: record.done }).toEqual({ end: 'aborted', done: ['web-1'] })
    expect((await guestsOf(sites)).map((text) => text.split(' ')[0])).toEqual(['web-1', 'web-2', 'web-3', 'web-4'])
    expect(await served(sites)).toBe(4)
    expect(await world.records.read(within())).toBeUndefined()
  })

  test('only those that are named are renewed', async () => {
    const world = await openPool()
    await using sites = world.sites
    const before = await digests(sites)
    await go(world, begin(one, ['web-3']))
    const after = await digests(sites)
    expect(Object.keys(after).filter((name) => after[name] !== before[name])).toEqual(['web-3'])
  })

  test('takes nobody away while too many do not serve', async () => {
    const world = await openPool()
    await using sites = world.sites
    const site = [...sites.sites.values()][0]
    for (const name of ['web-1', 'web-2']) await site?.hypervisor.pause(name, within())
    const record = startRoll(spec, { guests: ['web-3', 'web-4'], image: 'other', limits: one })
    await expect(go(world, record)).rejects.toThrow('no guest of web may go: web-1, web-2 do not serve')
  })
})

describe('what cannot be rolled is refused', () => {
  const pools = [
    buildPool('web'),
    buildPool('db'),
    buildPool('fix', { count: 1, network: { kind: 'bridge', bridge: 'br0', addresses: ['10.0.0.2/24'] } }),
  ]
  const { count: _none, ...single } = buildPool('one')
  const many = buildSpec({ guests: [...pools, single], images })
  test.each<{ guests: string[]; image?: string; limits?: RollLimits; message: string }>([
    { guests: ['nobody'], message: 'no guest and no pool nobody' },
    { guests: ['web-3'], message: 'no guest and no pool web-3' },
    { guests: ['web', 'db-1'], message: 'web and db are two pools' },
    { guests: ['web'], image: 'nothing', message: 'no image nothing' },
    { guests: ['web'], limits: { maxUnavailable: 0, surge: 0 }, message: 'nothing could ever be renewed' },
    { guests: ['fix'], limits: { maxUnavailable: 0, surge: 1 }, message: 'fixed addresses' },
    { guests: ['one'], limits: { maxUnavailable: 0, surge: 1 }, message: 'one guest by itself' },
  ])('$message', ({ guests, image, limits = one, message }) => {
    try {
      startRoll(many, { guests, limits, ...(image === undefined ? {} : { image }) })
      expect.unreachable()
    } catch (error) {
      expect(isInfraError(error) ? error.message : String(error)).toContain(message)
    }
  })
})
