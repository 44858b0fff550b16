import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { eventually, sleep } from '../../../labs/net/loopback.ts'
import { realServerKey, type ServiceId, serviceKey } from '../../lvs/service.ts'
import { addServer, addService, aServer, aService, engineContract, errorOf, within } from '../engine.contract.ts'
import type { Engine } from '../engine.ts'
import { type DnsOptions, dnsEngine } from './dns.ts'
import { buildQuery, freePort, readAnswer, words } from './dns-world.contract.ts'
import { Frames, frame } from './frames.ts'

let count = 0
engineContract('dns', async () => {
  const engine = await dnsEngine()
  const port = await freePort()
  return {
    engine,
    freeService: async () => ({ kind: 'dns', name: `name-${count++}.shop`, address: '127.0.0.1', port }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
})

type World = AsyncDisposable & {
  readonly engine: Engine
  readonly port: number
  /** A service with two servers. */
  add(name: string, address?: string): Promise<ServiceId>
}

async function open(options: Partial<DnsOptions> = {}): Promise<World> {
  const engine = await dnsEngine(options)
  const port = await freePort()
  return {
    engine,
    port,
    async add(name, address = '127.0.0.1') {
      const id: ServiceId = { kind: 'dns', name, address, port }
      const servers = ['10.0.0.2', '10.0.0.1'].map((server) => addServer(id, aServer(80, { address: server })))
      await engine.apply([addService(aService(id)), ...servers], within())
      return id
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
    },
  }
}

async function dial({ port }: World): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  return socket.on('error', () => undefined)
}

async function resolve(port: number, name: string, address = '127.0.0.1'): Promise<string> {
  const resolver = new Resolver({ timeout: 1000, tries: 1 })
  resolver.setServers([address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`])
  return await resolver.resolve4(name).then(
    (addresses) => addresses.join(' '),
    (error: Error) => ('code' in error ? String(error.code) : error.message),
  )
}

describe('names and addresses', () => {
  test('several names share one address, and it stays until the last of them goes', async () => {
    await using world = await open()
    const [one, two] = [await world.add('www.shop'), await world.add('api.shop')]
    expect(await resolve(world.port, 'www.shop')).toBe('10.0.0.1 10.0.0.2')
    expect(await resolve(world.port, 'api.shop')).toBe('10.0.0.1 10.0.0.2')
    await world.engine.apply([{ kind: 'service.remove', id: one }], within())
    expect(await resolve(world.port, 'www.shop')).toBe('EREFUSED')
    expect(await resolve(world.port, 'api.shop')).toBe('10.0.0.2 10.0.0.1')
    await world.engine.apply([{ kind: 'service.remove', id: two }], within())
    expect(await resolve(world.port, 'api.shop')).toBe('ECONNREFUSED')
  })

  test('IPv6 and IPv4 are two addresses, also for all of a machine', async () => {
    await using world = await open()
    await world.add('four.shop', '0.0.0.0')
    await world.add('six.shop', '::')
    expect(await resolve(world.port, 'four.shop')).toBe('10.0.0.1 10.0.0.2')
    expect(await resolve(world.port, 'six.shop', '::1')).toBe('10.0.0.1 10.0.0.2')
    expect(await resolve(world.port, 'six.shop')).toBe('EREFUSED')
  })

  test.each(['udp', 'tcp'] as const)(
    'an address that another program holds over %s is busy, and nothing is changed',
    async (protocol) => {
      await using world = await open()
      const port = await freePort()
      const other = protocol === 'udp' ? createSocket('udp4') : createServer()
      if ('bind' in other) other.bind(port, '127.0.0.1')
      else other.listen(port, '127.0.0.1')
      await once(other, 'listening')
      const [free, taken] = [world.port, port].map(
        (at): ServiceId => ({ kind: 'dns', name: 'www.shop', address: '127.0.0.1', port: at }),
      )
      if (free === undefined || taken === undefined) throw new Error('no places')
      const error = await errorOf(
        world.engine.apply([addService(aService(free)), addService(aService(taken))], within()),
      )
      expect(error).toMatchObject({ code: 'busy', subject: serviceKey(taken), retryable: true })
      expect(error.hint).toContain(String(port))
      expect(await world.engine.read(within())).toEqual([])
      expect(await resolve(world.port, 'www.shop')).toBe('ECONNREFUSED')
      other.close()
      await once(other, 'close')
      await world.engine.apply([addService(aService(free)), addService(aService(taken))], within())
    },
  )

  test('a service moves from one address of the machine to all of them, and back when that fails', async () => {
    await using world = await open()
    const one = await world.add('www.shop')
    const all: ServiceId = { kind: 'dns', name: 'www.shop', address: '0.0.0.0', port: world.port }
    const move = [
      { kind: 'service.remove', id: one } as const,
      addService(aService(all)),
      addServer(all, aServer(80, { address: '10.0.0.9' })),
    ]
    const other = createSocket('udp4').bind(world.port, '127.0.0.2')
    await once(other, 'listening')
    expect((await errorOf(world.engine.apply(move, within()))).code).toBe('busy')
    expect(await resolve(world.port, 'www.shop')).toBe('10.0.0.1 10.0.0.2')
    other.close()
    await once(other, 'close')
    await world.engine.apply(move, within())
    expect(await resolve(world.port, 'www.shop')).toBe('10.0.0.9')
  })

  test.each([
    { what: 'capitals', over: { name: 'WWW.shop' }, code: 'invalid' },
    { what: 'a dot at the end', over: { name: 'www.shop.' }, code: 'invalid' },
    { what: 'no name', over: { name: '' }, code: 'invalid' },
    { what: 'no address', over: { address: 'here' }, code: 'invalid' },
    { what: 'no port', over: { port: 0 }, code: 'unsupported' },
  ])('$what is refused', async ({ over, code }) => {
    await using world = await open()
    const id: ServiceId = { kind: 'dns', name: 'www.shop', address: '127.0.0.1', port: world.port, ...over }
    expect((await errorOf(world.engine.apply([addService(aService(id))], within()))).code).toBe(code)
  })

  test('thresholds, persistence and services that are no names are refused', async () => {
    await using world = await open()
    const id = await world.add('www.shop')
    const tries = [
      addServer(id, aServer(80, { upperThreshold: 5 })),
      addService(aService(id, { persistence: { timeoutSeconds: 300, mask: '255.255.255.255' } })),
      addService(aService({ kind: 'address', protocol: 'udp', address: '127.0.0.1', port: world.port })),
      addService(aService({ kind: 'pool', name: 'x' })),
    ]
    for (const change of tries) expect((await errorOf(world.engine.apply([change], within()))).code).toBe('unsupported')
  })
})

describe('over TCP', () => {
  const question = (id: number): Buffer => frame(buildQuery({ name: 'www.shop', id }))

  async function answersTo(world: World, pieces: readonly Buffer[], wanted: number): Promise<number[]> {
    const socket = await dial(world)
    const frames = new Frames()
    const ids: number[] = []
    socket.on('data', (bytes: Buffer) => {
      frames.push(bytes)
      for (let message = frames.next(); message !== undefined; message = frames.next()) ids.push(readAnswer(message).id)
    })
    for (const piece of pieces) {
      socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually('all answers', () => ids.length >= wanted || socket.destroyed)
    socket.destroy()
    return ids
  }

  test('many questions in one piece are all answered, in order', async () => {
    await using world = await open()
    await world.add('www.shop')
    const ids = Array.from({ length: 500 }, (_, id) => id)
    expect(await answersTo(world, [Buffer.concat(ids.map(question))], 500)).toEqual(ids)
  })

  test('a question may come byte by byte', async () => {
    await using world = await open()
    await world.add('www.shop')
    const bytes = Buffer.concat([question(1), question(2)])
    expect(
      await answersTo(
        world,
        [...bytes].map((byte) => Buffer.from([byte])),
        2,
      ),
    ).toEqual([1, 2])
  })

  test('a client that has asked all may close its side first', async () => {
    await using world = await open()
    await world.add('www.shop')
    const socket = await dial(world)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = once(socket, 'end')
    socket.end(Buffer.concat(Array.from({ length: 100 }, (_, id) => question(id))))
    await ended
    const frames = new Frames()
    frames.push(Buffer.concat(chunks))
    let answers = 0
    while (frames.next() !== undefined) answers++
    expect(answers).toBe(100)
  })

  test('what is no question ends the connection', async () => {
    await using world = await open()
    await world.add('www.shop')
    for (const message of [buildQuery({ name: 'www.shop', flags: 0x8000 }), words(1, 2), Buffer.alloc(0)])
      expect(await answersTo(world, [frame(message)], 1)).toEqual([])
  })

  test('a client that reads nothing is not read from for ever, and is closed', async () => {
    await using world = await open({ idleMs: 500 })
    await world.add('www.shop')
    const socket = await dial(world)
    socket.pause()
    const many = Buffer.concat(Array.from({ length: 2000 }, (_, id) => question(id)))
    for (let times = 0; times < 200 && !socket.destroyed; times++) socket.write(many)
    await eventually('it is closed', () => socket.closed)
    const [snapshot] = await world.engine.read(within())
    expect(snapshot?.counters.connections).toBeLessThan(400_000)
    expect(snapshot?.counters.connections).toBeGreaterThan(0)
  })

  test('who goes on asking stays, for as long as one likes', async () => {
    await using world = await open({ idleMs: 300 })
    await world.add('www.shop')
    const socket = (await dial(world)).resume()
    for (let id = 0; id < 8; id++) {
      await sleep(100)
      socket.write(question(id))
    }
    await sleep(100)
    expect(socket.closed).toBe(false)
  })

  test('who is silent is closed, and beyond the limit the most silent one', async () => {
    await using world = await open({ idleMs: 300, connections: 3 })
    await world.add('www.shop')
    const sockets = [await dial(world), await dial(world), await dial(world)]
    const [first, second] = sockets
    if (first === undefined || second === undefined) throw new Error('no sockets')
    for (const socket of sockets) socket.resume()
    first.write(question(1))
    await once(first, 'data')
    sockets.push((await dial(world)).resume())
    await eventually('it is closed', () => second.closed)
    expect(sockets.map(({ closed }) => closed)).toEqual([false, true, false, false])
    await eventually('all are closed', () => sockets.every(({ closed }) => closed))
  })
})

test('a drain waits for as long as answers may be kept', async () => {
  await using world = await open()
  const id: ServiceId = { kind: 'dns', name: 'www.shop', address: '127.0.0.1', port: world.port }
  const server = aServer(80, { address: '10.0.0.1' })
  await world.engine.apply([addService(aService(id, { ttlSeconds: 1 })), addServer(id, server)], within())
  expect(await resolve(world.port, 'www.shop')).toBe('10.0.0.1')
  await world.engine.apply([{ kind: 'server.update', id, server: { ...server, weight: 0 } }], within())
  expect(await resolve(world.port, 'www.shop')).toBe('ESERVFAIL')
  const active = async (): Promise<number> => {
    const [snapshot] = await world.engine.read({ ...within(), only: [id] })
    return snapshot?.servers.find((own) => realServerKey(own.server) === realServerKey(server))?.active ?? -1
  }
  expect(await active()).toBe(1)
  await eventually('the answer is forgotten', async () => (await active()) === 0)
})

test('nothing stays open: sockets, descriptors, timers', async () => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const before = descriptors()
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const timersBefore = timers()
  for (let times = 0; times < 20; times++) {
    await using world = await open()
    await world.add('www.shop')
    const socket = await dial(world)
    socket.write(frame(buildQuery({ name: 'www.shop' })))
    await once(socket, 'data')
  }
  await eventually('all are closed', () => descriptors() <= before && timers() <= timersBefore)
})
