import { enterNewNamespace, openBpfWorld } from '../../../labs/ebpf/world.ts'
import { type EngineUnderTest, engineContract } from '../engine.contract.ts'
import { engineStateContract } from '../engine-state.contract.ts'
import { portingContract } from '../porting.contract.ts'
import { ebpfEngine } from './ebpf.ts'

const limits = { connections: 4096, templates: 1024, services: 256, servers: 1024, 'table-entries': 65_536 }

async function open(): Promise<EngineUnderTest> {
  const world = await openBpfWorld()
  const namespace = await enterNewNamespace()
  const engine = await ebpfEngine({ ...world, limits })
  let port = 8000
  return {
    engine,
    freeService: async (protocol = 'tcp') => ({ kind: 'address', protocol, address: '10.50.0.1', port: port++ }),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      await namespace[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

engineContract('ebpf', open)
engineStateContract('ebpf', open)
portingContract('ebpf', open)
