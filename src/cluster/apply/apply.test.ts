import { describe, expect, test } from 'vitest'
import { buildService } from '../../../test/build/services.ts'
import { buildSites, type FakeSites } from '../../../test/build/sites.ts'
import { buildPool, buildServiceSpec, buildSpec, mebibyte } from '../../../test/build/spec.ts'
import { makePlan } from '../converge.ts'
import type { ClusterSpec } from '../spec/model.ts'
import { type ApplyEvent, type ApplyOptions, type ApplyResult, apply } from './apply.ts'

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(20_000) })

async function up(spec: ClusterSpec, { sites }: FakeSites, options: Partial<ApplyOptions> = {}): Promise<ApplyResult> {
  return apply(await makePlan(spec, sites, 'up', within()), spec, sites, { ...within(), ...options })
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))

describe('applying a plan', () => {
  test('a step that takes too long ends at its deadline, and says what it was doing', async () => {
    const spec = buildSpec({ services: [] })
    await using world = buildSites(spec)
    const { hypervisor } = [...world.sites.values()][0] ?? {}
    if (hypervisor === undefined) throw new Error('no site')
    const slow = {
      ...hypervisor,
      start: async (_name: string, { signal }: { signal: AbortSignal }) => {
        await untilAborted(signal)
        throw new Error('the kernel has not spoken yet')
      },
    }
    const sites = new Map([...world.sites].map(([name, site]) => [name, { ...site, hypervisor: slow }]))
    const plan = await makePlan(spec, sites, 'up', within())
    const { failed } = await apply(plan, spec, sites, { ...within(), deadlines: { 'guest.create': 30 } })
    expect(failed.map(({ step, error }) => [step.id, (error as Error).message])).toEqual([
      ['guest.create local/web-1', 'not done within 30ms: the kernel has not spoken yet'],
      ['guest.create local/web-2', 'not done within 30ms: the kernel has not spoken yet'],
    ])
  })

  test('an abort ends what runs, begins nothing new, and what was stopped is not a failure of its own', async () => {
    const spec = buildSpec({ guests: [buildPool('web', { count: 4 })] })
    await using world = buildSites(spec)
    const stop = new AbortController()
    world.onEffect = async (effect) => {
      if (!effect.startsWith('start')) return
      setTimeout(() => stop.abort(), 5)
      await untilAborted(stop.signal)
      throw new Error('interrupted')
    }
    const events: ApplyEvent[] = []
    const onEvent = (event: ApplyEvent): void => void events.push(event)
    const result = await up(spec, world, { signal: stop.signal, concurrencyPerHost: 2, onEvent })
    expect(result.failed.map(({ error }) => error)).toMatchObject([{ code: 'cancelled' }, { code: 'cancelled' }])
    const aborted = events.findIndex(({ kind }) => kind === 'failed')
    expect(events.slice(aborted).filter(({ kind }) => kind === 'started')).toEqual([])
    expect(events.filter(({ kind }) => kind === 'skipped').length).toBe(result.skipped)
    world.onEffect = () => {}
    expect((await up(spec, world)).failed).toEqual([])
  })

  test('a restart that fails halts the roll: the rest of the pool goes on as it is', async () => {
    const before = buildSpec({ guests: [buildPool('web', { count: 3 })] })
    const after = buildSpec({ guests: [buildPool('web', { count: 3, memoryBytes: 256 * mebibyte })] })
    await using world = buildSites(before)
    await up(before, world)
    world.onEffect = (effect) => {
      if (effect === 'start web-2') throw new Error('no memory')
    }
    const { failed } = await up(after, world)
    expect(failed.map(({ step }) => step.id)).toEqual(['guest.restart local/web-2'])
    const guests = await world.sites.get('local')?.hypervisor.list(within())
    expect(guests?.map(({ definition, state }) => [definition.name, state, definition.memoryBytes / mebibyte])).toEqual(
      [
        ['web-1', 'running', 256],
        ['web-2', 'stopped', 256],
        ['web-3', 'running', 128],
      ],
    )
  })

  test('a run that dies at each effect in turn is finished by the next', async () => {
    const host = 'local'
    const a = buildSpec({
      hosts: ['local', 'h2'].map((name) => ({ name, hypervisor: 'fake' })),
      guests: [buildPool('web', { host }), buildPool('db', { count: 1, host }), buildPool('old', { count: 1, host })],
    })
    const b = buildSpec({
      hosts: ['local', 'h2'].map((name) => ({ name, hypervisor: 'fake' })),
      images: { other: { kind: 'kernel', kernel: '/k', cmdline: '' } },
      guests: [
        buildPool('web', { count: 3, memoryBytes: 256 * mebibyte, host }),
        buildPool('db', { count: 1, image: 'other', host }),
        buildPool('old', { count: 1, host: 'h2' }),
      ],
      services: [
        buildServiceSpec('www', { servers: [{ kind: 'guests', guests: 'web', port: 81, weight: 2 }] }),
        buildServiceSpec('sql', {
          service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port: 5432 } }),
          servers: [{ kind: 'guests', guests: 'db', port: 5432, weight: 1 }],
        }),
      ],
    })
    let effects = Number.POSITIVE_INFINITY
    for (let survived = 0; survived < effects; survived += 1) {
      await using world = buildSites(a)
      await up(a, world)
      let seen = 0
      world.onEffect = () => {
        seen += 1
        if (seen > survived) throw new Error('killed')
      }
      await up(b, world)
      if (seen <= survived) effects = seen
      world.onEffect = () => {}
      expect((await up(b, world)).failed, `killed after ${survived} effects`).toEqual([])
      expect((await makePlan(b, world.sites, 'up', within())).steps, `killed after ${survived} effects`).toEqual([])
      const names = await Promise.all(
        [...world.sites.values()].map(async ({ hypervisor }) =>
          (await hypervisor.list(within())).map(({ definition, state }) => `${definition.name} ${state}`),
        ),
      )
      expect(names).toEqual([['db-1 running', 'web-1 running', 'web-2 running', 'web-3 running'], ['old-1 running']])
    }
    expect(effects).toBeGreaterThan(20)
  }, 60_000)
})
