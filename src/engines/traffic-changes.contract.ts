/** The traffic contract, continued: what changes of the table, failing servers and taken addresses do to connections. */
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { eventually, readText, readToEnd, sleep } from '../../labs/net/loopback.ts'
import type { SchedulerName } from '../lvs/service.ts'
import { addServer, addService, aServer, aService, errorOf, within } from './engine.contract.ts'
import { hold, namedServers, type OpenEngine, openTrafficWorld, picks, whatComes } from './traffic-world.contract.ts'

export function changesContract(name: string, open: OpenEngine): void {
  describe(`changes contract: ${name}`, () => {
    test('a drained server gets no new connection and finishes what it has', async () => {
      await using world = await openTrafficWorld(open)
      const place = await world.net.tcpServer((socket) => socket.pipe(socket))
      await world.apply(addServer(world.id, aServer(place.port)))
      const socket = await world.dial()
      socket.write('one')
      expect(await readText(socket)).toBe('one')
      await world.apply({ kind: 'server.update', id: world.id, server: aServer(place.port, { weight: 0 }) })
      expect(await whatComes(world)).toBe('reset')
      socket.write('two')
      expect(await readText(socket)).toBe('two')
      expect(await world.server(place)).toMatchObject({ active: 1 })
    })

    test('connections outlive the removal of their server, its return, and the removal of the service', async () => {
      await using world = await openTrafficWorld(open)
      const place = await world.net.tcpServer((socket) => socket.pipe(socket))
      await world.apply(addServer(world.id, aServer(place.port)))
      const socket = await world.dial()
      const echo = async (text: string): Promise<void> => {
        socket.write(text)
        expect(await readText(socket)).toBe(text)
      }
      await echo('one')
      await world.apply({ kind: 'server.remove', id: world.id, server: place })
      await echo('two')
      expect(await whatComes(world)).toBe('reset')
      await world.apply(addServer(world.id, aServer(place.port)))
      expect(await world.server(place)).toMatchObject({ active: 1, counters: { connections: 1, bytesIn: 6 } })
      await world.apply({ kind: 'service.remove', id: world.id })
      await echo('three')
      await expect(world.dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      await world.apply(addService(aService(world.id)), addServer(world.id, aServer(place.port)))
      await echo('four')
      expect(await world.server(place)).toMatchObject({ active: 0, counters: { connections: 0 } })
      socket.end().resume()
      await eventually('it ends', async () => (await world.connections()).length === 0)
    })

    test('no connection is dropped while the table changes under it', async () => {
      await using world = await openTrafficWorld(open)
      const places = [
        await world.net.tcpServer((socket) => socket.pipe(socket)),
        await world.net.tcpServer((socket) => socket.pipe(socket)),
      ]
      await world.apply(...places.map(({ port }) => addServer(world.id, aServer(port))))
      const until = { isDone: false }
      const talk = async (): Promise<number> => {
        const socket = await world.dial()
        let rounds = 0
        for (; !until.isDone; rounds++) {
          socket.write('ping')
          if ((await readText(socket)) !== 'ping') throw new Error('cut')
        }
        socket.end().resume()
        return rounds
      }
      const talking = Promise.all(Array.from({ length: 10 }, talk))
      const schedulers: SchedulerName[] = ['wlc', 'rr', 'wrr', 'lc']
      for (let round = 0; round < 40; round++) {
        const [one, two] = places
        const scheduler = schedulers[round % 4] ?? 'rr'
        await world.apply(
          { kind: 'service.update', service: aService(world.id, { scheduler }) },
          round % 2 === 0
            ? { kind: 'server.remove', id: world.id, server: aServer(one?.port ?? 0) }
            : addServer(world.id, aServer(one?.port ?? 0)),
          { kind: 'server.update', id: world.id, server: aServer(two?.port ?? 0, { weight: 1 + (round % 3) }) },
        )
      }
      until.isDone = true
      for (const rounds of await talking) expect(rounds).toBeGreaterThan(0)
    })

    test('a server that refuses gives way to the next, and the client notices nothing', async () => {
      await using world = await openTrafficWorld(open)
      const [second, third, fourth] = await namedServers(world, [1, 1, 1])
      await fourth?.stop()
      await third?.stop()
      expect(await picks(world, 4, 'close')).toBe('2222')
      const failed = fourth && (await world.server(fourth))
      expect(failed?.connectFailures).toBeGreaterThan(0)
      expect(failed).toMatchObject({ active: 0, inactive: 0, counters: { connections: 0 } })
      expect((await world.snapshot()).counters.connections).toBe(4)
      await second?.stop()
      expect(await whatComes(world)).toBe('reset')
    })

    test('what a client said before its server was found is not lost', async () => {
      await using world = await openTrafficWorld(open)
      const echo = await world.net.tcpServer((socket) => socket.pipe(socket))
      const dead = [await world.net.tcpServer(() => undefined), await world.net.tcpServer(() => undefined)]
      await world.apply(...[echo, ...dead].map(({ port }) => addServer(world.id, aServer(port))))
      for (const server of dead) await server.stop()
      const talk = async (text: string): Promise<string> => {
        const socket = connect({ port: world.id.port, host: world.id.address, allowHalfOpen: true })
        socket.end(text)
        return await readToEnd(socket)
      }
      const texts = Array.from({ length: 20 }, (_, index) => `early ${index}`)
      expect(await Promise.all(texts.map(talk))).toEqual(texts)
    })

    test('a client without any server is reset at once', async () => {
      await using world = await openTrafficWorld(open)
      const before = Date.now()
      expect(await whatComes(world)).toBe('reset')
      expect(Date.now() - before).toBeLessThan(1000)
    })

    test('a silent connection ends after its idle time, a busy one does not', async () => {
      await using world = await openTrafficWorld(open, { idleTimeoutSeconds: 1 })
      const place = await world.net.tcpServer((socket) => socket.on('end', () => socket.end()).pipe(socket))
      await world.apply(addServer(world.id, aServer(place.port)))
      const [silent, busy] = [await world.dial(), await world.dial()]
      silent.write('x')
      await readText(silent)
      const ended = readToEnd(silent)
      for (let round = 0; round < 7; round++) {
        busy.write('y')
        expect(await readText(busy)).toBe('y')
        await sleep(250)
      }
      expect(['', 'reset']).toContain(await ended)
      expect(await world.connections()).toHaveLength(1)
    })

    test.each([
      { name: 'below its lower one', upper: 3, lower: 2, stillClosed: [2], openAt: 1 },
      { name: 'below three quarters of it, without a lower one', upper: 4, lower: 0, stillClosed: [3], openAt: 2 },
      { name: 'without any, with a lower one of 1', upper: 3, lower: 1, stillClosed: [2, 1], openAt: 0 },
    ])(
      'a server at its upper threshold takes no client until it is $name',
      async ({ upper, lower, stillClosed, openAt }) => {
        await using world = await openTrafficWorld(open, { scheduler: 'lc' })
        if (!world.engine.capabilities.thresholds) return
        const [place] = await namedServers(world, [1])
        const limits = { upperThreshold: upper, lowerThreshold: lower }
        await world.apply(addServer(world.id, aServer(place?.port ?? 0, limits)))
        const held: Awaited<ReturnType<typeof hold>>[] = []
        for (let made = 0; made < upper; made++) held.push(await hold(world))
        const leave = async (left: number): Promise<void> => {
          while (held.length > left) held.pop()?.socket.end().resume()
          await eventually(`${left} are left`, async () => (await world.connections()).length === left)
        }
        expect(await whatComes(world)).toBe('reset')
        for (const left of stillClosed) {
          await leave(left)
          expect(await whatComes(world)).toBe('reset')
        }
        await leave(openAt)
        expect((await hold(world)).name).toBe('2')
      },
    )

    test('IPv6 services reach IPv6 and IPv4 servers', async () => {
      await using world = await openTrafficWorld(open, {}, '::1')
      const six = await world.net.tcpServer((socket) => void socket.end('six').resume(), '::1')
      const four = await world.net.tcpServer((socket) => void socket.end('four').resume())
      await world.apply(
        addServer(world.id, aServer(six.port, { address: '::1' })),
        addServer(world.id, aServer(four.port)),
      )
      const talk = async (): Promise<string> => {
        const socket = await world.dial()
        const text = await readToEnd(socket)
        socket.end()
        return text
      }
      expect([await talk(), await talk()]).toEqual(['four', 'six'])
    })

    test('an address in use is said, with a hint, and nothing of the apply is kept', async () => {
      await using world = await openTrafficWorld(open)
      const taken = await world.net.tcpServer(() => undefined)
      const free = await world.net.freePlace()
      const [freeId, takenId] = [free, taken].map(({ address, port }) => ({ ...world.id, address, port }))
      if (freeId === undefined || takenId === undefined) throw new Error('two places')
      const failing = world.apply(addService(aService(freeId)), addService(aService(takenId)))
      const error = await errorOf(failing)
      expect(error).toMatchObject({ code: 'busy', subject: `tcp 127.0.0.1:${taken.port}`, retryable: true })
      expect(error.hint).toContain(String(taken.port))
      expect(await world.engine.read(within())).toHaveLength(1)
      await expect(world.net.dial(free)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })

    test('an address that is not this host’s is said, with a hint', async () => {
      await using world = await openTrafficWorld(open)
      const error = await errorOf(world.apply(addService(aService({ ...world.id, address: '192.0.2.77' }))))
      expect(error.code).toBe('not-found')
      expect(error.hint).toContain('ip address add')
    })

    test('disposing closes listeners and connections', async () => {
      await using world = await openTrafficWorld(open)
      await namedServers(world, [1])
      const { socket } = await hold(world)
      const ended = readToEnd(socket)
      await world.engine[Symbol.asyncDispose]()
      expect(['', 'reset']).toContain(await ended)
      await expect(world.dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })
  })
}
