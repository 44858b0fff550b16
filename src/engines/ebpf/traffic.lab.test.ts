/** The contracts of engines that move traffic, with real sockets: clients, director and servers in one namespace, by `lo`. */
import { enterNewNamespace, openBpfWorld } from '../../../labs/ebpf/world.ts'
import { conversationContract } from '../conversation.contract.ts'
import { openSocketConversations } from '../conversation-sockets.contract.ts'
import type { Engine } from '../engine.ts'
import { decisionsContract } from '../traffic-decisions.contract.ts'
import { ebpfEngine } from './ebpf.ts'

const limits = { connections: 4096, templates: 1024, services: 256, servers: 1024, 'table-entries': 65_536 }

async function open(): Promise<Engine> {
  const world = await openBpfWorld()
  const namespace = await enterNewNamespace()
  const engine = await ebpfEngine({ ...world, limits })
  const end = engine[Symbol.asyncDispose].bind(engine)
  engine[Symbol.asyncDispose] = async () => {
    await end()
    await namespace[Symbol.asyncDispose]()
    await world[Symbol.asyncDispose]()
  }
  return engine
}

decisionsContract('ebpf', open)
conversationContract('ebpf', (protocol) => openSocketConversations(protocol, { open, ending: 'reset' }))
