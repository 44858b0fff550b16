import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseExposition, type Sample } from '../../../test/build/prometheus.ts'
import { buildCheck, buildServer, buildService, buildWanted } from '../../../test/build/services.ts'
import type { WantedService } from '../../director/control.ts'
import { type Director, openDirector } from '../../director/director.ts'
import { memoryIntentStore } from '../../director/intent.ts'
import type { Engine } from '../../engines/engine.ts'
import { type FakeEngine, fakeEngine } from '../../engines/fake/fake.ts'
import { type FakeTiming, fakeTiming } from '../../health/fake-timing.ts'
import type { ServiceId } from '../../lvs/service.ts'
import { noneRefused, noRecordsRefused } from '../../sync/refusals.ts'
import { families } from './families.ts'
import { type Metrics, openMetrics } from './metrics.ts'

type World = AsyncDisposable & {
  readonly director: Director
  readonly engine: FakeEngine
  readonly timing: FakeTiming
  readonly metrics: Metrics
  readonly sick: Set<number>
  scrape(): Promise<string>
  samples(name: string): Promise<readonly Sample[]>
}

/** The fake engine knows of no failures to connect, and its daemons count nothing: they are said to. */
function failing(engine: FakeEngine): Engine {
  const counts = {
    datagrams: 1, bytes: 40, records: 1, dropped: 0, unsent: 0, waiting: 0, refused: noneRefused,
    recordsRefused: noRecordsRefused, transfer: 'none' as const,
  } // biome-ignore format: counts
  const sides = { interface: 'eth0', syncId: 1, group: '224.0.0.81', port: 8848, ttl: 1 }
  return {
    ...engine,
    synchronisation: async () =>
      (['master', 'backup'] as const).map((role) => ({ daemon: { role, ...sides }, counts })),
    read: async (options) =>
      (await engine.read(options)).map((snapshot) => ({
        ...snapshot,
        servers: snapshot.servers.map((server) => ({ ...server, connectFailures: 3 })),
      })),
  }
}

async function openWorld(): Promise<World> {
  const engine = fakeEngine()
  const timing = fakeTiming()
  const sick = new Set<number>()
  const metrics = openMetrics({ timing, now: () => new Date(5000), restarts: 2, onTrouble: () => {} })
  const director = await openDirector({
    ...metrics.hooks,
    engine: metrics.heed(failing(engine)),
    intent: memoryIntentStore(),
    timing,
    now: () => new Date(0),
    onEvent: metrics.event,
    onStop: () => {},
    deliver: async () => ({ kind: 'delivered' }),
    openProbe:
      () =>
      async ({ port }) => ({
        healthy: !sick.has(port),
        detail: 'made up',
        tookMs: port % 100,
        report: { certificateDays: port - 1000 },
      }),
  })
  metrics.attach(director)
  const scrape = async (): Promise<string> => {
    let text = ''
    for await (const piece of metrics.scrape(within())) text += piece
    return text
  }
  return {
    director,
    engine,
    timing,
    metrics,
    sick,
    scrape,
    samples: async (name) => parseExposition(await scrape()).find((family) => family.name === name)?.samples ?? [],
    async [Symbol.asyncDispose]() {
      await director[Symbol.asyncDispose]()
      await metrics[Symbol.asyncDispose]()
    },
  }
}

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(10_000) })
const named = (name: string, id: ServiceId, more: Partial<WantedService> = {}): WantedService =>
  buildWanted({ name, service: buildService({ id }), ...more })
const tcp = (port: number): ServiceId => ({ kind: 'address', protocol: 'tcp', address: '127.0.0.1', port })

/** Every kind of service that the engine holds, some checked, one made by hand. */
async function openWholeWorld(): Promise<World> {
  const world = await openWorld()
  world.sick.add(1002)
  const guest = buildServer(1001, { guest: 'web-1', guestPort: 80 })
  await world.director.putCluster(
    {
      cluster: 'shop',
      notify: [{ kind: 'webhook', url: 'https://hooks.example.org/' }],
      services: [
        named('www', tcp(80), {
          servers: [guest, buildServer(1002)],
          checks: [buildCheck(), buildCheck({ probe: { kind: 'ping' } })],
        }),
        named(
          'udp',
          { kind: 'address', protocol: 'udp', address: '::1', port: 53 },
          { servers: [buildServer(1053, { address: '::1' })] },
        ),
        named(
          'mark',
          { kind: 'fwmark', mark: 5, family: 'ipv4' },
          { fallback: { address: '127.0.0.9', port: 9 }, servers: [] },
        ),
      ],
    },
    within(),
  )
  const refused = { cluster: 'thief', services: [named('www', tcp(80))] }
  await expect(world.director.putCluster(refused, within())).rejects.toThrow('taken')
  await world.director.edit([{ kind: 'service.add', service: buildService({ id: tcp(99) }) }], within())
  await world.director.edit([{ kind: 'server.add', id: tcp(99), server: buildServer(1099) }], within())
  await world.timing.advance(10_000)
  world.engine.traffic.connect(tcp(80))
  return world
}

const page = readFileSync(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8')

describe('metrics', () => {
  test('what is exposed is what is documented, both ways, each with its type, its labels and its meaning', async () => {
    await using world = await openWholeWorld()
    const exposed = parseExposition(await world.scrape())
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)]
    const documented = rows.map(([, name, type, , help]) => `${name} ${type} ${help}`)
    expect(exposed.map(({ name, type, help }) => `${name} ${type} ${help}`).sort()).toEqual(documented.sort())
    const labels = new Map(
      rows.map(([, name = '', , list = '']) => [name, list.split(' ').map((one) => one.replaceAll('`', ''))]),
    )
    for (const { name, samples } of exposed)
      for (const sample of samples)
        for (const label of Object.keys(sample.labels)) expect(labels.get(name), `${name} ${label}`).toContain(label)
    // Of ours every one has a sample here, and every label that is documented is used: otherwise this shows nothing.
    for (const { name, labels: own } of Object.values(families)) {
      const samples = exposed.find((family) => family.name === name)?.samples ?? []
      expect(samples.length, name).toBeGreaterThan(0)
      const used = new Set(samples.flatMap((sample) => Object.keys(sample.labels)))
      expect([...used].filter((label) => label !== 'le').sort(), name).toEqual([...own].sort())
    }
  })

  test('names follow Prometheus’ conventions', () => {
    for (const { name, type, help } of Object.values(families)) {
      expect(name).toMatch(/^baton_[a-z]+(_[a-z]+)*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(name).not.toMatch(/_(ms|milliseconds|minutes|hours|days|kb|percent)(_|$)/)
      expect(help).toMatch(/^[A-Z1].*\.$/)
    }
  })

  test('services and servers are measured as they stand', async () => {
    await using world = await openWholeWorld()
    const www = { cluster: 'shop', service: 'www' }
    const web1 = { ...www, server: '127.0.0.1:1001', guest: 'web-1' }
    const sick = { ...www, server: '127.0.0.1:1002' }
    const exposed = parseExposition(await world.scrape()).flatMap(({ samples }) => samples)
    const value = (name: string, labels: Readonly<Record<string, string>>): number | undefined =>
      exposed.find((sample) => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels))?.value
    expect(value('baton_server_up', web1)).toBe(1)
    expect(value('baton_server_up', sick)).toBe(0)
    expect(value('baton_server_weight', sick)).toBe(0)
    expect(value('baton_server_wanted_weight', sick)).toBe(1)
    expect(value('baton_server_health', { ...sick, health: 'unhealthy' })).toBe(1)
    expect(value('baton_server_health', { ...sick, health: 'healthy' })).toBeUndefined()
    expect(value('baton_server_certificate_remaining_seconds', web1)).toBe(86_400)
    expect(value('baton_server_connect_failures_total', web1)).toBe(3)
    expect(value('baton_server_connections_total', web1)).toBe(1)
    expect(value('baton_service_connections_total', www)).toBe(1)
    expect(value('baton_service_active_connections', www)).toBe(1)
    expect(value('baton_service_state', { ...www, state: 'served' })).toBe(1)
    expect(value('baton_service_state', { ...www, service: 'mark', state: 'fallback' })).toBe(1)
    expect(value('baton_service_servers', { ...www, health: 'healthy' })).toBe(1)
    expect(value('baton_service_servers', { ...www, health: 'unhealthy' })).toBe(1)
    expect(value('baton_server_up', { service: 'tcp 127.0.0.1:99', server: '127.0.0.1:1099' })).toBe(1)
    expect(value('baton_reloads_total', { cluster: 'shop', result: 'taken' })).toBe(1)
    expect(value('baton_reloads_total', { cluster: 'thief', result: 'refused' })).toBe(1)
    expect(value('baton_reload_last_success_timestamp_seconds', { cluster: 'shop' })).toBe(5)
    expect(value('baton_director_restarts_total', {})).toBe(2)
    expect(
      value('baton_notify_deliveries_total', { cluster: 'shop', sink: 'webhook', result: 'delivered' }),
    ).toBeGreaterThan(5)
    expect(value('baton_reconcile_rounds_total', {})).toBeGreaterThan(1)
  })

  test('how long checks took is counted once for each result, in the bucket where it belongs', async () => {
    await using world = await openWorld()
    const servers = [buildServer(1001), buildServer(1050)]
    await world.director.putCluster(
      { cluster: 'shop', services: [buildWanted({ servers, checks: [buildCheck({ everyMs: 1000 })] })] },
      within(),
    )
    await world.timing.advance(4500)
    const samples = await world.samples('baton_check_duration_seconds')
    const bucket = (le: string): number | undefined => samples.find(({ labels }) => labels['le'] === le)?.value
    const all = bucket('+Inf') ?? 0
    expect(all).toBeGreaterThanOrEqual(8)
    expect([bucket('0.001'), bucket('0.025'), bucket('0.05')]).toEqual([all / 2, all / 2, all])
    const sum = samples.find(({ name }) => name.endsWith('_sum'))?.value
    expect(sum).toBeCloseTo((all / 2) * 0.051)
    const results = await world.samples('baton_check_results_total')
    expect(results.map(({ labels, value }) => [labels['result'], value])).toEqual([['passed', all], ['failed', 0]]) // biome-ignore format: one line
  })

  test('labels that could break a line do not', async () => {
    await using world = await openWorld()
    const name = 'a"b\\c\nd} 1'
    await world.director.putCluster({ cluster: name, services: [named(name, tcp(80))] }, within())
    const [sample] = await world.samples('baton_service_connections_total')
    expect(sample?.labels).toEqual({ cluster: name, service: name })
  })

  test('no more than four scrapes are under way, and one that is left ends', async () => {
    await using world = await openWorld()
    const started = Array.from({ length: 4 }, () => world.metrics.scrape(within())[Symbol.asyncIterator]())
    for (const one of started) await one.next()
    await expect(world.scrape()).rejects.toMatchObject({ code: 'busy' })
    for (const one of started) await one.return?.()
    expect(await world.scrape()).toContain('baton_build_info')
  })
})

describe('counters', () => {
  const connections = async (world: World): Promise<Record<string, number>> => {
    const [servers, services] = [
      await world.samples('baton_server_connections_total'),
      await world.samples('baton_service_connections_total'),
    ]
    return Object.fromEntries([...services, ...servers].map(({ labels, value }) => [labels['server'] ?? 'all', value]))
  }
  const put = (world: World, ...ports: number[]): Promise<void> =>
    world.director.putCluster(
      {
        cluster: 'shop',
        services:
          ports.length === 0 ? [] : [named('www', tcp(80), { servers: ports.map((port) => buildServer(port)) })],
      },
      within(),
    )
  const connect = (world: World, times: number): void => {
    for (let count = 0; count < times; count += 1) world.engine.traffic.connect(tcp(80))
  }

  test('go on where they were when a server, or the whole service, is removed and added again', async () => {
    await using world = await openWorld()
    await put(world, 1001, 1002)
    connect(world, 4)
    expect(await connections(world)).toEqual({ all: 4, '127.0.0.1:1001': 2, '127.0.0.1:1002': 2 })
    connect(world, 2)
    // What came since the last scrape is not lost either.
    await put(world, 1001)
    await put(world, 1001, 1002)
    expect(await connections(world)).toEqual({ all: 6, '127.0.0.1:1001': 3, '127.0.0.1:1002': 3 })
    await put(world)
    await put(world, 1001, 1002)
    connect(world, 2)
    expect(await connections(world)).toEqual({ all: 8, '127.0.0.1:1001': 4, '127.0.0.1:1002': 4 })
  })

  test('go on when they are zeroed by hand, and when a service moves to another address', async () => {
    await using world = await openWorld()
    await put(world, 1001)
    connect(world, 3)
    await connections(world)
    await world.director.edit([{ kind: 'zero' }], within())
    connect(world, 1)
    expect((await connections(world))['all']).toBe(4)
    await world.director.putCluster(
      { cluster: 'shop', services: [named('www', tcp(81), { servers: [buildServer(1001)] })] },
      within(),
    )
    world.engine.traffic.connect(tcp(81))
    expect(await connections(world)).toEqual({ all: 5, '127.0.0.1:1001': 5 })
  })

  test('never go back, whatever is removed, added, zeroed and scraped', async () => {
    await using world = await openWorld()
    let before: Record<string, number> = {}
    let state = 7
    const random = (below: number): number => {
      state = (state * 1103515245 + 12345) % 2147483648
      return Math.floor((state / 2147483648) * below)
    }
    for (let step = 0; step < 120; step += 1) {
      const ports = [1001, 1002, 1003].filter(() => random(3) > 0)
      if (random(3) === 0) await put(world, ...ports)
      if (random(10) === 0) await world.director.edit([{ kind: 'zero' }], within())
      if ((await world.engine.read(within())).some(({ servers }) => servers.length > 0)) connect(world, random(5))
      if (random(2) === 0) continue
      const now = await connections(world)
      for (const [name, value] of Object.entries(now))
        expect(value, `${name} in step ${step}`).toBeGreaterThanOrEqual(before[name] ?? 0)
      before = { ...before, ...now }
    }
  })
})
