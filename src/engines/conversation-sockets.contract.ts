/** A world for the conversation contract: servers and clients with real sockets on loopback. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { openLoopback, readText } from '../../labs/net/loopback.ts'
import type { RealServer } from '../lvs/service.ts'
import type { ConversationWorld } from './conversation.contract.ts'
import { aServer } from './engine.contract.ts'
import type { Engine } from './engine.ts'

export type SocketOptions = {
  readonly open: () => Promise<Engine>
  /** How clients end a connection: where the table keeps one that both sides have closed for minutes, by a reset. */
  readonly ending?: 'close' | 'reset'
}

export async function openSocketConversations(
  protocol: 'tcp' | 'udp',
  { open, ending = 'close' }: SocketOptions,
): Promise<ConversationWorld> {
  const net = openLoopback()
  const engine = await open()
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
        if (ending === 'reset') socket?.resetAndDestroy()
        else socket?.end().resume()
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
