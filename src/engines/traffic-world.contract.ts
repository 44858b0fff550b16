/** A world for the traffic contracts: an engine with one service, servers and clients on loopback. */
import type { Socket } from 'node:net'
import { openLoopback, type Place, readText, readToEnd } from '../../labs/net/loopback.ts'
import type { Service, ServiceId } from '../lvs/service.ts'
import { addServer, addService, aServer, aService, within } from './engine.contract.ts'
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
  /** Dials the service, from one of the addresses of loopback. */
  dial(from?: string): Promise<Socket>
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
    dial: (from) => net.dial(id, from === undefined ? {} : { from }),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await net[Symbol.asyncDispose]()
    },
  }
}

/** Servers that say their name and hold the connection; they end it when the client does. */
export async function namedServers(world: TrafficWorld, weights: readonly number[]) {
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

/** Servers that answer with their name and the question. */
export async function udpServers(world: TrafficWorld, count: number, address = '127.0.0.1') {
  const places = []
  for (let index = 0; index < count; index++) {
    const place = await world.net.udpServer((text) => `${index + 2} ${text}`, address)
    await world.apply(addServer(world.id, aServer(place.port, { address })))
    places.push(place)
  }
  return places
}

export async function hold(
  world: TrafficWorld,
  from?: string,
): Promise<{ readonly name: string; readonly socket: Socket }> {
  const socket = await world.dial(from)
  return { socket, name: await readText(socket) }
}

/** One after the other; each connection stays open unless it is to close. */
export async function picks(world: TrafficWorld, count: number, after: 'hold' | 'close'): Promise<string> {
  let names = ''
  for (let at = 0; at < count; at++) {
    const { name, socket } = await hold(world)
    names += name
    if (after === 'close') socket.end().resume()
  }
  return names
}

/** All that a new client hears; a reset may come before it knows that it is connected. */
export async function whatComes(world: TrafficWorld, from?: string): Promise<string> {
  try {
    return await readToEnd(await world.dial(from))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return 'reset'
    throw error
  }
}
