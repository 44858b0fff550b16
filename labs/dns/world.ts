/** The responder in this process, and programs that ask it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { dnsEngine } from '../../src/engines/dns/dns.ts'
import { freePort } from '../../src/engines/dns/dns-world.contract.ts'
import type { Engine, EngineChange } from '../../src/engines/engine.ts'
import type { RealServer, Service, ServiceId } from '../../src/lvs/service.ts'

const execute = promisify(execFile)

export const within = (ms = 20_000): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

export type Shop = AsyncDisposable & {
  readonly engine: Engine
  readonly port: number
  /** A service, its servers in the order of the scheduler's list. */
  serve(
    name: string,
    servers: readonly (Partial<RealServer> & { address: string })[],
    over?: Partial<Service>,
  ): Promise<ServiceId>
  /** What dig prints, line by line. @throws Error with its output when it fails. */
  dig(...words: readonly string[]): Promise<string[]>
}

export async function openShop(address = '127.0.0.1'): Promise<Shop> {
  const engine = await dnsEngine()
  const port = await freePort()
  return {
    engine,
    port,
    async serve(name, servers, over = {}) {
      const id: ServiceId = { kind: 'dns', name, address, port }
      const service: Service = { id, scheduler: 'rr', schedulerFlags: [], onePacket: false, ...over }
      await engine.apply(
        [{ kind: 'service.add', service }, ...servers.toReversed().map((server) => serverChange(id, server))],
        within(),
      )
      return id
    },
    async dig(...words) {
      const fixed = [`@${address}`, '-p', String(port), '+time=2', '+tries=1']
      const { stdout } = await execute('dig', [...fixed, ...words], { timeout: 10_000 })
      return stdout.split('\n').filter((line) => line !== '')
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

export function serverChange(id: ServiceId, over: Partial<RealServer> & { address: string }): EngineChange {
  const server = { port: 80, forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0, ...over } as const
  return { kind: 'server.add', id, server }
}
