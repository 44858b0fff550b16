/** Whatever is asked for in whatever order, the engine ends up at what is wanted, healthy and not drained. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import { fakeEngine } from '../engines/fake/fake.ts'
import { InfraError, isInfraError } from '../errors.ts'
import { fakeTiming } from '../health/fake-timing.ts'
import { realServerKey, serviceKey } from '../lvs/service.ts'
import type { WantedService } from './control.ts'
import { openDirector } from './director.ts'
import { memoryIntentStore } from './intent.ts'
import type { DrainTarget } from './states.ts'
import { wantedTable } from './table.ts'

type Step =
  | { readonly kind: 'put'; readonly cluster: string; readonly services: WantedService[] }
  | { readonly kind: 'remove'; readonly cluster: string }
  | { readonly kind: 'drain' | 'undrain'; readonly target: DrainTarget }
  | { readonly kind: 'move'; readonly guest: string; readonly port: number }
  | { readonly kind: 'health'; readonly port: number; readonly healthy: boolean }
  | { readonly kind: 'fail' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'restart' }

const ports = fc.integer({ min: 1001, max: 1006 })
const guests = fc.constantFrom('web-1', 'web-2')
const clusters = fc.constantFrom('shop', 'blog')
const servers = fc.uniqueArray(
  fc
    .record({
      port: ports,
      weight: fc.integer({ min: 0, max: 3 }),
      guest: fc.option(guests, { nil: undefined }),
      checks: fc.constantFrom(undefined, undefined, [], [buildCheck({ everyMs: 1500 }), buildCheck()]),
    })
    .map(({ port, weight, guest, checks }) =>
      buildServer(port, {
        weight,
        ...(guest === undefined ? {} : { guest, guestPort: 80 }),
        ...(checks === undefined ? {} : { checks }),
      }),
    ),
  { selector: ({ port }) => port, maxLength: 4 },
)
const service: fc.Arbitrary<WantedService> = fc
  .record({
    port: fc.integer({ min: 80, max: 83 }),
    servers,
    everyMs: fc.option(fc.constantFrom(1000, 2500), { nil: undefined }),
    onFailure: fc.constantFrom('drain' as const, 'remove' as const),
    hasFallback: fc.boolean(),
    panicPercent: fc.constantFrom(undefined, 30, 60),
    slowStartMs: fc.constantFrom(undefined, 2000, 20_000),
  })
  .map(({ port, servers: own, everyMs, onFailure, hasFallback, panicPercent, slowStartMs }) =>
    buildWanted({
      name: `s${port}`,
      service: buildService({ id: { kind: 'address', protocol: 'tcp', address: '127.0.0.1', port } }),
      servers: own,
      onFailure,
      ...(everyMs === undefined ? {} : { checks: [buildCheck({ everyMs })] }),
      ...(panicPercent === undefined ? {} : { panicPercent }),
      ...(slowStartMs === undefined ? {} : { slowStartMs }),
      ...(hasFallback ? { fallback: { address: '127.0.0.9', port: 9 } } : {}),
    }),
  )
const target: fc.Arbitrary<DrainTarget> = fc.oneof(
  guests.map((guest) => ({ guest })),
  fc.constantFrom(0, 1001, 1002).map((port) => ({ endpoint: { address: '127.0.0.1', port } })),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('put' as const),
    cluster: clusters,
    services: fc.uniqueArray(service, { selector: ({ name }) => name, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), cluster: clusters }),
  fc.record({ kind: fc.constantFrom('drain' as const, 'undrain' as const), target }),
  fc.record({ kind: fc.constant('move' as const), guest: guests, port: ports }),
  fc.record({ kind: fc.constant('health' as const), port: ports, healthy: fc.boolean() }),
  fc.record({ kind: fc.constant('fail' as const) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 5000 }) }),
  fc.record({ kind: fc.constant('restart' as const) }),
)

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) })
const byHand = buildService({ id: { kind: 'address', protocol: 'udp', address: '127.0.0.1', port: 53 } })

async function runAll(steps: readonly Step[]): Promise<void> {
  const engine = fakeEngine()
  const timing = fakeTiming()
  const store = memoryIntentStore()
  const sick = new Set<number>()
  await engine.apply([{ kind: 'service.add', service: byHand }], within())
  // The engine outlives the director, as the kernel's would.
  const { [Symbol.asyncDispose]: _keep, ...rest } = engine
  const lasting = { ...rest, [Symbol.asyncDispose]: async () => {} }
  const open = () =>
    openDirector({
      engine: lasting,
      intent: store,
      timing,
      now: () => new Date(0),
      onEvent: () => {},
      onStop: () => {},
      openProbe:
        () =>
        async ({ port }) => ({ healthy: !sick.has(port), detail: '', tookMs: 0 }),
    })
  let director = await open()
  for (const one of steps) {
    if (one.kind === 'restart') {
      await director[Symbol.asyncDispose]()
      director = await open()
    } else if (one.kind === 'health') {
      if (one.healthy) sick.delete(one.port)
      else sick.add(one.port)
    } else if (one.kind === 'wait') await timing.advance(one.ms)
    else if (one.kind === 'fail') engine.traffic.failNextApply(new InfraError('busy', 'taken', { subject: 'x' }))
    else await ask(director, one).catch(expectedOnly)
  }
  await timing.advance(60_000)

  const intent = store.saved()
  const table = wantedTable(intent.clusters, {
    look: (_cluster, service, { port, checks = service.checks }) => ({
      health: checks.length === 0 ? 'unchecked' : sick.has(port) ? 'unhealthy' : 'healthy',
    }),
    drains: intent.drains,
    nowMs: timing.now(),
    thresholds: true,
  })
  const expected = new Map([...table].map(([key, { servers: own }]) => [key, new Map([...own].sort())]))
  expected.set(serviceKey(byHand.id), new Map())
  const standing = await engine.read(within())
  const actual = new Map(
    standing.map(({ service: { id }, servers: own }) => [
      serviceKey(id),
      new Map(own.map(({ server }) => [realServerKey(server), server] as const).sort()),
    ]),
  )
  expect(actual).toEqual(expected)
  expect((await director.status(within())).problems).toEqual([])
  await director[Symbol.asyncDispose]()
  expect(timing.pending()).toBe(0)
}

type Asked = Exclude<Step, { kind: 'restart' | 'health' | 'wait' | 'fail' }>

async function ask(director: Awaited<ReturnType<typeof openDirector>>, asked: Asked): Promise<void> {
  switch (asked.kind) {
    case 'put':
      return director.putCluster({ cluster: asked.cluster, services: asked.services }, within())
    case 'remove':
      return director.removeCluster(asked.cluster, within())
    case 'drain':
    case 'undrain':
      await director[asked.kind](asked.target, within())
      return
    case 'move':
      return director.moveGuest(asked.guest, [{ guestPort: 80, address: '127.0.0.1', port: asked.port }], within())
  }
}

/** Clusters that want the same address, and the engine's made-up failure. */
function expectedOnly(error: unknown): void {
  if (!isInfraError(error, 'invalid') && !isInfraError(error, 'busy')) throw error
}

describe('director', () => {
  test('converges from any sequence of requests, failures, health changes and restarts', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 20 }), runAll), { numRuns: 60 })
  })
})
