/** The engine under test, as a program: `director.ts PLANE THREADS ADDRESS PORT,SERVER:PORT,SERVER:PORT …`. */
import type { EngineChange } from '../../src/engines/engine.ts'
import { userspaceEngine } from '../../src/engines/userspace/userspace.ts'
import type { ServiceId } from '../../src/lvs/service.ts'

const [plane, threads, address = '', ...services] = process.argv.slice(2)
const engine = await userspaceEngine({ plane: plane === 'net' ? 'net' : 'epoll', threads: Number(threads) })
const changes = services.flatMap((text): EngineChange[] => {
  const [port, ...servers] = text.split(',')
  const id: ServiceId = { kind: 'address', protocol: 'tcp', address, port: Number(port) }
  const service = { id, scheduler: 'rr', schedulerFlags: [], onePacket: false } as const
  return [
    { kind: 'service.add', service },
    ...servers.map((place): EngineChange => {
      const [server = '', serverPort] = place.split(':')
      const common = { forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0 } as const
      return { kind: 'server.add', id, server: { address: server, port: Number(serverPort), ...common } }
    }),
  ]
})
await engine.apply(changes, { signal: AbortSignal.timeout(10_000) })
process.stdout.write('ready\n')
process.stdin.resume().once('end', () => void engine[Symbol.asyncDispose]().then(() => process.exit(0)))
