/** What every engine that moves bytes must do with connections, shown with real sockets on loopback. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { eventually, openLoopback, type Place, readText, readToEnd, sleep } from '../../labs/net/loopback.ts'
import type { SchedulerName, Service, ServiceId } from '../lvs/service.ts'
import { addServer, addService, aServer, aService, errorOf, within } from './engine.contract.ts'
import type { Connection, Engine, EngineChange, ServerSnapshot, ServiceSnapshot } from './engine.ts'

export type TrafficOptions = { readonly connectTimeoutMs: number }
export type OpenEngine = (options: TrafficOptions) => Promise<Engine>

/** An engine with its world: servers named 2, 3, 4 … as in the scheduler vectors, and one service. */
export type TrafficWorld = AsyncDisposable & {
  readonly engine: Engine
  readonly net: ReturnType<typeof openLoopback>
  readonly id: ServiceId & { kind: 'address' }
  apply(...changes: EngineChange[]): Promise<void>
  snapshot(): Promise<ServiceSnapshot>
  server(place: Place): Promise<ServerSnapshot | undefined>
  connections(): Promise<Connection[]>
  /** Dials the service. */
  dial(): Promise<Socket>
}

export async function openTrafficWorld(
  open: OpenEngine,
  over: Partial<Service> = {},
  address = '127.0.0.1',
  protocol: 'tcp' | 'udp' = 'tcp',
): Promise<TrafficWorld> {
  const net = openLoopback()
  const engine = await open({ connectTimeoutMs: 400 })
  const id = { kind: 'address', protocol, ...(await net.freePlace(address, protocol)) } as const
  await engine.apply([addService(aService(id, over))], within())
  const snapshot = async (): Promise<ServiceSnapshot> => {
    const [found] = await engine.read(within())
    if (found === undefined) throw new Error('the service is gone')
    return found
  }
  return {
    engine,
    net,
    id,
    snapshot,
    apply: (...changes) => engine.apply(changes, within()),
    server: async ({ port }) => (await snapshot()).servers.find(({ server }) => server.port === port),
    async connections() {
      const all: Connection[] = []
      for await (const connection of engine.connections(within())) all.push(connection)
      return all
    },
    dial: () => net.dial(id),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await net[Symbol.asyncDispose]()
    },
  }
}

/** Servers that say their name and hold the connection; they end it when the client does. */
async function namedServers(world: TrafficWorld, weights: readonly number[]) {
  const places = []
  for (const [index, weight] of weights.entries()) {
    const place = await world.net.tcpServer((socket) => {
      socket.write(String(index + 2))
      socket.on('end', () => socket.end()).resume()
    })
    await world.apply(addServer(world.id, aServer(place.port, { weight })))
    places.push(place)
  }
  return places
}

async function hold(world: TrafficWorld): Promise<{ readonly name: string; readonly socket: Socket }> {
  const socket = await world.dial()
  return { socket, name: await readText(socket) }
}

/** One after the other; each connection stays open unless it is to close. */
async function picks(world: TrafficWorld, count: number, after: 'hold' | 'close'): Promise<string> {
  let names = ''
  for (let at = 0; at < count; at++) {
    const { name, socket } = await hold(world)
    names += name
    if (after === 'close') socket.end().resume()
  }
  return names
}

/** All that a new client hears; a reset may come before it knows that it is connected. */
async function whatComes(world: TrafficWorld): Promise<string> {
  try {
    return await readToEnd(await world.dial())
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return 'reset'
    throw error
  }
}

const digest = (): ReturnType<typeof createHash> => createHash('sha256')

export function trafficContract(name: string, open: OpenEngine): void {
  describe(`traffic contract: ${name}`, () => {
    test.each<{ scheduler: SchedulerName; weights: number[]; expected: string; after: 'hold' | 'close' }>([
      { scheduler: 'rr', weights: [1, 1, 1], expected: '4324324', after: 'close' },
      { scheduler: 'wrr', weights: [5, 1, 1], expected: '4322222432222243', after: 'close' },
      { scheduler: 'wrr', weights: [4, 3, 2], expected: '432232432432232', after: 'close' },
      { scheduler: 'lc', weights: [5, 1, 3], expected: '432432432', after: 'hold' },
      { scheduler: 'wlc', weights: [5, 1, 3], expected: '4322422424322422', after: 'hold' },
    ])('$scheduler with weights $weights gives $expected', async ({ scheduler, weights, expected, after }) => {
      await using world = await openTrafficWorld(open, { scheduler })
      await namedServers(world, weights)
      expect(await picks(world, expected.length, after)).toBe(expected)
    })

    test('rr goes on from its last pick through a drain and an addition', async () => {
      await using world = await openTrafficWorld(open)
      const [, third] = await namedServers(world, [1, 1, 1])
      expect(await picks(world, 7, 'close')).toBe('4324324')
      await world.apply({ kind: 'server.update', id: world.id, server: aServer(third?.port ?? 0, { weight: 0 }) })
      expect(await picks(world, 5, 'close')).toBe('24242')
      const fifth = await world.net.tcpServer((socket) => void socket.end('5').resume())
      await world.apply(addServer(world.id, aServer(fifth.port)))
      expect(await picks(world, 5, 'close')).toBe('54254')
    })

    test('lc follows the connections that end', async () => {
      await using world = await openTrafficWorld(open, { scheduler: 'lc' })
      const [second, third] = await namedServers(world, [1, 1])
      const held = [await hold(world), await hold(world), await hold(world)]
      expect(held.map(({ name }) => name).join('')).toBe('323')
      held[1]?.socket.end().resume()
      await eventually('the second server is empty', async () => {
        const state = second && (await world.server(second))
        return state?.active === 0 && state.inactive === 0
      })
      expect(third && (await world.server(third))?.active).toBe(2)
      expect(await picks(world, 2, 'hold')).toBe('22')
    })

    test('many connections at once are shared out exactly, and every count returns to zero', async () => {
      await using world = await openTrafficWorld(open, { scheduler: 'wrr' })
      const places = await namedServers(world, [5, 1, 3])
      const all = await Promise.all(Array.from({ length: 90 }, () => hold(world)))
      const count = (wanted: string): number => all.filter(({ name }) => name === wanted).length
      expect([count('2'), count('3'), count('4')]).toEqual([50, 10, 30])
      expect(await world.connections()).toHaveLength(90)
      for (const { socket } of all) socket.end().resume()
      await eventually('no connection is left', async () => (await world.connections()).length === 0)
      for (const place of places) expect(await world.server(place)).toMatchObject({ active: 0, inactive: 0 })
      expect((await world.snapshot()).counters.connections).toBe(90)
    })

    test('bytes are counted exactly, each way', async () => {
      await using world = await openTrafficWorld(open)
      const place = await world.net.tcpServer((socket) => {
        socket.once('data', () => socket.end('x'.repeat(50_000)))
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const socket = await world.dial()
      socket.write('hello')
      expect((await readToEnd(socket)).length).toBe(50_000)
      socket.end()
      const state = await world.server(place)
      expect(state?.counters).toMatchObject({ connections: 1, bytesIn: 5, bytesOut: 50_000 })
      expect(state?.counters.packetsIn).toBe(1)
      expect(state?.counters.packetsOut).toBeGreaterThanOrEqual(1)
      expect((await world.snapshot()).counters).toEqual(state?.counters)
    })

    test('a connection is listed with its ends, its state and its time to live', async () => {
      await using world = await openTrafficWorld(open, { idleTimeoutSeconds: 60 })
      const [place] = await namedServers(world, [1])
      const { socket } = await hold(world)
      const [connection] = await world.connections()
      expect(connection).toMatchObject({
        protocol: 'tcp',
        client: { address: '127.0.0.1', port: socket.localPort },
        service: { address: world.id.address, port: world.id.port },
        server: { address: '127.0.0.1', port: place?.port },
        state: 'established',
      })
      expect(connection?.expiresSeconds).toBeGreaterThan(50)
      expect(connection?.expiresSeconds).toBeLessThanOrEqual(60)
    })

    test('a client that has said all still hears the whole answer', async () => {
      await using world = await openTrafficWorld(open)
      const place = await world.net.tcpServer((socket) => {
        void readToEnd(socket).then(async (question) => {
          await sleep(100)
          socket.end(`answer to ${question}`)
        })
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const socket = await world.dial()
      socket.end('question')
      await eventually('it is half closed', async () => (await world.server(place))?.inactive === 1)
      expect(await world.server(place)).toMatchObject({ active: 0 })
      expect(await readToEnd(socket)).toBe('answer to question')
    })

    test('a server that has said all still hears the rest', async () => {
      await using world = await openTrafficWorld(open)
      let heard: Promise<string> | undefined
      const place = await world.net.tcpServer((socket) => {
        socket.end('goodbye')
        heard = readToEnd(socket)
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const socket = await world.dial()
      expect(await readToEnd(socket)).toBe('goodbye')
      socket.write('still ')
      await sleep(50)
      socket.end('here')
      expect(await heard).toBe('still here')
    })

    test.each(['client', 'server'] as const)('a reset by the %s reaches the other side', async (who) => {
      await using world = await openTrafficWorld(open)
      let resolveServer: ((socket: Socket) => void) | undefined
      const serverSide = new Promise<Socket>((resolve) => (resolveServer = resolve))
      const place = await world.net.tcpServer((socket) => {
        socket.write('ready')
        resolveServer?.(socket)
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const client = await world.dial()
      await readText(client)
      const server = await serverSide
      const [breaks, hears] = who === 'client' ? [client, server] : [server, client]
      const heard = readToEnd(hears)
      breaks.resetAndDestroy()
      expect(await heard).toBe('reset')
      await eventually('it is forgotten', async () => (await world.connections()).length === 0)
    })

    test('a large transfer both ways at once arrives as it was sent', async () => {
      await using world = await openTrafficWorld(open)
      const size = 24 * 1024 * 1024
      const place = await world.net.tcpServer((socket) => socket.pipe(socket))
      await world.apply(addServer(world.id, aServer(place.port)))
      const socket = await world.dial()
      const [sent, heard] = [digest(), digest()]
      let received = 0
      const receiving = (async () => {
        for await (const chunk of socket) {
          heard.update(chunk as Buffer)
          received += (chunk as Buffer).length
        }
      })()
      for (let left = size; left > 0; ) {
        const block = randomBytes(Math.min(left, 1 + Math.floor(Math.random() * 200_000)))
        left -= block.length
        sent.update(block)
        if (!socket.write(block)) await once(socket, 'drain')
      }
      socket.end()
      await receiving
      expect(received).toBe(size)
      expect(heard.digest('hex')).toBe(sent.digest('hex'))
      expect((await world.server(place))?.counters).toMatchObject({ bytesIn: size, bytesOut: size })
    })

    test.each(['client', 'server'] as const)(
      'a %s that does not read holds the other back, and harms nobody else',
      async (slow) => {
        await using world = await openTrafficWorld(open)
        const size = 64 * 1024 * 1024
        let resolveServer: ((socket: Socket) => void) | undefined
        const serverSide = new Promise<Socket>((resolve) => (resolveServer = resolve))
        const place = await world.net.tcpServer((socket) => {
          socket.write('!')
          resolveServer?.(socket)
        })
        await world.apply(addServer(world.id, aServer(place.port)))
        const client = await world.dial()
        await readText(client)
        const server = await serverSide
        const [from, to] = slow === 'server' ? [client, server] : [server, client]
        const block = Buffer.alloc(64 * 1024, 7)
        let taken = 0
        const sending = (async () => {
          for (let left = size; left > 0; left -= block.length) {
            if (!from.write(block)) await once(from, 'drain')
            taken += block.length
          }
          from.end()
        })()
        let before = -1
        await eventually('the sender is held back', async () => {
          const isStill = taken === before
          before = taken
          if (!isStill) await sleep(200)
          return isStill
        })
        expect(taken).toBeLessThan(32 * 1024 * 1024)
        const other = await world.dial()
        expect(await readText(other)).toBe('!')
        let received = 0
        for await (const chunk of to) received += (chunk as Buffer).length
        await sending
        expect(received).toBe(size)
      },
    )

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

    test('a server over its upper threshold waits until it is below its lower one', async () => {
      await using world = await openTrafficWorld(open, { scheduler: 'lc' })
      if (!world.engine.capabilities.thresholds) return
      const [place] = await namedServers(world, [1])
      const port = place?.port ?? 0
      await world.apply(addServer(world.id, aServer(port, { upperThreshold: 3, lowerThreshold: 2 })))
      const held = [await hold(world), await hold(world), await hold(world)]
      const end = async (left: number): Promise<void> => {
        held.pop()?.socket.end().resume()
        await eventually(`${left} are left`, async () => (await world.connections()).length === left)
      }
      expect(await whatComes(world)).toBe('reset')
      await end(2)
      expect(await whatComes(world)).toBe('reset')
      await end(1)
      expect((await hold(world)).name).toBe('2')
    })

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
