import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { buildWanted } from '../../test/build/services.ts'
import type { DirectorControl } from '../director/control.ts'
import type { Connection } from '../engines/engine.ts'
import { InfraError } from '../errors.ts'
import { localHost } from '../hosts/local/local.ts'
import { directorClient } from './client.ts'
import { listenControl } from './server.ts'

type World = AsyncDisposable & { readonly control: DirectorControl; readonly socket: string }

async function openWorld(): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'baton-client-'))
  const directories = { runtime: directory, state: `${directory}/state`, cache: `${directory}/cache` }
  return {
    control: directorClient(localHost({ directories })),
    socket: `${directory}/director.sock`,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** What answers every connection so; a director never would. */
async function answerWith(path: string, speak: (socket: Socket) => void): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.once('data', () => speak(socket))
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const unused = (): never => {
  throw new Error('not asked for in this test')
}
const raise = (error: Error): never => {
  throw error
}
const control = (changes: Partial<DirectorControl>): DirectorControl => ({
  status: unused,
  putCluster: unused,
  removeCluster: unused,
  drain: unused,
  undrain: unused,
  moveGuest: unused,
  connections: unused,
  edit: unused,
  table: unused,
  trace: unused,
  checkNow: unused,
  events: unused,
  handOver: unused,
  stop: unused,
  ...changes,
})
const connection: Connection = {
  protocol: 'udp',
  client: { address: '198.51.100.7', port: 4000 },
  service: { address: '10.0.0.1', port: 53 },
  server: { address: '10.0.1.2', port: 5353 },
  state: 'UDP',
  expiresSeconds: 299,
}
const put = { id: 1, at: '', event: { kind: 'cluster.put', cluster: 'shop', services: 1 } } as const
const within = (ms = 5000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })
const json = (status: number, text: string): string =>
  `HTTP/1.1 ${status} X\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`

describe('director client', () => {
  test.each<{ name: string; speak: (socket: Socket) => void; code: string; retryable: boolean }>([
    { name: 'says nothing', speak: () => {}, code: 'timeout', retryable: true },
    {
      name: 'stops in the middle',
      speak: (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"a"'),
      code: 'timeout',
      retryable: true,
    },
    { name: 'closes at once', speak: (socket) => void socket.end(), code: 'unreachable', retryable: true },
    {
      name: 'breaks off in the middle',
      speak: (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"a"'),
      code: 'unreachable',
      retryable: true,
    },
    {
      name: 'is no HTTP server',
      speak: (socket) => void socket.end('hello\r\n'),
      code: 'unreachable',
      retryable: true,
    },
    {
      name: 'speaks no JSON',
      speak: (socket) => void socket.end(json(200, 'hello')),
      code: 'failed',
      retryable: false,
    },
    {
      name: 'has errors of its own',
      speak: (socket) => void socket.end(json(500, '{"code":"odd","message":"?"}')),
      code: 'failed',
      retryable: false,
    },
  ])('a director that $name is an error in time', async ({ speak, code, retryable }) => {
    await using world = await openWorld()
    await using _server = await answerWith(world.socket, speak)
    await expect(world.control.status(within(300))).rejects.toMatchObject({ name: 'InfraError', code, retryable })
  })

  test('a call that is given up is cancelled, and its client is gone for the director, too', async () => {
    await using world = await openWorld()
    let seen: AbortSignal | undefined
    const waiting = control({
      putCluster: (_wanted, { signal }) => {
        seen = signal
        return new Promise(() => {})
      },
    })
    await using _server = await listenControl(waiting, world.socket)
    const caller = new AbortController()
    const put = world.control.putCluster({ cluster: 'shop', services: [] }, { signal: caller.signal })
    const failing = expect(put).rejects.toMatchObject({ code: 'cancelled' })
    await expect.poll(() => seen !== undefined).toBe(true)
    caller.abort()
    await failing
    await expect.poll(() => seen?.aborted).toBe(true)
  })

  test.each([
    new InfraError('unsupported', 'www: no scheduler mh; api: no sctp', { subject: 'shop', hint: 'ipvs can' }),
    new InfraError('busy', 'the port is taken', { subject: 'tcp 127.0.0.1:80', retryable: true }),
    new InfraError('not-found', 'no service', { subject: 'fwmark 7 ipv4' }),
    new InfraError('no-space', 'the disk is full', { subject: 'intent.json' }),
  ])('an error crosses the wire as it is: %s', async (error) => {
    await using world = await openWorld()
    await using _server = await listenControl(control({ status: async () => raise(error) }), world.socket)
    const { code, message, subject, retryable, hint } = error
    await expect(world.control.status(within())).rejects.toMatchObject({
      name: 'InfraError',
      code,
      message,
      subject,
      retryable,
      hint,
    })
  })

  test('a bug in the director is said as a failure', async () => {
    await using world = await openWorld()
    const broken = control({ status: async () => raise(new TypeError('x is not a function')) })
    await using _server = await listenControl(broken, world.socket)
    await expect(world.control.status(within())).rejects.toMatchObject({
      code: 'failed',
      message: 'x is not a function',
    })
  })

  test('names with odd letters arrive as they are', async () => {
    await using world = await openWorld()
    const names: string[] = []
    const asked = control({
      removeCluster: async (cluster) => void names.push(cluster),
      moveGuest: async (guest, reach) => void names.push(guest, String(reach[0]?.protocol)),
    })
    await using _server = await listenControl(asked, world.socket)
    const odd = `a/b ?&%${'é'.repeat(100)}`
    await world.control.removeCluster(odd, within())
    await world.control.moveGuest(odd, [{ protocol: 'udp', guestPort: 1, address: '::1', port: 2 }], within())
    expect(names).toEqual([odd, odd, 'udp'])
  })

  test('a director that is being started again is waited for', async () => {
    await using world = await openWorld()
    await writeFile(join(dirname(world.socket), 'director.pid'), `${process.pid}\n`)
    const asking = world.control.checkNow({ kind: 'pool', name: 'api' }, within())
    await new Promise((resolve) => setTimeout(resolve, 50))
    await using _server = await listenControl(control({ checkNow: async () => {} }), world.socket)
    await asking
  })

  test('connections come in batches as long as somebody takes them', async () => {
    await using world = await openWorld()
    let made = 0
    let isOver = false
    async function* endless() {
      try {
        for (;;) {
          made += 1
          yield Array.from({ length: 500 }, () => connection)
        }
      } finally {
        isOver = true
      }
    }
    await using _server = await listenControl(control({ connections: endless }), world.socket)
    let taken = 0
    for await (const batch of world.control.connections(within())) {
      expect(batch.every((one) => isDeepStrictEqual(one, connection))).toBe(true)
      taken += batch.length
      // Who does not read holds the director back.
      if (taken < 20_000) continue
      const before = made
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(made - before).toBeLessThan(20)
      break
    }
    expect(made).toBeLessThan(100)
    await expect.poll(() => isOver).toBe(true)
  })

  test('none are no lines, and a list that breaks off is an error', async () => {
    await using world = await openWorld()
    const lists: (() => AsyncGenerator<Connection[]>)[] = [
      async function* () {},
      async function* () {
        yield await Promise.reject(new InfraError('busy', 'not now', { subject: 'engine', hint: 'later' }))
      },
      async function* () {
        yield [connection]
        throw new Error('the engine broke')
      },
    ]
    const connections = (): AsyncGenerator<Connection[]> => lists.shift()?.() ?? raise(new Error('asked too often'))
    await using _server = await listenControl(control({ connections }), world.socket)
    const listed = async (): Promise<Connection[]> => {
      const all: Connection[] = []
      for await (const batch of world.control.connections(within())) all.push(...batch)
      return all
    }
    expect(await listed()).toEqual([])
    await expect(listed()).rejects.toMatchObject({ code: 'busy', message: 'not now', hint: 'later' })
    await expect(listed()).rejects.toMatchObject({ code: 'unreachable', retryable: true })
  })

  test('one that left its files behind is gone', async () => {
    await using world = await openWorld()
    await writeFile(join(dirname(world.socket), 'director.pid'), '4194303\n')
    await expect(world.control.status(within())).rejects.toMatchObject({ code: 'not-found' })
    await writeFile(join(dirname(world.socket), 'director.pid'), 'garbage')
    await expect(world.control.status(within())).rejects.toMatchObject({ code: 'not-found' })
  })

  test('one that lives and never listens is an error in time', async () => {
    await using world = await openWorld()
    await writeFile(join(dirname(world.socket), 'director.pid'), `${process.pid}\n`)
    await expect(world.control.status(within(200))).rejects.toMatchObject({ code: 'timeout' })
  })

  test('a stop is answered although the director goes', async () => {
    await using world = await openWorld()
    let ended: Promise<unknown> = Promise.resolve()
    const server = await listenControl(
      control({ stop: async () => void (ended = Promise.resolve(server[Symbol.asyncDispose]())) }),
      world.socket,
    )
    await world.control.stop(within())
    await ended
    await expect(world.control.status(within())).rejects.toMatchObject({ code: 'not-found' })
  })

  test('who listens learns that the director has gone, in order or not', async () => {
    await using world = await openWorld()
    const director = control({
      async *events({ signal }) {
        yield put
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    })
    const heard: unknown[] = []
    const listen = async (): Promise<void> => {
      for await (const { event } of world.control.events(within())) heard.push(event.kind)
    }
    const gone = { name: 'InfraError', code: 'unreachable', retryable: true }
    await expect(listen()).rejects.toMatchObject({ code: 'not-found' })
    const server = await listenControl(director, world.socket)
    const orderly = expect(listen()).rejects.toMatchObject(gone)
    await expect.poll(() => heard).toHaveLength(1)
    const begun = performance.now()
    await server[Symbol.asyncDispose]()
    expect(performance.now() - begun).toBeLessThan(900)
    await orderly
    const text = `HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\ndata: ${JSON.stringify(put)}\n\nid: 2\nda`
    await using _crashing = await answerWith(world.socket, (socket) => void socket.end(text))
    await expect(listen()).rejects.toMatchObject(gone)
    expect(heard).toEqual(['cluster.put', 'cluster.put'])
  })

  test('the end does not wait for a client that takes no answer', async () => {
    await using world = await openWorld()
    const huge = { cluster: 'x', services: Array.from({ length: 20_000 }, () => buildWanted()) }
    const server = await listenControl(control({ status: async () => ({ clusters: [huge] }) as never }), world.socket)
    const host = localHost()
    const stream = await host.connect(world.socket, within())
    stream.write('GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n')
    await new Promise((resolve) => stream.once('readable', resolve))
    const begun = performance.now()
    await server[Symbol.asyncDispose]()
    expect(performance.now() - begun).toBeLessThan(3000)
    stream.destroy()
  })
})
