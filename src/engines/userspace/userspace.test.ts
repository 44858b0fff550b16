import { openLoopback } from '../../../labs/net/loopback.ts'
import { engineContract } from '../engine.contract.ts'
import { trafficContract } from '../traffic.contract.ts'
import { proxyProtocolContract, udpContract } from '../traffic-details.contract.ts'
import type { PlaneName } from './plane.ts'
import { userspaceEngine } from './userspace.ts'

const planes: readonly PlaneName[] = ['epoll', 'net']

for (const plane of planes) {
  const name = `userspace, ${plane} plane`
  engineContract(name, async () => {
    const engine = await userspaceEngine({ plane })
    const net = openLoopback()
    return {
      engine,
      freeService: async (protocol = 'tcp') => ({
        kind: 'address',
        protocol,
        ...(await net.freePlace('127.0.0.1', protocol)),
      }),
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    }
  })
  const open = (options: { connectTimeoutMs: number }) => userspaceEngine({ plane, ...options })
  trafficContract(name, open)
  udpContract(name, open)
  proxyProtocolContract(name, open)
}
