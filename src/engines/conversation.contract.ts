/** What every engine must do with connections, however they reach it: by packets made up, or over real sockets. */
import { describe, expect, test } from 'vitest'
import { eventually } from '../../labs/net/loopback.ts'
import type { Persistence, RealServer, Service, ServiceId } from '../lvs/service.ts'
import { addService, aService, within } from './engine.contract.ts'
import type { Connection, Engine, ServerSnapshot } from './engine.ts'

/** One client's connection, or its datagram and the answer to it. */
export type Conversation = { readonly server: RealServer; end(): Promise<void> }

export type ConversationWorld = AsyncDisposable & {
  readonly engine: Engine
  readonly id: ServiceId
  /** A real server that takes what comes; not in the table yet. The newest is first in the order of rr. */
  server(over?: Partial<RealServer>): Promise<RealServer>
  /** As client number `client`; undefined when nobody takes it. */
  converse(client?: number): Promise<Conversation | undefined>
}

export type OpenConversations = (protocol: 'tcp' | 'udp') => Promise<ConversationWorld>

const eachClient: Persistence = { timeoutSeconds: 300, mask: '255.255.255.255' }

export function conversationContract(name: string, open: OpenConversations): void {
  describe(`conversation contract: ${name}`, () => {
    test('thresholds close a server at the upper, and open it again below the lower only', async () => {
      await using world = await open('tcp')
      await install(world, {}, await world.server({ upperThreshold: 3, lowerThreshold: 2 }))
      const held = [await world.converse(), await world.converse(), await world.converse()]
      expect(held.every((one) => one !== undefined)).toBe(true)
      expect(await world.converse()).toBeUndefined()
      await held[0]?.end()
      await standing(world, 2)
      expect(await world.converse()).toBeUndefined()
      await held[1]?.end()
      await standing(world, 1)
      expect(await world.converse()).toBeDefined()
    })

    test('without a lower threshold it opens again below three quarters of the upper', async () => {
      await using world = await open('tcp')
      await install(world, {}, await world.server({ upperThreshold: 4 }))
      const held = []
      for (let count = 0; count < 4; count++) held.push(await world.converse())
      expect(await world.converse()).toBeUndefined()
      await held[0]?.end()
      await standing(world, 3)
      expect(await world.converse()).toBeUndefined()
      await held[1]?.end()
      await standing(world, 2)
      expect(await world.converse()).toBeDefined()
    })

    test('raising the upper threshold opens a server at once, lowering it closes it', async () => {
      await using world = await open('tcp')
      const server = await world.server({ upperThreshold: 1 })
      await install(world, {}, server)
      await world.converse()
      expect(await world.converse()).toBeUndefined()
      const edit = (upperThreshold: number): Promise<void> =>
        world.engine.apply([{ kind: 'server.update', id: world.id, server: { ...server, upperThreshold } }], within())
      await edit(3)
      expect(await world.converse()).toBeDefined()
      await edit(2)
      expect(await world.converse()).toBeUndefined()
    })

    test('without a scheduler nobody is taken, until there is one', async () => {
      await using world = await open('tcp')
      await install(world, { scheduler: 'none' }, await world.server())
      expect(await world.converse()).toBeUndefined()
      await world.engine.apply([{ kind: 'service.update', service: aService(world.id) }], within())
      expect(await world.converse()).toBeDefined()
    })

    test('a server that goes and comes back while its connections stand still counts them', async () => {
      await using world = await open('tcp')
      const server = await world.server()
      await install(world, {}, server)
      const held = await world.converse()
      await world.engine.apply([{ kind: 'server.remove', id: world.id, server }], within())
      expect(await world.converse()).toBeUndefined()
      await world.engine.apply([{ kind: 'server.add', id: world.id, server }], within())
      await standing(world, 1)
      expect(await world.converse()).toBeDefined()
      await held?.end()
      await standing(world, 1)
    })

    test('a client with a template keeps its server, past weight 0 and thresholds, and is listed with it', async (context) => {
      await using world = await open('tcp')
      if (!world.engine.capabilities.persistence) return context.skip('the engine has no persistence')
      const servers = [await world.server(), await world.server()]
      await install(world, { persistence: eachClient }, ...servers)
      const [first, other] = [await world.converse(1), await world.converse(2)]
      expect(first?.server.port).not.toBe(other?.server.port)
      const shut = { ...(first?.server ?? servers[0]), weight: 0, upperThreshold: 1 } as RealServer
      await world.engine.apply([{ kind: 'server.update', id: world.id, server: shut }], within())
      expect((await world.converse(1))?.server.port).toBe(first?.server.port)
      expect((await world.converse(3))?.server.port).toBe(other?.server.port)
      const templates = (await listed(world)).filter(({ client }) => client.port === 0)
      expect(templates).toHaveLength(3)
      expect(templates.map(({ server }) => server.port)).toEqual(
        expect.arrayContaining([first?.server.port, other?.server.port]),
      )
      expect(templates.every(({ state }) => state === 'ASSURED' || state === 'NONE')).toBe(true)
      const counts = (await snapshot(world)).map(({ persistent }) => persistent)
      expect(counts.toSorted()).toEqual([1, 2])
    })

    test('a template never leads to a server that is gone', async (context) => {
      await using world = await open('tcp')
      if (!world.engine.capabilities.persistence) return context.skip('the engine has no persistence')
      await install(world, { persistence: eachClient }, await world.server(), await world.server())
      const first = await world.converse(1)
      if (first === undefined) throw new Error('nobody took the client')
      await world.engine.apply([{ kind: 'server.remove', id: world.id, server: first.server }], within())
      const next = await world.converse(1)
      expect(next?.server.port).not.toBe(first.server.port)
      expect((await world.converse(1))?.server.port).toBe(next?.server.port)
    })

    test('one-packet scheduling asks the scheduler each time, counts, and leaves nothing standing', async (context) => {
      await using world = await open('udp')
      if (!world.engine.capabilities.onePacket) return context.skip('the engine has no one-packet scheduling')
      await install(world, { onePacket: true }, await world.server(), await world.server())
      const ports = []
      for (let count = 0; count < 4; count++) ports.push((await world.converse(1))?.server.port)
      expect(new Set(ports).size).toBe(2)
      expect(ports.slice(2)).toEqual(ports.slice(0, 2))
      expect((await listed(world)).filter(({ client }) => client.port !== 0)).toEqual([])
      const counts = await snapshot(world)
      expect(counts.map(({ active, inactive }) => active + inactive)).toEqual([0, 0])
      await eventually('four connections counted', async () => (await connectionsCounted(world)) === 4)
      await world.engine.zero(world.id, within())
      expect(await connectionsCounted(world)).toBe(0)
    })
  })
}

async function install(world: ConversationWorld, over: Partial<Service>, ...servers: RealServer[]): Promise<void> {
  const added = servers.map((server) => ({ kind: 'server.add', id: world.id, server }) as const)
  await world.engine.apply([addService(aService(world.id, over)), ...added], within())
}

async function snapshot(world: ConversationWorld): Promise<readonly ServerSnapshot[]> {
  const [found] = await world.engine.read(within())
  return found?.servers ?? []
}

async function connectionsCounted(world: ConversationWorld): Promise<number> {
  const [found] = await world.engine.read(within())
  return found?.counters.connections ?? 0
}

/** Where packets are looked at, one that was reset stands for 10 s more. */
const standingMs = 40_000

async function standing(world: ConversationWorld, count: number): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const servers = await snapshot(world)
    return servers.reduce((sum, { active, inactive }) => sum + active + inactive, 0) === count
  }
  await eventually(`${count} connections stand`, isSo, standingMs)
}

async function listed(world: ConversationWorld): Promise<Connection[]> {
  const connections: Connection[] = []
  for await (const connection of world.engine.connections(within())) connections.push(connection)
  return connections
}
