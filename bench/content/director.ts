/** The engine under test, as a program: `director.ts ADDRESS HTTP-PORT HTTPS-PORT CERTIFICATE KEY OWN-PORT API-PORT`. */
import { applicationEngine } from '../../src/engines/application/application.ts'
import type { EngineChange } from '../../src/engines/engine.ts'
import type { ServiceId } from '../../src/lvs/service.ts'

const [address = '', httpPort, httpsPort, certificate = '', key = '', ownPort, apiPort] = process.argv.slice(2)
const engine = await applicationEngine({ onReport: (report) => console.error(report) })
const common = { scheduler: 'rr', schedulerFlags: [], onePacket: false } as const
const server = (id: ServiceId, port: string | undefined): EngineChange => ({
  kind: 'server.add',
  id,
  server: { address, port: Number(port), forwarding: 'masq', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
})
const pool: ServiceId = { kind: 'pool', name: 'api' }
const rules = [{ match: { path: { value: '/api', exact: false } }, pool: 'api' }]
const front = (port: string | undefined, isTls: boolean): EngineChange[] => {
  const id: ServiceId = { kind: 'address', protocol: 'tcp', address, port: Number(port) }
  const certificates = isTls ? { certificates: [{ certificate, key }] } : {}
  const application = { kind: 'http', rules, ...certificates } as const
  return [{ kind: 'service.add', service: { id, ...common, application } }, server(id, ownPort)]
}
await engine.apply(
  [
    { kind: 'service.add', service: { id: pool, ...common } },
    server(pool, apiPort),
    ...front(httpPort, false),
    ...front(httpsPort, true),
  ],
  { signal: AbortSignal.timeout(10_000) },
)
process.stdout.write('ready\n')
process.stdin.resume().once('end', () => void engine[Symbol.asyncDispose]().then(() => process.exit(0)))
