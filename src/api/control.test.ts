import { mkdtemp, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildServer, buildService, buildWanted } from '../../test/build/services.ts'
import { type ControlUnderTest, controlContract } from '../director/control.contract.ts'
import type { DirectorControl } from '../director/control.ts'
import { type Director, openDirector } from '../director/director.ts'
import type { DirectorEvent } from '../director/events.ts'
import { emptyIntent, fileIntentStore, type IntentStore, memoryIntentStore } from '../director/intent.ts'
import { type FakeEngine, fakeEngine } from '../engines/fake/fake.ts'
import { InfraError } from '../errors.ts'
import { machineTiming } from '../health/timing.ts'
import { localHost } from '../hosts/local/local.ts'
import { directorClient } from './client.ts'
import { routes } from './routes.ts'
import { openApiDocument } from './schemas.ts'
import { listenControl } from './server.ts'

type World = {
  director: Director
  engine: FakeEngine
  events: DirectorEvent[]
  setHealthy: ControlUnderTest['setHealthy']
}

async function openWorld(intent: IntentStore = memoryIntentStore(), engine: FakeEngine = fakeEngine()): Promise<World> {
  const sick = new Set<number>()
  const events: DirectorEvent[] = []
  const director = await openDirector({
    engine,
    intent,
    timing: machineTiming,
    now: () => new Date(0),
    onEvent: (event) => events.push(event),
    onStop: () => {},
    openProbe: () => async (target) => ({ healthy: !sick.has(target.port), detail: 'made up', tookMs: 0 }),
  })
  return {
    director,
    engine,
    events,
    setHealthy: (port, healthy) => void (healthy ? sick.delete(port) : sick.add(port)),
  }
}

async function temporaryHost(): Promise<{ host: ReturnType<typeof localHost>; remove: () => Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-api-'))
  const directories = {
    runtime: join(directory, 'run'),
    state: join(directory, 'state'),
    cache: join(directory, 'cache'),
  }
  return { host: localHost({ directories }), remove: () => rm(directory, { recursive: true, force: true }) }
}

async function openSocketWorld(): Promise<World & AsyncDisposable & { control: DirectorControl; socket: string }> {
  const { host, remove } = await temporaryHost()
  const world = await openWorld()
  const socket = `${host.directories.runtime}/director.sock`
  const server = await listenControl(world.director, socket)
  return {
    ...world,
    control: directorClient(host),
    socket,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await world.director[Symbol.asyncDispose]()
      await remove()
    },
  }
}

controlContract('object', async () => {
  const world = await openWorld()
  return { ...world, control: world.director, [Symbol.asyncDispose]: () => world.director[Symbol.asyncDispose]() }
})
controlContract('socket', openSocketWorld)

const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(5_000) })

describe('control socket', () => {
  test('only its owner can open it', async () => {
    await using world = await openSocketWorld()
    expect((await stat(world.socket)).mode & 0o777).toBe(0o600)
  })

  test('a file left over by a killed director is replaced; a living director is not', async () => {
    await using world = await openSocketWorld()
    await expect(listenControl(world.director, world.socket)).rejects.toMatchObject({ code: 'busy' })
  })

  test('no director is said as such', async () => {
    const { host, remove } = await temporaryHost()
    await expect(directorClient(host).status(within())).rejects.toMatchObject({
      code: 'not-found',
      message: 'no director runs on local',
    })
    await remove()
  })

  test('a request that is wrong is told every fault', async () => {
    await using world = await openSocketWorld()
    const answer = await raw(
      world.socket,
      'PUT',
      '/v1/clusters/x',
      JSON.stringify({ cluster: 'x', services: [{ name: '', onFailure: 'explode' }] }),
    )
    expect(answer.status).toBe(400)
    expect(answer.body).toMatch(/services\.0\.name.*services\.0\.onFailure/s)
    expect((await raw(world.socket, 'PUT', '/v1/clusters/x', 'not json')).status).toBe(400)
    expect((await raw(world.socket, 'GET', '/v1/nothing')).status).toBe(404)
  })

  test('a listener that comes back goes on where it was, as EventSource does', async () => {
    await using world = await openSocketWorld()
    for (const cluster of ['a', 'b', 'c']) await world.director.putCluster({ cluster, services: [] }, within())
    const { body } = await raw(world.socket, 'GET', '/v1/events?after=0&follow=false', undefined, {
      'Last-Event-ID': '1',
    })
    expect(body.match(/^id: .*/gm)).toEqual(['id: 2', 'id: 3'])
    const wrong = await raw(world.socket, 'GET', '/v1/events?after=x&results=maybe&cluter=shop')
    expect(wrong.status).toBe(400)
    expect(wrong.body).toMatch(/after: a whole number.*results:.*cluter/s)
  })

  test('every route is in the OpenAPI document', async () => {
    await using world = await openSocketWorld()
    const served = JSON.parse((await raw(world.socket, 'GET', '/v1/openapi.json')).body) as {
      paths: Record<string, Record<string, { summary: string }>>
    }
    expect(served).toEqual(JSON.parse(JSON.stringify(openApiDocument())))
    for (const { method, path, summary } of Object.values(routes))
      expect(served.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]?.summary).toBe(summary)
  })
})

describe('director', () => {
  test('a new one takes up the intent of the last: services and drains', async () => {
    const { host, remove } = await temporaryHost()
    const first = await openWorld(fileIntentStore(host))
    await first.director.putCluster(
      {
        cluster: 'shop',
        services: [buildWanted({ servers: [buildServer(1001, { guest: 'web-1' }), buildServer(1002)] })],
      },
      within(),
    )
    await first.director.drain({ guest: 'web-1' }, within())
    await first.director[Symbol.asyncDispose]()
    const second = await openWorld(fileIntentStore(host))
    const [service] = await second.engine.read(within())
    expect(service?.servers.map(({ server }) => [server.port, server.weight]).sort()).toEqual([
      [1001, 0],
      [1002, 1],
    ])
    await second.director[Symbol.asyncDispose]()
    await remove()
  })

  test('an intent that cannot be read is set aside and said, not fatal', async () => {
    const { host, remove } = await temporaryHost()
    await host.writeFile(`${host.directories.state}/director/intent.json`, '{"version":1,"clusters":"none"}', within())
    const world = await openWorld(fileIntentStore(host))
    expect(world.events).toMatchObject([{ kind: 'intent.trouble' }])
    expect(await host.readFile(`${host.directories.state}/director/intent.json.broken`, within())).toBeDefined()
    await world.director[Symbol.asyncDispose]()
    await remove()
  })

  test('an engine that fails is said, tried again, and the services stand in the end', async () => {
    const kept = memoryIntentStore({ ...emptyIntent, clusters: [{ cluster: 'shop', services: [buildWanted()] }] })
    const engine = fakeEngine()
    engine.traffic.failNextApply(new InfraError('busy', 'the port is taken', { subject: 'tcp' }))
    const world = await openWorld(kept, engine)
    expect((await world.director.status(within())).problems).toEqual(['tcp 127.0.0.1:8080: the port is taken'])
    await expect.poll(async () => (await world.engine.read(within())).length).toBe(1)
    await expect.poll(async () => (await world.director.status(within())).problems).toEqual([])
    expect(world.events).toEqual(
      expect.arrayContaining([
        { kind: 'engine.failed', service: 'tcp 127.0.0.1:8080', reason: 'tcp 127.0.0.1:8080: the port is taken' },
        { kind: 'engine.recovered', service: 'tcp 127.0.0.1:8080', failures: 1 },
      ]),
    )
    await world.director[Symbol.asyncDispose]()
  })

  test('what the engine cannot do is refused before anything changes, with every reason', async () => {
    const world = await openWorld()
    const engine: FakeEngine = {
      ...world.engine,
      capabilities: { ...world.engine.capabilities, fwmark: false, schedulers: ['rr'] },
    }
    const director = await openDirector({
      engine,
      intent: memoryIntentStore(),
      timing: machineTiming,
      now: () => new Date(0),
      onEvent: () => {},
      onStop: () => {},
    })
    const marked = buildWanted({
      service: buildService({ id: { kind: 'fwmark', mark: 5, family: 'ipv4' }, scheduler: 'sh' }),
    })
    await expect(director.putCluster({ cluster: 'shop', services: [marked] }, within())).rejects.toMatchObject({
      code: 'unsupported',
      message: 'www: the fake engine has no firewall-mark services; www: the fake engine has no scheduler sh',
    })
    expect(await engine.read(within())).toEqual([])
    await director[Symbol.asyncDispose]()
  })
})

function raw(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath,
        method,
        path,
        headers: body === undefined ? more : { ...more, 'Content-Type': 'application/json' },
      },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
      },
    )
    call.once('error', reject)
    call.end(body)
  })
}
