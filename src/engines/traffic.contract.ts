/** What every engine that moves bytes must do with connections, shown with real sockets on loopback. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { eventually, readText, readToEnd, sleep } from '../../labs/net/loopback.ts'
import { addServer, aServer } from './engine.contract.ts'
import { hold, namedServers, type OpenEngine, openTrafficWorld, picks } from './traffic-world.contract.ts'

const digest = (): ReturnType<typeof createHash> => createHash('sha256')

export function trafficContract(name: string, open: OpenEngine): void {
  describe(`traffic contract: ${name}`, () => {
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
        state: 'ESTABLISHED',
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

    test('a client that was slow to read hears of a reset in the end, and nothing of it stays', async () => {
      await using world = await openTrafficWorld(open)
      const size = 16 * 1024 * 1024
      let isReset = false
      const place = await world.net.tcpServer((socket) => {
        socket.write(Buffer.alloc(size, 1))
        // Node waits for the write before it resets, unless it is told twice.
        socket.once('data', () => socket.resetAndDestroy().destroy())
        socket.once('close', () => {
          isReset = true
        })
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const client = await world.dial()
      await eventually('the server is stuck', async () => {
        const before = (await world.snapshot()).counters.bytesOut
        await sleep(100)
        return before > 0 && (await world.snapshot()).counters.bytesOut === before
      })
      client.write('enough')
      await eventually('the server has reset', () => isReset)
      expect((await readToEnd(client)).length).toBeLessThan(size)
      client.end()
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
  })
}
