import { openLoopback } from '../../../labs/net/loopback.ts'
import { engineContract } from '../engine.contract.ts'
import { dnsEngine } from './dns.ts'

let names = 0
engineContract('dns', async () => {
  const engine = await dnsEngine()
  const net = openLoopback()
  const { port } = await net.freePlace('127.0.0.1', 'udp')
  return {
    engine,
    freeService: async () => ({ kind: 'dns', name: `name-${names++}.shop`, address: '127.0.0.1', port }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
})
