/** The traffic contract, continued: UDP sessions and the PROXY protocol. */
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { eventually, readText, sleep } from '../../labs/net/loopback.ts'
import { addServer, addService, aServer, aService } from './engine.contract.ts'
import { type OpenEngine, openTrafficWorld, udpServers } from './traffic-world.contract.ts'

export function udpContract(name: string, open: OpenEngine): void {
  describe(`udp contract: ${name}`, () => {
    test.each(['127.0.0.1', '::1'])(
      'a client of %s keeps its server, the next client gets the next',
      async (address) => {
        await using world = await openTrafficWorld(open, {}, address, 'udp')
        const [second, third] = await udpServers(world, 2, address)
        const [one, two] = [await world.net.udpClient(address), await world.net.udpClient(address)]
        expect(await one.ask(world.id, 'a')).toBe('3 a')
        expect(await two.ask(world.id, 'b')).toBe('2 b')
        expect(await one.ask(world.id, 'cc')).toBe('3 cc')
        expect(await world.server(third ?? second ?? world.id)).toMatchObject({
          active: 0,
          inactive: 1,
          counters: { connections: 1, packetsIn: 2, packetsOut: 2, bytesIn: 3, bytesOut: 7 },
        })
        const listed = await world.connections()
        expect(listed).toHaveLength(2)
        expect(listed[0]).toMatchObject({
          protocol: 'udp',
          state: 'UDP',
          client: one.place,
          server: { address, port: third?.port },
        })
      },
    )

    test('a session ends after its idle time', async () => {
      await using world = await openTrafficWorld(open, { idleTimeoutSeconds: 1 }, '127.0.0.1', 'udp')
      await udpServers(world, 2)
      const client = await world.net.udpClient()
      expect(await client.ask(world.id, 'a')).toBe('3 a')
      await eventually('the session is gone', async () => (await world.connections()).length === 0)
      expect(await client.ask(world.id, 'b')).toBe('2 b')
    })

    test('the client of a removed server is placed anew', async () => {
      await using world = await openTrafficWorld(open, {}, '127.0.0.1', 'udp')
      const [, third] = await udpServers(world, 2)
      const client = await world.net.udpClient()
      expect(await client.ask(world.id, 'a')).toBe('3 a')
      if (third !== undefined) await world.apply({ kind: 'server.remove', id: world.id, server: third })
      expect(await client.ask(world.id, 'b')).toBe('2 b')
    })

    test('the client of a server that has died is placed anew', async () => {
      await using world = await openTrafficWorld(open, {}, '127.0.0.1', 'udp')
      const [, third] = await udpServers(world, 2)
      const client = await world.net.udpClient()
      expect(await client.ask(world.id, 'a')).toBe('3 a')
      third?.stop()
      await client.ask(world.id, 'lost', 100)
      expect(await client.ask(world.id, 'b')).toBe('2 b')
    })

    test('datagrams without any server are dropped, and an answer under way outlives the service', async () => {
      await using world = await openTrafficWorld(open, {}, '127.0.0.1', 'udp')
      const client = await world.net.udpClient()
      expect(await client.ask(world.id, 'nobody', 100)).toBeUndefined()
      await udpServers(world, 1)
      const answer = client.ask(world.id, 'x')
      await eventually('it went through', async () => (await world.snapshot()).counters.bytesIn === 1)
      await world.apply({ kind: 'service.remove', id: world.id })
      expect(await answer).toBe('2 x')
      await world.apply(addService(aService(world.id)))
      expect(await client.ask(world.id, 'y', 100)).toBeUndefined()
    })

    test('datagrams up to the largest pass whole', async () => {
      await using world = await openTrafficWorld(open, {}, '127.0.0.1', 'udp')
      await udpServers(world, 1)
      const client = await world.net.udpClient()
      const large = 'z'.repeat(65_000)
      expect(await client.ask(world.id, large)).toBe(`2 ${large}`)
      expect(await client.ask(world.id, '')).toBe('2 ')
    })
  })
}

async function firstBytes(socket: Socket): Promise<Buffer> {
  return await new Promise((resolve) => socket.once('data', resolve))
}

export function proxyProtocolContract(name: string, open: OpenEngine): void {
  describe(`PROXY protocol contract: ${name}`, () => {
    test.each([
      { version: 'v1', address: '127.0.0.1' },
      { version: 'v1', address: '::1' },
      { version: 'v2', address: '127.0.0.1' },
      { version: 'v2', address: '::1' },
    ] as const)('$version tells the server who the client at $address is', async ({ version, address }) => {
      await using world = await openTrafficWorld(open, { proxyProtocol: version }, address)
      let resolveBytes: ((bytes: Promise<Buffer>) => void) | undefined
      const header = new Promise<Buffer>((resolve) => (resolveBytes = resolve))
      const place = await world.net.tcpServer((socket) => {
        resolveBytes?.(firstBytes(socket))
        socket.write('hello')
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const client = await world.dial()
      expect(await readText(client)).toBe('hello')
      const port = client.localPort ?? 0
      const bytes = await header
      if (version === 'v1') {
        const family = address === '::1' ? 'TCP6' : 'TCP4'
        expect(bytes.toString()).toBe(`PROXY ${family} ${address} ${address} ${port} ${world.id.port}\r\n`)
        return
      }
      const addressHex = address === '::1' ? `${'0'.repeat(31)}1` : '7f000001'
      const ports = Buffer.alloc(4)
      ports.writeUInt16BE(port, 0)
      ports.writeUInt16BE(world.id.port, 2)
      const kind = address === '::1' ? '21210024' : '2111000c'
      const wanted = `0d0a0d0a000d0a515549540a${kind}${addressHex}${addressHex}${ports.toString('hex')}`
      expect(bytes.toString('hex')).toBe(wanted)
    })

    test('what the client says comes after the header, uncounted with it', async () => {
      await using world = await openTrafficWorld(open, { proxyProtocol: 'v1' })
      let heard = ''
      const place = await world.net.tcpServer((socket) => {
        socket.on('data', (data) => {
          heard += data.toString()
        })
      })
      await world.apply(addServer(world.id, aServer(place.port)))
      const client = await world.dial()
      client.write('GET /')
      await eventually('the request arrives', () => heard.endsWith('\r\nGET /'))
      await sleep(10)
      expect((await world.server(place))?.counters.bytesIn).toBe(5)
    })
  })
}
