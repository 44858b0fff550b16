/** The conversation contract on the in-memory IPVS by packets, and on the userspace engine over loopback. */
import type { RealServer, ServiceId } from '../lvs/service.ts'
import { type ConversationWorld, conversationContract, type OpenConversations } from './conversation.contract.ts'
import { openSocketConversations } from './conversation-sockets.contract.ts'
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

const openPlane =
  (plane: PlaneName): OpenConversations =>
  (protocol) =>
    openSocketConversations(protocol, { open: () => userspaceEngine({ plane, threads: plane === 'net' ? 1 : 2 }) })

conversationContract('fake, by packets', openPackets)
conversationContract('userspace, epoll plane', openPlane('epoll'))
conversationContract('userspace, net plane', openPlane('net'))
