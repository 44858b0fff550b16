/** Very many changes at once: made in stretches, with other work between, and still as one. */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type EbpfEngine, ebpfEngine } from '../../src/engines/ebpf/ebpf.ts'
import { within } from '../../src/engines/engine.contract.ts'
import type { EngineChange } from '../../src/engines/engine.ts'
import { isInfraError } from '../../src/errors.ts'
import type { ServiceId } from '../../src/lvs/service.ts'
import { enterNewNamespace, openBpfWorld } from './world.ts'

const services = 400
const serversEach = 10

const idOf = (service: number): ServiceId => ({
  kind: 'address',
  protocol: 'tcp',
  address: '10.50.0.1',
  port: 1000 + service,
})
const real = { port: 80, weight: 1, upperThreshold: 0, lowerThreshold: 0, forwarding: 'masq' } as const
const many = Array.from({ length: services }, (_, service): EngineChange[] => {
  const id = idOf(service)
  return [
    { kind: 'service.add', service: { id, scheduler: 'mh', schedulerFlags: [], onePacket: false } },
    ...Array.from({ length: serversEach }, (_, host): EngineChange => {
      return { kind: 'server.add', id, server: { ...real, address: `10.50.1.${host + 1}` } }
    }),
  ]
}).flat()

async function withEngine(body: (engine: EbpfEngine) => Promise<void>): Promise<void> {
  await using world = await openBpfWorld()
  await using _namespace = await enterNewNamespace()
  const limits = { connections: 1024, templates: 1024, services: 1024, servers: 8192, 'table-entries': 8_388_608 }
  await using engine = await ebpfEngine({ ...world, limits })
  await body(engine)
}

/** Turns of the event loop until it is settled. */
async function turnsUntil(work: Promise<unknown>): Promise<number> {
  let turns = 0
  const counting = setInterval(() => (turns += 1), 0)
  await work.finally(() => clearInterval(counting))
  return turns
}

test('other work goes on meanwhile, and whoever reads has all of it', async () => {
  await withEngine(async (engine) => {
    const applied = engine.apply(many, within())
    const read = engine.read(within())
    expect(await turnsUntil(applied)).toBeGreaterThan(5)
    await applied
    const found = await read
    expect([found.length, found.every(({ servers }) => servers.length === serversEach)]).toEqual([services, true])
  })
})

test('a change at their end that cannot be made leaves nothing of those before it, nor does a call that is aborted', async () => {
  await withEngine(async (engine) => {
    const stranger: EngineChange = { kind: 'server.add', id: idOf(services), server: { ...real, address: '10.50.1.1' } }
    await expect(engine.apply([...many, stranger], within())).rejects.toMatchObject({ code: 'not-found' })
    expect(await engine.read(within())).toEqual([])
    const asked = new AbortController()
    const applied = engine.apply(many, { signal: asked.signal })
    await setImmediate()
    await setImmediate()
    asked.abort()
    await expect(applied).rejects.toSatisfy((error) => isInfraError(error, 'cancelled'))
    expect(await engine.read(within())).toEqual([])
  })
})

test('an engine that ends meanwhile says so', async () => {
  let refused: Promise<void> | undefined
  await withEngine(async (engine) => {
    const applied = engine.apply(many, within())
    refused = expect(applied).rejects.toSatisfy((error) => isInfraError(error, 'cancelled'))
    await setImmediate()
  })
  await refused
})
