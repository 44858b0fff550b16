import { describe, expect, test } from 'vitest'
import { InfraError } from '../../errors.ts'
import type { ServiceId } from '../../lvs/service.ts'
import {
  addServer,
  addService,
  aServer,
  aService,
  type EngineUnderTest,
  engineContract,
  errorOf,
  within,
} from '../engine.contract.ts'
import type { Connection } from '../engine.ts'
import { engineStateContract } from '../engine-state.contract.ts'
import { portingContract } from '../porting.contract.ts'
import { fakeEngine } from './fake.ts'

const open = async (): Promise<EngineUnderTest> => {
  const engine = fakeEngine()
  let port = 8000
  return {
    engine,
    freeService: async (protocol = 'tcp') => ({ kind: 'address', protocol, address: '192.0.2.1', port: port++ }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

engineContract('fake', open)
engineStateContract('fake', open)
portingContract('fake', open)

const web: ServiceId = { kind: 'address', protocol: 'tcp', address: '192.0.2.1', port: 80 }

describe('fake engine', () => {
  test('made-up connections are placed by the scheduler, counted, and listed until they close', async () => {
    await using engine = fakeEngine()
    await engine.apply([addService(aService(web)), addServer(web, aServer(81)), addServer(web, aServer(82))], within())
    const first = engine.traffic.connect(web)
    const second = engine.traffic.connect(web)
    expect([first?.server.port, second?.server.port]).toEqual([82, 81])
    const [before] = await engine.read(within())
    first?.transfer({ in: 10, out: 2000 })
    second?.halfClose()
    const [snapshot] = await engine.read(within())
    expect(snapshot?.servers.map(({ active, inactive }) => [active, inactive])).toEqual([
      [1, 0],
      [0, 1],
    ])
    expect(snapshot?.counters.connections).toBe(2)
    expect((snapshot?.counters.bytesIn ?? 0) - (before?.counters.bytesIn ?? 0)).toBe(10)
    expect((snapshot?.counters.bytesOut ?? 0) - (before?.counters.bytesOut ?? 0)).toBe(2000)
    second?.close()
    const listed: Connection[] = []
    for await (const connection of engine.connections(within())) listed.push(connection)
    expect(listed.map(({ server, state }) => [server.port, state])).toEqual([[82, 'ESTABLISHED']])
  })

  test('a connection outlives the removal of its server, which is not counted any more', async () => {
    await using engine = fakeEngine()
    await engine.apply([addService(aService(web)), addServer(web, aServer(81))], within())
    const connection = engine.traffic.connect(web)
    const [before] = await engine.read(within())
    await engine.apply([{ kind: 'server.remove', id: web, server: aServer(81) }], within())
    expect(engine.traffic.connect(web)).toBeUndefined()
    connection?.transfer({ in: 5, out: 5 })
    expect((await engine.read(within()))[0]?.counters).toEqual(before?.counters)
    connection?.close()
  })

  test('it takes firewall marks, every scheduler but twos, and every forwarding', async () => {
    await using engine = fakeEngine()
    const id: ServiceId = { kind: 'fwmark', mark: 7, family: 'ipv6' }
    for (const scheduler of engine.capabilities.schedulers) {
      const service = aService(id, { scheduler, persistence: { timeoutSeconds: 300, mask: '128' } })
      const server = aServer(0, { forwarding: 'tunnel', upperThreshold: 5 })
      await engine.apply([addService(service), addServer(id, server)], within())
    }
    expect(engine.traffic.connect(id, { server: aServer(0) })?.server.port).toBe(80)
    const twos = engine.apply([addService(aService(id, { scheduler: 'twos' }))], within())
    expect((await errorOf(twos)).code).toBe('unsupported')
  })

  test('a failure can be ordered, and changes nothing', async () => {
    await using engine = fakeEngine()
    engine.traffic.failNextApply(new InfraError('busy', 'taken', { subject: 'x' }))
    expect((await errorOf(engine.apply([addService(aService(web))], within()))).code).toBe('busy')
    expect(await engine.read(within())).toEqual([])
  })

  test('with a clock time passes by it', async () => {
    let now = 1_000_000
    await using engine = fakeEngine({ nowMs: () => now })
    await engine.apply([addService(aService(web)), addServer(web, aServer(81))], within())
    engine.receive({
      protocol: 'tcp',
      flags: { syn: true },
      source: { address: '198.51.100.1', port: 1 },
      destination: { address: '192.0.2.1', port: 80 },
      bytes: 60,
    })
    now += 59_999
    expect((await engine.read(within()))[0]?.servers[0]).toMatchObject({ active: 1, counters: { connections: 1 } })
    now += 1
    expect((await engine.read(within()))[0]?.servers[0]).toMatchObject({ active: 0, inactive: 0 })
  })
})
