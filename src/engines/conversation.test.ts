/** The conversation contract on the in-memory IPVS by packets, and on the userspace engine over loopback. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { openLoopback, readText } from '../../labs/net/loopback.ts'
import type { RealServer, ServiceId } from '../lvs/service.ts'
import { type ConversationWorld, conversationContract } from './conversation.contract.ts'
import { aServer } from './engine.contract.ts'
import { fakeEngine } from './fake/fake.ts'
import type { PlaneName } from './userspace/plane.ts'
import { userspaceEngine } from './userspace/userspace.ts'

async function openPackets(protocol: 'tcp' | 'udp'): Promise<ConversationWorld> {
  const engine = fakeEngine()
  const vip = { address: '192.0.2.1', port: 80 }
  const id: ServiceId = { kind: 'address', protocol, ...vip }
  let [serverPort, clientPort] = [8000, 40_000]
  const servers: RealServer[] = []
  return {
    engine,
    id,
    async server(over = {}) {
      const server = aServer(serverPort++, over)
      servers.push(server)
      return server
    },
    async converse(client = 0) {
      const source = { address: `198.51.100.${client + 1}`, port: clientPort++ }
      const send = (flags: object) => {
        const packet = { source, destination: vip, bytes: 40 }
        return engine.receive(protocol === 'tcp' ? { protocol, flags, ...packet } : { protocol, ...packet })
      }
      const verdict = send({ syn: true })
      if (verdict.kind !== 'forward') return undefined
      if (protocol === 'tcp') send({ ack: true })
      const server = servers.find(({ port }) => port === verdict.to.port)
      // The estimator shows what it counted.
      engine.advance(2000)
      if (server === undefined) throw new Error(`no server has port ${verdict.to.port}`)
      return {
        server,
        async end() {
          send({ rst: true })
          engine.advance(10_000)
        },
      }
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

async function openSockets(plane: PlaneName, protocol: 'tcp' | 'udp'): Promise<ConversationWorld> {
  const net = openLoopback()
  const engine = await userspaceEngine({ plane, threads: plane === 'net' ? 1 : 2 })
  const place = await net.freePlace('127.0.0.1', protocol)
  const servers = new Map<string, RealServer>()
  const name = (): string => String(servers.size + 1)
  return {
    engine,
    id: { kind: 'address', protocol, ...place },
    async server(over = {}) {
      const own = name()
      const answer = (socket: Socket): void => {
        socket.write(own)
        socket.on('end', () => socket.end()).resume()
      }
      const { port } = protocol === 'tcp' ? await net.tcpServer(answer) : await net.udpServer(() => own)
      const server = aServer(port, over)
      servers.set(own, server)
      return server
    },
    async converse(client = 0) {
      const from = `127.0.0.${client + 2}`
      if (protocol === 'udp') {
        const answer = await (await net.udpClient(from)).ask(place, 'who?')
        return named(servers, answer, async () => {})
      }
      const socket = await net.dial(place, { from }).catch(() => undefined)
      const said = socket && (await readText(socket).catch(() => undefined))
      return named(servers, said, async () => {
        socket?.end().resume()
        if (socket !== undefined && !socket.closed) await once(socket, 'close')
      })
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await net[Symbol.asyncDispose]()
    },
  }
}

function named(servers: ReadonlyMap<string, RealServer>, name: string | undefined, end: () => Promise<void>) {
  const server = name === undefined ? undefined : servers.get(name)
  return server === undefined ? undefined : { server, end }
}

conversationContract('fake, by packets', openPackets)
conversationContract('userspace, epoll plane', (protocol) => openSockets('epoll', protocol))
conversationContract('userspace, net plane', (protocol) => openSockets('net', protocol))
