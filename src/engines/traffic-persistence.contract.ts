/** The traffic contract, continued: persistence, the SIP engine, and one-packet scheduling. */
import { describe, expect, test } from 'vitest'
import { eventually, sleep } from '../../labs/net/loopback.ts'
import type { Persistence, Service } from '../lvs/service.ts'
import { addServer, aServer, aService } from './engine.contract.ts'
import type { Connection } from './engine.ts'
import {
  hold,
  namedServers,
  type OpenEngine,
  openTrafficWorld,
  type TrafficWorld,
  udpServers,
  whatComes,
} from './traffic-world.contract.ts'

const eachClient: Persistence = { timeoutSeconds: 300, mask: '255.255.255.255' }
const persistent = (over: Partial<Persistence> = {}): Partial<Service> => ({ persistence: { ...eachClient, ...over } })

/** From these clients, one after the other; each connection stays open. */
async function namesFor(world: TrafficWorld, ...clients: string[]): Promise<string> {
  let names = ''
  for (const client of clients) names += (await hold(world, client)).name
  return names
}

async function templatesOf(world: TrafficWorld): Promise<Connection[]> {
  return (await world.connections()).filter(({ state }) => state === 'NONE' || state === 'ASSURED')
}

export function persistenceContract(name: string, open: OpenEngine): void {
  describe(`persistence contract: ${name}`, () => {
    test('a client comes back to its server, the next client gets the next', async () => {
      await using world = await openTrafficWorld(open, persistent())
      const [second, third] = await namedServers(world, [1, 1])
      expect(await namesFor(world, '127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.2')).toBe('33232')
      expect(third && (await world.server(third))).toMatchObject({
        persistent: 1,
        active: 3,
        counters: { connections: 3 },
      })
      const [first, ...others] = await templatesOf(world)
      expect(others).toHaveLength(1)
      expect(first).toMatchObject({
        protocol: 'tcp',
        client: { address: '127.0.0.1', port: 0 },
        service: { address: world.id.address, port: world.id.port },
        server: { address: '127.0.0.1', port: third?.port },
        state: 'ASSURED',
      })
      expect(first?.expiresSeconds).toBeGreaterThan(290)
      expect(second && (await world.server(second))?.persistent).toBe(1)
    })

    test('a mask makes one client of a network', async () => {
      await using world = await openTrafficWorld(open, persistent({ mask: '255.255.255.0' }))
      await namedServers(world, [1, 1])
      expect(await namesFor(world, '127.0.0.1', '127.0.0.9', '127.0.1.1', '127.0.0.77', '127.0.1.7')).toBe('33232')
      expect((await templatesOf(world)).map(({ client }) => client.address)).toEqual(['127.0.0.0', '127.0.1.0'])
    })

    test('a prefix does so for IPv6', async () => {
      await using world = await openTrafficWorld(open, persistent({ mask: '64' }), '::1')
      const place = await world.net.tcpServer((socket) => void socket.write('6'), '::1')
      await world.apply(addServer(world.id, aServer(place.port, { address: '::1' })))
      expect(await namesFor(world, '::1', '::1')).toBe('66')
      expect((await templatesOf(world)).map(({ client }) => client.address)).toEqual(['::'])
    })

    test('a template leads to a drained server, and to one over its threshold', async () => {
      await using world = await openTrafficWorld(open, persistent())
      const [, third] = await namedServers(world, [1, 1])
      const port = third?.port ?? 0
      expect(await namesFor(world, '127.0.0.1')).toBe('3')
      await world.apply(addServer(world.id, aServer(port, { weight: 0 })))
      expect(await namesFor(world, '127.0.0.1', '127.0.0.2', '127.0.0.3')).toBe('322')
      await world.apply(addServer(world.id, aServer(port, { upperThreshold: 2 })))
      expect(await namesFor(world, '127.0.0.1', '127.0.0.4')).toBe('32')
    })

    test('with expire_quiescent_template it does not lead to a drained one', async () => {
      await using world = await openTrafficWorld(open, persistent())
      const [, third] = await namedServers(world, [1, 1])
      expect(await namesFor(world, '127.0.0.1')).toBe('3')
      await world.apply(
        { kind: 'settings', settings: { sysctls: { expire_quiescent_template: 1 } } },
        addServer(world.id, aServer(third?.port ?? 0, { weight: 0 })),
      )
      expect(await namesFor(world, '127.0.0.1', '127.0.0.1')).toBe('22')
    })

    test('a template gives way when its server cannot be reached', async () => {
      await using world = await openTrafficWorld(open, persistent())
      const [second, third] = await namedServers(world, [1, 1])
      expect(await namesFor(world, '127.0.0.1')).toBe('3')
      await third?.stop()
      expect(await namesFor(world, '127.0.0.1', '127.0.0.1')).toBe('22')
      expect(third && (await world.server(third))).toMatchObject({ persistent: 0, connectFailures: 1 })
      expect(second && (await world.server(second))).toMatchObject({ persistent: 1, active: 2 })
      expect(await templatesOf(world)).toHaveLength(1)
    })

    test('a template ends after its time, but not while a connection stands under it', async () => {
      await using world = await openTrafficWorld(open, persistent({ timeoutSeconds: 1 }))
      const [, third] = await namedServers(world, [1, 1])
      const { socket } = await hold(world, '127.0.0.1')
      await sleep(1200)
      expect((await hold(world, '127.0.0.1')).name).toBe('3')
      const [template] = await templatesOf(world)
      expect(template?.expiresSeconds).toBeGreaterThan(50)
      socket.destroy()
      const { name, socket: other } = await hold(world, '127.0.0.2')
      expect(name).toBe('2')
      other.destroy()
      await eventually('that of the client that has left is gone', async () => (await templatesOf(world)).length === 1)
      expect(third && (await world.server(third))?.persistent).toBe(1)
      expect((await hold(world, '127.0.0.2')).name).not.toBe('')
    })

    test('a template of a removed server leads elsewhere, and there again when the server returns first', async () => {
      await using world = await openTrafficWorld(open, persistent())
      const [, third] = await namedServers(world, [1, 1])
      const port = third?.port ?? 0
      const held = [await hold(world, '127.0.0.1'), await hold(world, '127.0.0.2')]
      expect(held.map(({ name }) => name).join('')).toBe('32')
      for (const { socket } of held) socket.destroy()
      await eventually('only the templates are left', async () => (await world.connections()).length === 2)
      await world.apply({ kind: 'server.remove', id: world.id, server: aServer(port) })
      await sleep(600)
      await world.apply(addServer(world.id, aServer(port)))
      expect(await namesFor(world, '127.0.0.3', '127.0.0.1')).toBe('33')
      await world.apply({ kind: 'server.remove', id: world.id, server: aServer(port) })
      expect(await namesFor(world, '127.0.0.1')).toBe('2')
      await world.apply(addServer(world.id, aServer(port)))
      expect(await namesFor(world, '127.0.0.1')).toBe('2')
    })

    test('templates go with their service', async () => {
      await using world = await openTrafficWorld(open, persistent())
      await namedServers(world, [1])
      await namesFor(world, '127.0.0.1', '127.0.0.2')
      await world.apply({ kind: 'service.remove', id: world.id })
      await eventually('they are gone', async () => (await templatesOf(world)).length === 0)
    })

    test('a client that nobody can serve leaves no template', async () => {
      await using world = await openTrafficWorld(open, persistent())
      await namedServers(world, [0])
      expect(await whatComes(world)).toBe('reset')
      expect(await world.connections()).toEqual([])
    })

    test('datagrams keep to their client’s server across its ports, assured by the first answer', async () => {
      await using world = await openTrafficWorld(open, persistent(), '127.0.0.1', 'udp')
      const silent = await world.net.freePlace('127.0.0.1', 'udp')
      await world.apply(addServer(world.id, aServer(silent.port)))
      await (await world.net.udpClient()).ask(world.id, 'x', 100)
      expect(await templatesOf(world)).toMatchObject([{ protocol: 'udp', state: 'NONE' }])
      await world.apply({ kind: 'server.remove', id: world.id, server: aServer(silent.port) })
      await udpServers(world, 2)
      const [one, two] = [await world.net.udpClient(), await world.net.udpClient()]
      expect([await one.ask(world.id, 'a'), await two.ask(world.id, 'b')]).toEqual(['3 a', '3 b'])
      await eventually('it is assured', async () => (await templatesOf(world)).at(-1)?.state === 'ASSURED')
    })
  })
}

const sip = (callId: string): string => `OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\nCall-ID: ${callId}\r\n\r\n`

/** Which server answered, of an answer as `udpServers` give it. */
const nameOf = (answer: string | undefined): string | undefined => answer?.slice(0, 1)

export function onePacketContract(name: string, open: OpenEngine): void {
  describe(`one-packet contract: ${name}`, () => {
    test('each datagram is scheduled by itself, and every answer reaches its client', async () => {
      await using world = await openTrafficWorld(open, { onePacket: true }, '127.0.0.1', 'udp')
      const [second, third] = await udpServers(world, 2)
      const [one, two] = [await world.net.udpClient(), await world.net.udpClient()]
      const answers = []
      for (const client of [one, two, one, one, two]) answers.push(await client.ask(world.id, 'q'))
      expect(answers).toEqual(['3 q', '2 q', '3 q', '2 q', '3 q'])
      expect(await world.connections()).toEqual([])
      expect(third && (await world.server(third))).toMatchObject({
        active: 0,
        inactive: 0,
        counters: { connections: 3, packetsIn: 3, packetsOut: 3 },
      })
      expect(second && (await world.server(second))).toMatchObject({ inactive: 0, counters: { connections: 2 } })
    })

    test('a server in the place of one that is gone gets its own datagrams', async () => {
      await using world = await openTrafficWorld(open, { onePacket: true }, '127.0.0.1', 'udp')
      const [gone] = await udpServers(world, 1)
      const client = await world.net.udpClient()
      expect(await client.ask(world.id, 'q')).toBe('2 q')
      await world.apply({ kind: 'server.remove', id: world.id, server: aServer(gone?.port ?? 0) })
      await sleep(600)
      const { port } = await world.net.udpServer((text) => `new ${text}`)
      await world.apply(addServer(world.id, aServer(port)))
      expect(await client.ask(world.id, 'q')).toBe('new q')
    })

    test('calls keep to their server, whoever sends and to whichever port', async () => {
      const service = { ...persistent({ engine: 'sip' }), onePacket: true }
      await using world = await openTrafficWorld(open, service, '127.0.0.1', 'udp')
      await udpServers(world, 2)
      const [one, two] = [await world.net.udpClient(), await world.net.udpClient()]
      const names = []
      for (const [client, call] of [
        [one, 'first@host'],
        [one, 'second@host'],
        [two, 'first@host'],
        [two, 'second@host'],
        [one, 'first@host'],
      ] as const)
        names.push(nameOf(await client.ask(world.id, sip(call))))
      expect(names).toEqual(['3', '2', '3', '2', '3'])
      const listed = await templatesOf(world)
      expect(listed.map(({ persistenceData }) => persistenceData)).toEqual([
        { engine: 'sip', data: 'first@host' },
        { engine: 'sip', data: 'second@host' },
      ])
    })

    test('a datagram without a call of a service with the engine sip is dropped', async () => {
      await using world = await openTrafficWorld(open, persistent({ engine: 'sip' }), '127.0.0.1', 'udp')
      await udpServers(world, 1)
      const client = await world.net.udpClient()
      expect(await client.ask(world.id, 'no call', 100)).toBeUndefined()
      expect(nameOf(await client.ask(world.id, sip('a@b')))).toBe('2')
    })

    test('a service may begin and cease to be scheduled packet by packet', async () => {
      await using world = await openTrafficWorld(open, {}, '127.0.0.1', 'udp')
      await udpServers(world, 2)
      const client = await world.net.udpClient()
      const names = async (): Promise<(string | undefined)[]> => [
        nameOf(await client.ask(world.id, 'q')),
        nameOf(await client.ask(world.id, 'q')),
      ]
      expect(await names()).toEqual(['3', '3'])
      await world.apply({ kind: 'service.update', service: aService(world.id, { onePacket: true }) })
      expect(await names()).toEqual(['2', '3'])
      await world.apply({ kind: 'service.update', service: aService(world.id) })
      expect(await names()).toEqual(['3', '3'])
      expect(await world.connections()).toHaveLength(1)
    })
  })
}
