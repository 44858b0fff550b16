/** What every Engine must do with its table: one suite for the fake and for each real one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InfraError, isInfraError } from '../errors.ts'
import {
  type RealServer,
  realServerKey,
  type SchedulerName,
  type Service,
  type ServiceId,
  serviceKey,
} from '../lvs/service.ts'
import type { Engine, EngineChange, TableChange } from './engine.ts'

export type EngineUnderTest = AsyncDisposable & {
  readonly engine: Engine
  /** A service address that can be taken; each call gives another. */
  freeService(protocol?: 'tcp' | 'udp'): Promise<ServiceId>
}

export const within = (ms = 10_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

export function aService(id: ServiceId, over: Partial<Service> = {}): Service {
  return { id, scheduler: 'rr', schedulerFlags: [], onePacket: false, ...over }
}
export function aServer(port: number, over: Partial<RealServer> = {}): RealServer {
  return { address: '127.0.0.1', port, forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0, ...over }
}
export const addService = (service: Service): TableChange => ({ kind: 'service.add', service })
export const addServer = (id: ServiceId, server: RealServer): TableChange => ({ kind: 'server.add', id, server })

export async function errorOf(failing: Promise<unknown>): Promise<InfraError> {
  try {
    await failing
  } catch (error) {
    if (error instanceof InfraError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** The table as text, to compare at a glance. */
async function tableOf(engine: Engine): Promise<string[]> {
  return (await engine.read(within())).flatMap(({ service, servers }) => [
    `${serviceKey(service.id)} ${service.scheduler}`,
    ...servers.map(({ server }) => `  ${realServerKey(server)} ${server.weight}`),
  ])
}

export function engineContract(name: string, open: () => Promise<EngineUnderTest>): void {
  describe(`engine contract: ${name}`, () => {
    test('an engine begins with an empty table', async () => {
      await using world = await open()
      expect(await world.engine.read(within())).toEqual([])
    })

    test('what is applied is read back: services as added, servers newest first, all counts zero', async () => {
      await using world = await open()
      const [one, two] = [await world.freeService(), await world.freeService('udp')]
      await world.engine.apply(
        [
          addService(aService(one, { scheduler: 'wlc' })),
          addService(aService(two)),
          addServer(one, aServer(81)),
          addServer(one, aServer(82, { weight: 0 })),
          addServer(two, aServer(83, { weight: 65_535 })),
        ],
        within(),
      )
      expect(await tableOf(world.engine)).toEqual([
        `${serviceKey(one)} wlc`,
        '  127.0.0.1:82 0',
        '  127.0.0.1:81 1',
        `${serviceKey(two)} rr`,
        '  127.0.0.1:83 65535',
      ])
      const [first] = await world.engine.read(within())
      const zero = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 }
      expect(first?.counters).toEqual(zero)
      expect(first?.service).toEqual(aService(one, { scheduler: 'wlc' }))
      expect(first?.servers[0]).toMatchObject({
        server: aServer(82, { weight: 0 }),
        active: 0,
        inactive: 0,
        counters: zero,
      })
    })

    test('adding what is there updates it, updating what is not there adds it, removing what is gone succeeds', async () => {
      await using world = await open()
      const id = await world.freeService()
      const changes: EngineChange[] = [addService(aService(id)), addServer(id, aServer(81)), addServer(id, aServer(82))]
      await world.engine.apply(changes, within())
      const before = await tableOf(world.engine)
      await world.engine.apply(changes, within())
      expect(await tableOf(world.engine)).toEqual(before)

      await world.engine.apply(
        [
          addService(aService(id, { scheduler: 'wrr' })),
          addServer(id, aServer(81, { weight: 7 })),
          { kind: 'server.update', id, server: aServer(84) },
          { kind: 'server.remove', id, server: aServer(99) },
          { kind: 'service.remove', id: await world.freeService() },
        ],
        within(),
      )
      const after = [`${serviceKey(id)} wrr`, '  127.0.0.1:84 1', '  127.0.0.1:82 1', '  127.0.0.1:81 7']
      expect(await tableOf(world.engine)).toEqual(after)
    })

    test('an update keeps the server where it stands in the order; one that comes back is the newest', async () => {
      await using world = await open()
      const id = await world.freeService()
      const ports = [81, 82, 83]
      await world.engine.apply(
        [addService(aService(id)), ...ports.map((port) => addServer(id, aServer(port)))],
        within(),
      )
      await world.engine.apply([{ kind: 'server.update', id, server: aServer(81, { weight: 5 }) }], within())
      await world.engine.apply([{ kind: 'server.remove', id, server: aServer(82) }], within())
      await world.engine.apply([addServer(id, aServer(82))], within())
      expect((await tableOf(world.engine)).slice(1)).toEqual([
        '  127.0.0.1:82 1',
        '  127.0.0.1:83 1',
        '  127.0.0.1:81 5',
      ])
    })

    test('removing a service takes its servers along, and its address is free again', async () => {
      await using world = await open()
      const id = await world.freeService()
      await world.engine.apply([addService(aService(id)), addServer(id, aServer(81))], within())
      await world.engine.apply([{ kind: 'service.remove', id }], within())
      expect(await world.engine.read(within())).toEqual([])
      await world.engine.apply([addService(aService(id))], within())
      expect(await tableOf(world.engine)).toEqual([`${serviceKey(id)} rr`])
    })

    test('changes are made in order, also when a service goes and comes back in one apply', async () => {
      await using world = await open()
      const id = await world.freeService()
      await world.engine.apply([addService(aService(id)), addServer(id, aServer(81))], within())
      const again = [addService(aService(id, { scheduler: 'lc' })), addServer(id, aServer(82))]
      await world.engine.apply([{ kind: 'service.remove', id }, ...again], within())
      expect(await tableOf(world.engine)).toEqual([`${serviceKey(id)} lc`, '  127.0.0.1:82 1'])
    })

    test('a change that cannot be made is refused, and none of its company is made', async () => {
      await using world = await open()
      const id = await world.freeService()
      const other: ServiceId = { kind: 'address', protocol: 'udp', address: '127.0.0.1', port: 9 }
      await world.engine.apply([addService(aService(id)), addServer(id, aServer(81))], within())
      const before = await tableOf(world.engine)
      const orphan = [{ kind: 'service.remove', id } as const, addServer(id, aServer(82))]
      expect(await errorOf(world.engine.apply(orphan, within()))).toMatchObject({
        code: 'not-found',
        subject: serviceKey(id),
      })
      const proxied = [addServer(id, aServer(83)), addService(aService(other, { proxyProtocol: 'v2' }))]
      const refusal = await errorOf(world.engine.apply(proxied, within()))
      expect(refusal).toMatchObject({ code: 'unsupported', subject: serviceKey(other) })
      expect(await tableOf(world.engine)).toEqual(before)
    })

    test('what the capabilities deny is refused by name', async () => {
      await using world = await open()
      const { engine } = world
      const id = await world.freeService()
      const tries: { can: boolean; change: EngineChange }[] = [
        { can: engine.capabilities.fwmark, change: addService(aService({ kind: 'fwmark', mark: 5, family: 'ipv4' })) },
        { can: engine.capabilities.onePacket, change: addService(aService(id, { onePacket: true })) },
        { can: engine.capabilities.schedulers.includes('mh'), change: addService(aService(id, { scheduler: 'mh' })) },
        {
          can: engine.capabilities.forwarding.includes('direct'),
          change: addServer(id, aServer(80, { forwarding: 'direct' })),
        },
      ]
      for (const { can, change } of tries) {
        if (can) continue
        const error = await errorOf(engine.apply([addService(aService(id)), change], within()))
        expect(error.code).toBe('unsupported')
        expect(error.hint).toBeDefined()
      }
      if (tries.some(({ can }) => !can)) expect(await engine.read(within())).toEqual([])
    })

    test('an aborted call says so and changes nothing', async () => {
      await using world = await open()
      const id = await world.freeService()
      const aborted = { signal: AbortSignal.abort() }
      expect((await errorOf(world.engine.apply([addService(aService(id))], aborted))).code).toBe('cancelled')
      expect((await errorOf(world.engine.read(aborted))).code).toBe('cancelled')
      expect(await world.engine.read(within())).toEqual([])
    })

    test('calls made at once take effect one after the other', async () => {
      await using world = await open()
      const id = await world.freeService()
      const weights = Array.from({ length: 20 }, (_, weight) => weight)
      await world.engine.apply([addService(aService(id))], within())
      await Promise.all(weights.map((weight) => world.engine.apply([addServer(id, aServer(81, { weight }))], within())))
      expect((await tableOf(world.engine)).slice(1)).toEqual(['  127.0.0.1:81 19'])
    })

    test('any sequence of changes leaves the table that a plain model has', async () => {
      await using world = await open()
      const ids = [await world.freeService(), await world.freeService(), await world.freeService('udp')]
      await fc.assert(
        fc.asyncProperty(fc.array(anyChange(ids), { maxLength: 25 }), async (changes) => {
          await world.engine.apply(
            ids.map((id) => ({ kind: 'service.remove', id })),
            within(),
          )
          const model = new Map<string, { scheduler: string; servers: [string, number][] }>()
          for (const change of changes) {
            const isOrphan = change.kind === 'server.add' && !model.has(serviceKey(change.id))
            const outcome = await world.engine.apply([change], within()).catch((error: unknown) => error)
            if (isOrphan) expect(isInfraError(outcome, 'not-found')).toBe(true)
            else {
              expect(outcome).toBeUndefined()
              applyToModel(model, change)
            }
          }
          expect(await tableOf(world.engine)).toEqual(
            [...model].flatMap(([key, { scheduler, servers }]) => [
              `${key} ${scheduler}`,
              ...servers.map(([server, weight]) => `  ${server} ${weight}`),
            ]),
          )
        }),
        { numRuns: 40 },
      )
    })
  })
}

type Model = Map<string, { scheduler: string; servers: [string, number][] }>

function anyChange(ids: readonly ServiceId[]): fc.Arbitrary<TableChange> {
  const id = fc.constantFrom(...ids)
  const server = fc.record({ port: fc.integer({ min: 81, max: 84 }), weight: fc.nat(3) })
  const scheduler = fc.constantFrom<SchedulerName>('rr', 'wrr', 'lc', 'wlc')
  return fc.oneof(
    fc.record({ id, scheduler }).map(({ id, scheduler }) => addService(aService(id, { scheduler }))),
    id.map((id): TableChange => ({ kind: 'service.remove', id })),
    fc.record({ id, server }).map(({ id, server }) => addServer(id, aServer(server.port, { weight: server.weight }))),
    fc
      .record({ id, server })
      .map(({ id, server }): TableChange => ({ kind: 'server.remove', id, server: aServer(server.port) })),
  )
}

function applyToModel(model: Model, change: TableChange): void {
  switch (change.kind) {
    case 'service.add':
    case 'service.update': {
      const key = serviceKey(change.service.id)
      model.set(key, { scheduler: change.service.scheduler, servers: model.get(key)?.servers ?? [] })
      return
    }
    case 'service.remove':
      model.delete(serviceKey(change.id))
      return
    case 'server.add':
    case 'server.update': {
      const servers = model.get(serviceKey(change.id))?.servers ?? []
      const present = servers.find(([key]) => key === realServerKey(change.server))
      if (present === undefined) servers.unshift([realServerKey(change.server), change.server.weight])
      else present[1] = change.server.weight
      return
    }
    case 'server.remove': {
      const service = model.get(serviceKey(change.id))
      if (service !== undefined)
        service.servers = service.servers.filter(([key]) => key !== realServerKey(change.server))
    }
  }
}
