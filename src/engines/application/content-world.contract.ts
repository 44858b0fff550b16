/** A world for the application engine's tests: the engine, real servers that say their name, and raw clients. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { openLoopback, type Place } from '../../../labs/net/loopback.ts'
import type { Application, ContentMatch } from '../../lvs/application.ts'
import type { RealServer, Service, ServiceId } from '../../lvs/service.ts'
import { addServer, addService, aServer, aService, within } from '../engine.contract.ts'
import type { Connection, Engine, EngineChange, ServerSnapshot } from '../engine.ts'
import { type ApplicationOptions, applicationEngine } from './application.ts'
import type { ApplicationReport } from './calls.ts'

export type Seen = {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  body: string
}
export type NamedServer = Place & {
  readonly name: string
  /** Requests that reached it, whole or not, and how many connections brought them. */
  readonly seen: Seen[]
  readonly connections: () => number
  readonly http: Server
  stop(): Promise<void>
}
type Handler = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void

export type ContentWorld = AsyncDisposable & {
  readonly engine: Engine
  readonly net: ReturnType<typeof openLoopback>
  readonly id: ServiceId & { kind: 'address' }
  readonly url: string
  readonly reports: ApplicationReport[]
  apply(...changes: EngineChange[]): Promise<void>
  /** Makes the service another, or the same with other rules. */
  serve(application: Application, over?: Partial<Service>): Promise<void>
  /** A real HTTP server; without a handler it says its name, the method and the target when the request has ended. */
  server(name: string, handler?: Handler): Promise<NamedServer>
  /** Puts servers into the service itself, or into a pool that is made for them. */
  into(pool: string | undefined, servers: readonly Place[], over?: Partial<RealServer>): Promise<void>
  snapshot(place: Place, pool?: string): Promise<ServerSnapshot | undefined>
  connections(): Promise<Connection[]>
  /** Sends these bytes on a connection of their own; all that comes until it closes, or is quiet for a while. */
  raw(text: string | Uint8Array, quietMs?: number): Promise<Heard>
}
export type Heard = { readonly text: string; readonly isClosed: boolean }

export async function openContentWorld(
  application: Application = { kind: 'http', rules: [] },
  options: ApplicationOptions = {},
  over: Partial<Service> = {},
): Promise<ContentWorld> {
  const net = openLoopback()
  const reports: ApplicationReport[] = []
  const engine = await applicationEngine({ onReport: (report) => reports.push(report), ...options })
  const id = { kind: 'address', protocol: 'tcp', ...(await net.freePlace()) } as const
  const servers: NamedServer[] = []
  const world: ContentWorld = {
    engine,
    net,
    id,
    url: `http://${id.address}:${id.port}`,
    reports,
    apply: (...changes) => engine.apply(changes, within()),
    serve: (next, more = {}) =>
      engine.apply(
        [{ kind: 'service.update', service: aService(id, { application: next, ...over, ...more }) }],
        within(),
      ),
    async server(name, handler) {
      const server = await startServer(name, handler)
      servers.push(server)
      return server
    },
    async into(pool, places, more = {}) {
      const to: ServiceId = pool === undefined ? id : { kind: 'pool', name: pool }
      const changes = places.map(({ port }) => addServer(to, aServer(port, more)))
      await engine.apply(pool === undefined ? changes : [addService(aService(to)), ...changes], within())
    },
    async snapshot({ port }, pool) {
      const to: ServiceId = pool === undefined ? id : { kind: 'pool', name: pool }
      const [found] = await engine.read({ ...within(), only: [to] })
      return found?.servers.find(({ server }) => server.port === port)
    },
    async connections() {
      const all: Connection[] = []
      for await (const connection of engine.connections(within())) all.push(connection)
      return all
    },
    raw: async (text, quietMs = 500) => listen(await net.dial(id), text, quietMs),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      for (const server of servers) await server.stop()
      await net[Symbol.asyncDispose]()
    },
  }
  await engine.apply([addService(aService(id, { application, ...over }))], within())
  return world
}

export const pathRule = (value: string, pool: string): { readonly match: ContentMatch; readonly pool: string } => ({
  match: { path: { value, exact: false } },
  pool,
})

async function startServer(name: string, handler: Handler = sayName(name)): Promise<NamedServer> {
  const seen: Seen[] = []
  let connections = 0
  const http = createServer((request, response) => {
    const one: Seen = { method: request.method ?? '', url: request.url ?? '', rawHeaders: request.rawHeaders, body: '' }
    seen.push(one)
    request.on('error', () => undefined)
    handler(request, response, one)
  })
  http.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  return {
    name,
    address: '127.0.0.1',
    port: typeof address === 'object' && address !== null ? address.port : 0,
    seen,
    http,
    connections: () => connections,
    async stop() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

/** What a named server says when it has heard all. */
export function sayName(name: string): Handler {
  return (request, response, seen) => {
    request.setEncoding('latin1')
    request.on('data', (text: string) => {
      seen.body += text
    })
    request.on('end', () => response.end(`${name} ${seen.method} ${seen.url}`))
  }
}

async function listen(socket: Socket, text: string | Uint8Array, quietMs: number): Promise<Heard> {
  return await new Promise((resolve) => {
    let heard = ''
    const finish = (isClosed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ text: heard, isClosed })
    }
    let timer = setTimeout(() => finish(false), quietMs)
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(() => finish(false), quietMs)
    })
    socket.once('end', () => finish(true)).once('close', () => finish(true))
    socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)
  })
}
