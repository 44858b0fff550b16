import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildService } from '../../test/build/services.ts'
import { buildSites, type FakeSites } from '../../test/build/sites.ts'
import { anySpec, buildPool, buildServiceSpec, buildSpec, mebibyte } from '../../test/build/spec.ts'
import type { ApplyEvent } from './apply/apply.ts'
import { makePlan, run } from './converge.ts'
import type { Plan } from './plan/plan.ts'
import type { ClusterSpec, HostSpec } from './spec/model.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(20_000) })

async function go(spec: ClusterSpec, { sites }: FakeSites, direction: 'up' | 'down' = 'up'): Promise<Plan> {
  const plan = await makePlan(spec, sites, direction, within())
  const result = await run(plan, spec, sites, direction, within())
  if (result.failed[0] !== undefined) throw result.failed[0].error
  return plan
}

const stepIds = (plan: Plan): string[] => plan.steps.map(({ id }) => id)
const planOf = async (spec: ClusterSpec, world: FakeSites): Promise<Record<string, string>> =>
  Object.fromEntries((await makePlan(spec, world.sites, 'up', within())).steps.map(({ id, reason }) => [id, reason]))

/** All that the hosts say, less what differs between two worlds by nature. */
async function picture({ sites }: FakeSites): Promise<unknown> {
  return Promise.all(
    [...sites.values()].map(async ({ name, hypervisor, director, engine }) => {
      const guests = await hypervisor.list(within())
      const status = await director.control.status(within()).catch(() => undefined)
      const table = await engine()?.read(within())
      return {
        name,
        guests: guests.map(({ definition, state }) => ({ definition, state })),
        services: status?.clusters.map(({ services }) =>
          services.map((service) => ({
            ...service,
            servers: service.servers.map(({ port: _port, ...server }) => server),
          })),
        ),
        table: table?.map(({ service, servers }) => [service, servers.map(({ server }) => server.weight)]),
      }
    }),
  )
}

describe('up and down on pretended hosts', () => {
  test('the first up makes everything, in order, and the second changes nothing', async () => {
    const spec = buildSpec()
    await using world = buildSites(spec)
    expect(stepIds(await go(spec, world))).toEqual([
      'image.build local/tiny',
      'guest.create local/web-1',
      'guest.create local/web-2',
      'director.start local',
      'services.apply local',
      'services.wait local',
    ])
    expect((await makePlan(spec, world.sites, 'up', within())).steps).toEqual([])
  })

  test.each<{ name: string; spec: ClusterSpec; steps: Record<string, string> }>([
    {
      name: 'more memory restarts one guest after the other',
      spec: buildSpec({ guests: [buildPool('web', { memoryBytes: 256 * mebibyte })] }),
      steps: {
        'guest.restart local/web-1': 'memory changes from 128M to 256M',
        'guest.restart local/web-2': 'memory changes from 128M to 256M',
        'services.apply local': 'its guests change',
        'services.wait local': 'until the servers are healthy',
      },
    },
    {
      name: 'another image replaces',
      spec: buildSpec({
        guests: [buildPool('web', { image: 'other' })],
        images: { other: { kind: 'kernel', kernel: '/k', cmdline: '' } },
      }),
      steps: {
        'image.build local/other': 'it is not in the cache',
        'guest.replace local/web-1': 'replace because image other changed',
        'guest.replace local/web-2': 'replace because image other changed',
        'services.apply local': 'its guests change',
        'services.wait local': 'until the servers are healthy',
      },
    },
    {
      name: 'another scheduler touches no guest',
      spec: buildSpec({ services: [buildServiceSpec('www', { service: buildService({ scheduler: 'wlc' }) })] }),
      steps: {
        'services.apply local': 'www: scheduler changes from rr to wlc',
        'services.wait local': 'until the servers are healthy',
      },
    },
    {
      name: 'a larger count only adds',
      spec: buildSpec({ guests: [buildPool('web', { count: 3 })] }),
      steps: {
        'guest.create local/web-3': 'it is not there',
        'services.apply local': 'its guests change',
        'services.wait local': 'until the servers are healthy',
      },
    },
    {
      name: 'a smaller count removes the last',
      spec: buildSpec({ guests: [buildPool('web', { count: 1 })] }),
      steps: {
        'guest.remove local/web-2': 'it is no longer wanted',
        'services.apply local': 'www: server web-2:80 leaves',
        'services.wait local': 'until the servers are healthy',
      },
    },
    {
      name: 'autostart is a matter of the definition alone',
      spec: buildSpec({ guests: [buildPool('web', { autostart: true })] }),
      steps: {
        'guest.update local/web-1': 'autostart is switched on',
        'guest.update local/web-2': 'autostart is switched on',
      },
    },
  ])('$name', async ({ spec, steps }) => {
    await using world = buildSites(spec)
    await go(buildSpec(), world)
    expect(await planOf(spec, world)).toEqual(steps)
    await go(spec, world)
    expect(await planOf(spec, world)).toEqual({})
  })

  test('a guest whose process is gone is started again', async () => {
    const spec = buildSpec()
    await using world = buildSites(spec)
    await go(spec, world)
    await world.sites.get('local')?.hypervisor.crash('web-2')
    expect(await planOf(spec, world)).toMatchObject({ 'guest.start local/web-2': 'its process is gone' })
    await go(spec, world)
    expect(await planOf(spec, world)).toEqual({})
  })

  test('down takes everything away that bears the mark, and nothing else', async () => {
    const spec = buildSpec()
    await using world = buildSites(spec)
    const hypervisor = world.sites.get('local')?.hypervisor
    await hypervisor?.define(
      {
        name: 'mine',
        memoryBytes: mebibyte,
        vcpus: 1,
        image: 'x',
        boot: { kind: 'kernel', kernel: '/k', cmdline: '' },
        disks: [],
        network: { kind: 'user', forwards: [] },
        autostart: false,
      },
      within(),
    )
    await go(spec, world)
    await go(spec, world, 'down')
    expect((await hypervisor?.list(within()))?.map(({ definition }) => definition.name)).toEqual(['mine'])
    await expect(world.sites.get('local')?.director.control.status(within())).rejects.toMatchObject({
      code: 'not-found',
    })
    expect((await makePlan(spec, world.sites, 'down', within())).steps).toEqual([])
  })

  test('a guest that somebody else made is in the way, and is left alone', async () => {
    const spec = buildSpec()
    await using world = buildSites(spec)
    await world.sites.get('local')?.hypervisor.define(
      {
        name: 'web-1',
        memoryBytes: mebibyte,
        vcpus: 1,
        image: 'x',
        boot: { kind: 'kernel', kernel: '/k', cmdline: '' },
        disks: [],
        network: { kind: 'user', forwards: [] },
        autostart: false,
      },
      within(),
    )
    await expect(makePlan(spec, world.sites, 'up', within())).rejects.toMatchObject({
      code: 'already-exists',
      message: expect.stringContaining('web-1 on local was made by hand') as string,
    })
  })

  test('what a failed step was needed for is skipped, the rest is done', async () => {
    const spec = buildSpec()
    await using world = buildSites(spec)
    world.onEffect = (effect) => {
      if (effect === 'launch director') throw new Error('no room for it')
    }
    const events: ApplyEvent[] = []
    const plan = await makePlan(spec, world.sites, 'up', within())
    const result = await run(plan, spec, world.sites, 'up', { ...within(), onEvent: (event) => events.push(event) })
    expect(result.failed.map(({ step }) => step.id)).toEqual(['director.start local'])
    expect(events.flatMap((event) => (event.kind === 'skipped' ? [[event.step.id, event.because]] : []))).toEqual([
      ['services.apply local', 'director.start local'],
      ['services.wait local', 'services.apply local'],
    ])
    expect(result.finished).toBe(3)
  })

  test('a stopped run begins nothing new', async () => {
    const spec = buildSpec()
    await using world = buildSites(spec)
    const stop = new AbortController()
    world.onEffect = () => stop.abort()
    const plan = await makePlan(spec, world.sites, 'up', within())
    const result = await run(plan, spec, world.sites, 'up', { signal: stop.signal, concurrency: 1 })
    expect(result.finished + result.failed.length).toBeLessThanOrEqual(1)
    expect(result.skipped).toBeGreaterThanOrEqual(plan.steps.length - 1)
  })
})

const hostNamed = (name: string, memoryBytes?: number): HostSpec => ({
  name,
  hypervisor: 'fake',
  ...(memoryBytes === undefined ? {} : { capacity: { memoryBytes } }),
})

describe('guests without a host', () => {
  const guests = [buildPool('web', { count: 4, memoryBytes: 100 * mebibyte })]
  const on = async ({ sites }: FakeSites): Promise<Record<string, number>> =>
    Object.fromEntries(
      await Promise.all(
        [...sites.values()].map(
          async ({ name, hypervisor }) => [name, (await hypervisor.list(within())).length] as const,
        ),
      ),
    )

  test('are spread over the hosts, stay there, and only the new ones go to a new host', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => hostNamed(name))
    if (a === undefined || b === undefined || c === undefined) throw new Error('there are three hosts')
    await using world = buildSites({ hosts: { a, b, c } })
    const two = buildSpec({ hosts: [a, b], guests })
    const sites = new Map([...world.sites].filter(([name]) => name !== 'c'))
    await go(two, { ...world, sites })
    expect(await on(world)).toEqual({ a: 2, b: 2, c: 0 })
    expect((await makePlan(two, sites, 'up', within())).steps).toEqual([])
    const three = buildSpec({ hosts: [a, b, c], guests: [buildPool('web', { count: 5, memoryBytes: 100 * mebibyte })] })
    expect(stepIds(await go(three, world)).filter((id) => id.startsWith('guest.'))).toEqual(['guest.create c/web-5'])
  })

  test('are refused as a whole when the hosts have no room for all, and nothing is changed', async () => {
    const spec = buildSpec({ hosts: [hostNamed('a', 250 * mebibyte), hostNamed('b', 150 * mebibyte)], guests })
    await using world = buildSites(spec)
    await expect(makePlan(spec, world.sites, 'up', within())).rejects.toMatchObject({
      code: 'no-space',
      message: 'web-4 fits nowhere: a lacks 50M of memory, b lacks 50M of memory',
    })
    expect(await on(world)).toEqual({ a: 0, b: 0 })
  })
})

/** One `up` leads there, nothing is to do then, and it is as if it had been made there from nothing. */
async function expectToReach(spec: ClusterSpec, world: FakeSites): Promise<void> {
  await go(spec, world)
  expect((await makePlan(spec, world.sites, 'up', within())).steps).toEqual([])
  await using fresh = buildSites(spec)
  await go(spec, fresh)
  expect(await picture(world)).toEqual(await picture(fresh))
}

describe('properties over random clusters', () => {
  test('applying the plan from a to b gives b, and then nothing is to do', async () => {
    await fc.assert(
      fc.asyncProperty(anySpec, anySpec, async (a, b) => {
        await using world = buildSites(a)
        await go(a, world)
        await expectToReach(b, world)
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  test('a run that dies at any effect is finished by the next', async () => {
    await fc.assert(
      fc.asyncProperty(anySpec, anySpec, fc.nat(20), async (a, b, survived) => {
        await using world = buildSites(a)
        await go(a, world)
        let left = survived
        world.onEffect = () => {
          left -= 1
          if (left < 0) throw new Error('killed')
        }
        await run(await makePlan(b, world.sites, 'up', within()), b, world.sites, 'up', within())
        world.onEffect = () => {}
        await expectToReach(b, world)
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  test('down leaves no guest and no director, whatever stood', async () => {
    await fc.assert(
      fc.asyncProperty(anySpec, async (spec) => {
        await using world = buildSites(spec)
        await go(spec, world)
        await go(spec, world, 'down')
        for (const { hypervisor, engine } of world.sites.values()) {
          expect(await hypervisor.list(within())).toEqual([])
          expect(engine()).toBeUndefined()
        }
      }),
      { numRuns: 40 },
    )
  }, 60_000)
})
