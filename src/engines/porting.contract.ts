/** The engine contract, continued: connections that are handed from one director's engine to another's. */
import { describe, expect, test } from 'vitest'
import { addressText } from '../lvs/address.ts'
import type { ConnectionState } from '../lvs/connection-state.ts'
import type { PortableConnection } from '../lvs/portable-connection.ts'
import { type Endpoint, type Service, type ServiceId, serviceKey } from '../lvs/service.ts'
import { defaultTellingRules } from '../lvs/telling.ts'
import { addServer, addService, aServer, aService, type EngineUnderTest, errorOf, within } from './engine.contract.ts'
import type { Connection, Engine, ServerSnapshot } from './engine.ts'

type Open = () => Promise<EngineUnderTest>
type AddressId = Extract<ServiceId, { readonly kind: 'address' }>

const port = 8080
const newest = aServer(port, { address: '10.9.0.3' })
const older = aServer(port, { address: '10.9.0.2' })

function ported(id: AddressId, client: Endpoint, over: Partial<PortableConnection> = {}): PortableConnection {
  return {
    kind: 'connection',
    protocol: id.protocol,
    client,
    service: { address: id.address, port: id.port },
    server: { address: older.address, port },
    mark: 0,
    forwarding: 'masq',
    isInputOnly: false,
    state: id.protocol === 'udp' ? 'UDP' : 'ESTABLISHED',
    timeoutSeconds: 600,
    ...over,
  }
}

const template = (id: AddressId, over: Partial<PortableConnection> = {}): PortableConnection =>
  ported(id, { address: '198.51.100.0', port: 0 }, { kind: 'template', state: 'ASSURED', timeoutSeconds: 300, ...over })

async function addressService(world: EngineUnderTest, protocol: 'tcp' | 'udp' = 'tcp'): Promise<AddressId> {
  const id = await world.freeService(protocol)
  if (id.kind !== 'address') throw new Error('no address')
  return id
}

async function opened(
  world: EngineUnderTest,
  over: Partial<Service> = {},
  protocol: 'tcp' | 'udp' = 'tcp',
): Promise<AddressId> {
  const id = await addressService(world, protocol)
  await world.engine.apply([addService(aService(id, over)), addServer(id, older), addServer(id, newest)], within())
  return id
}

async function exported(engine: Engine): Promise<PortableConnection[]> {
  const all: PortableConnection[] = []
  for await (const batch of engine.exportConnections(within())) all.push(...batch)
  return all.sort(byText)
}

async function listed(engine: Engine): Promise<Connection[]> {
  const all: Connection[] = []
  for await (const connection of engine.connections(within())) all.push(connection)
  return all.sort(byText)
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}

/** Time passes between two looks. */
function aboutSame(connection: PortableConnection): unknown {
  return { ...connection, timeoutSeconds: Math.ceil(connection.timeoutSeconds / 10) }
}

async function serverCounts(engine: Engine, id: ServiceId): Promise<Record<string, readonly [number, number, number]>> {
  const [snapshot] = await engine.read({ ...within(), only: [id] })
  const counts = ({ active, inactive, persistent }: ServerSnapshot) => [active, inactive, persistent] as const
  return Object.fromEntries((snapshot?.servers ?? []).map((one) => [one.server.address, counts(one)]))
}

/** For engines that import all. */
export function portingContract(name: string, open: Open): void {
  describe(`porting contract: ${name}`, () => {
    test('what it takes is listed, counted as its state says, and exported again the same', async () => {
      await using world = await open()
      const id = await opened(world)
      const states: ConnectionState[] = ['ESTABLISHED', 'FIN_WAIT', 'TIME_WAIT', 'CLOSE_WAIT', 'CLOSE']
      const batch = states.map((state, at) => ported(id, { address: '198.51.100.7', port: 4000 + at }, { state }))
      const answer = await world.engine.takeConnections(batch, within())
      expect(answer).toEqual({ taken: 5, updated: 0, waiting: 0, refused: {} })
      expect((await exported(world.engine)).map(aboutSame)).toEqual(batch.toSorted(byText).map(aboutSame))
      const list = await listed(world.engine)
      expect(list.map(({ state }) => state).toSorted()).toEqual(states.toSorted())
      expect(list[0]).toMatchObject({ server: { address: older.address, port }, protocol: 'tcp' })
      expect(await serverCounts(world.engine, id)).toEqual({ '10.9.0.3': [0, 0, 0], '10.9.0.2': [1, 4, 0] })
      // As the kernel counts them.
      expect((await world.engine.read(within()))[0]?.counters.connections).toBe(0)
    })

    test('what one exports another takes: their listings are equal', async () => {
      await using one = await open()
      const id = await opened(one, { persistence: { timeoutSeconds: 300, mask: '255.255.255.0' } })
      const clients = Array.from({ length: 700 }, (_, at) => ({ address: '198.51.100.9', port: 1024 + at }))
      const servers = [older, newest]
      const batch = clients.map((client, at) =>
        ported(id, client, { server: { address: servers[at % 2]?.address ?? '', port } }),
      )
      await one.engine.takeConnections([...batch, template(id)], within())
      const [all, list] = [await exported(one.engine), await listed(one.engine)]
      expect(list).toHaveLength(701)
      const counts = await serverCounts(one.engine, id)
      expect(counts).toEqual({ '10.9.0.3': [350, 0, 0], '10.9.0.2': [350, 0, 1] })

      await using other = await open()
      const table = (await one.engine.read(within()))[0]?.service
      if (table === undefined) throw new Error('no service')
      await other.engine.apply([addService(table), addServer(id, older), addServer(id, newest)], within())
      await other.engine.takeConnections(all, within())
      const still = (connection: Connection): unknown => ({ ...connection, expiresSeconds: 0 })
      expect((await listed(other.engine)).map(still)).toEqual(list.map(still))
      expect(await serverCounts(other.engine, id)).toEqual(counts)
    })

    test('the same again changes nothing, another state is taken over, and counts stay right', async () => {
      await using world = await open()
      const id = await opened(world)
      const client = { address: '198.51.100.7', port: 4000 }
      await world.engine.takeConnections([ported(id, client)], within())
      const again = await world.engine.takeConnections([ported(id, client)], within())
      expect(again).toMatchObject({ taken: 0, updated: 1 })
      await world.engine.takeConnections([ported(id, client, { state: 'FIN_WAIT', timeoutSeconds: 90 })], within())
      const [only, ...others] = await listed(world.engine)
      expect(others).toEqual([])
      expect(only?.state).toBe('FIN_WAIT')
      expect(only?.expiresSeconds).toBeLessThanOrEqual(90)
      expect(await serverCounts(world.engine, id)).toMatchObject({ '10.9.0.2': [0, 1, 0] })
      await world.engine.takeConnections([ported(id, client, { state: 'ESTABLISHED' })], within())
      expect(await serverCounts(world.engine, id)).toMatchObject({ '10.9.0.2': [1, 0, 0] })
    })

    test('one that has begun anew with another server takes its place; the end of the old one is not told any more', async () => {
      await using world = await open()
      const id = await opened(world)
      const client = { address: '198.51.100.7', port: 4000 }
      const server = { address: newest.address, port }
      await world.engine.takeConnections([ported(id, client)], within())
      await world.engine.takeConnections([ported(id, client, { server })], within())
      expect(await serverCounts(world.engine, id)).toEqual({ '10.9.0.3': [1, 0, 0], '10.9.0.2': [0, 0, 0] })
      await world.engine.takeConnections([ported(id, client, { state: 'TIME_WAIT' })], within())
      expect(await listed(world.engine)).toMatchObject([{ state: 'ESTABLISHED', server }])
    })

    test('a template is taken with its time, once, and stays with the server that it has', async () => {
      await using world = await open()
      const id = await opened(world, { persistence: { timeoutSeconds: 50, mask: '255.255.255.0' } })
      const first = await world.engine.takeConnections([template(id, { state: 'NONE' })], within())
      expect(first).toMatchObject({ taken: 1 })
      const server = { address: newest.address, port }
      expect(await world.engine.takeConnections([template(id, { server })], within())).toMatchObject({ updated: 1 })
      const list = await listed(world.engine)
      expect(list).toMatchObject([
        { client: { address: '198.51.100.0', port: 0 }, server: { address: older.address, port }, state: 'ASSURED' },
      ])
      expect(list[0]?.expiresSeconds).toBeGreaterThan(200)
      expect(await serverCounts(world.engine, id)).toEqual({ '10.9.0.3': [0, 0, 0], '10.9.0.2': [0, 0, 1] })
      expect(await exported(world.engine)).toEqual([template(id)])
    })

    test('datagrams and IPv6 go over, too', async () => {
      await using world = await open()
      const udp = await opened(world, {}, 'udp')
      const six: AddressId = { kind: 'address', protocol: 'tcp', address: '2001:db8::80', port: 80 }
      const server = aServer(port, { address: 'fd09::2' })
      await world.engine.apply([addService(aService(six)), addServer(six, server)], within())
      const batch = [
        ported(udp, { address: '198.51.100.7', port: 53 }),
        ported(six, { address: '2001:db8::1', port: 4000 }, { server: { address: server.address, port } }),
      ]
      expect(await world.engine.takeConnections(batch, within())).toMatchObject({ taken: 2 })
      expect((await exported(world.engine)).map(aboutSame)).toEqual(batch.toSorted(byText).map(aboutSame))
      expect(await serverCounts(world.engine, udp)).toMatchObject({ '10.9.0.2': [0, 1, 0] })
      expect(await serverCounts(world.engine, six)).toEqual({ 'fd09::2': [1, 0, 0] })
    })

    test('those of a firewall mark find its service, whatever their address', async () => {
      await using world = await open()
      const id: ServiceId = { kind: 'fwmark', mark: 9, family: 'ipv4' }
      const persistence = { timeoutSeconds: 300, mask: '255.255.255.255' }
      const server = aServer(0, { address: '10.9.0.2', forwarding: 'direct' })
      await world.engine.apply([addService(aService(id, { persistence })), addServer(id, server)], within())
      const about = { mark: 9, forwarding: 'direct', isInputOnly: true } as const
      const asked: AddressId = { kind: 'address', protocol: 'tcp', address: '203.0.113.80', port: 8443 }
      const connection = ported(
        asked,
        { address: '198.51.100.7', port: 4000 },
        {
          ...about,
          server: { address: '10.9.0.2', port: 8443 },
        },
      )
      const remembered: PortableConnection = {
        ...template(asked),
        ...about,
        isInputOnly: true,
        protocol: 'ip',
        client: { address: '198.51.100.7', port: 0 },
        service: { address: addressText(9n, 'ipv4'), port: 0 },
        server: { address: '10.9.0.2', port: 0 },
      }
      expect(await world.engine.takeConnections([connection, remembered], within())).toMatchObject({ taken: 2 })
      const both = [connection, remembered].toSorted(byText)
      expect((await exported(world.engine)).map(aboutSame)).toEqual(both.map(aboutSame))
      expect(await serverCounts(world.engine, id)).toEqual({ '10.9.0.2': [1, 0, 1] })
    })

    test('its forwarding is that of the server here', async () => {
      await using world = await open()
      const id = await addressService(world)
      const server = aServer(id.port, { address: '10.9.0.2', forwarding: 'tunnel' })
      await world.engine.apply([addService(aService(id)), addServer(id, server)], within())
      const client = { address: '198.51.100.7', port: 4000 }
      await world.engine.takeConnections([ported(id, client, { server })], within())
      expect(await exported(world.engine)).toMatchObject([{ forwarding: 'tunnel', isInputOnly: true }])
    })

    test('what comes before its server waits, and is bound once that is there and it is told again', async () => {
      await using world = await open()
      const id = await addressService(world)
      const client = { address: '198.51.100.7', port: 4000 }
      expect(await world.engine.takeConnections([ported(id, client)], within())).toMatchObject({ taken: 0, waiting: 1 })
      await world.engine.apply([addService(aService(id)), addServer(id, newest)], within())
      expect(await world.engine.takeConnections([ported(id, client)], within())).toMatchObject({ waiting: 1 })
      await world.engine.apply([addServer(id, older)], within())
      const last = await world.engine.takeConnections([ported(id, client)], within())
      expect([last.taken + last.updated, last.waiting]).toEqual([1, 0])
      expect(await serverCounts(world.engine, id)).toEqual({ '10.9.0.3': [0, 0, 0], '10.9.0.2': [1, 0, 0] })
      expect(await listed(world.engine)).toHaveLength(1)
    })

    test('what is taken counts towards thresholds', async () => {
      await using world = await open()
      const id = await addressService(world)
      await world.engine.apply([addService(aService(id)), addServer(id, { ...older, upperThreshold: 2 })], within())
      const clients = [4000, 4001, 4002].map((own) => ported(id, { address: '198.51.100.7', port: own }))
      expect(await world.engine.takeConnections(clients, within())).toMatchObject({ taken: 3 })
      expect(await serverCounts(world.engine, id)).toEqual({ '10.9.0.2': [3, 0, 0] })
    })

    test('a call that was aborted takes nothing, and following ends with its signal', async () => {
      await using world = await open()
      const id = await opened(world)
      const client = { address: '198.51.100.7', port: 4000 }
      const aborted = { signal: AbortSignal.abort() }
      expect((await errorOf(world.engine.takeConnections([ported(id, client)], aborted))).code).toBe('cancelled')
      expect(await listed(world.engine)).toEqual([])
      const ending = new AbortController()
      const changes = world.engine.changedConnections({ rules: defaultTellingRules, signal: ending.signal })
      ending.abort()
      for await (const { connections } of changes) expect(connections).toEqual([])
      expect(serviceKey(id)).not.toBe('')
    })
  })
}

/** For engines that hand over persistence templates and no connections: theirs are sockets. */
export function templatePortingContract(name: string, open: Open): void {
  describe(`porting contract, templates: ${name}`, () => {
    const persistence = { timeoutSeconds: 300, mask: '255.255.255.0' }

    test('templates are taken, listed, counted and exported again the same; connections are refused with the reason', async () => {
      await using world = await open()
      const { engine } = world
      expect(engine.capabilities.porting).toMatchObject({
        exports: 'templates',
        changes: 'templates',
        imports: 'templates',
      })
      const id = await opened(world, { persistence })
      const one = template(id)
      const connection = ported(id, { address: '198.51.100.7', port: 4000 })
      const answer = await engine.takeConnections([one, connection], within())
      expect(answer).toMatchObject({ taken: 1, updated: 0, waiting: 0 })
      expect(answer.refused).toEqual({ [engine.capabilities.porting.limit ?? '']: 1 })
      expect(await engine.takeConnections([one], within())).toMatchObject({ taken: 0, updated: 1 })
      expect(await listed(engine)).toMatchObject([{ client: one.client, server: one.server, state: 'ASSURED' }])
      expect(await serverCounts(engine, id)).toEqual({ '10.9.0.3': [0, 0, 0], '10.9.0.2': [0, 0, 1] })
      expect(await exported(engine)).toEqual([one])
    })

    test('what has changed is told once, and what is told of no server here waits to be told again', async () => {
      await using world = await open()
      const { engine } = world
      const id = await opened(world, { persistence })
      const other = template(id, { server: { address: '10.9.0.9', port } })
      expect(await engine.takeConnections([other], within())).toMatchObject({ taken: 0, waiting: 1 })
      await engine.takeConnections([template(id)], within())
      const ending = new AbortController()
      const told: PortableConnection[] = []
      for await (const { connections } of engine.changedConnections({
        rules: defaultTellingRules,
        signal: ending.signal,
      })) {
        told.push(...connections)
        ending.abort()
      }
      expect(told).toEqual([template(id)])
    })
  })
}
