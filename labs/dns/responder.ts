/** A responder as a process of its own, for namespaces and benchmarks: ADDRESS PORT SERVERS [SCHEDULER]. Says `ready`. */
import { dnsEngine } from '../../src/engines/dns/dns.ts'
import { type SchedulerName, type ServiceId, schedulerNames } from '../../src/lvs/service.ts'
import { serverChange, within } from './world.ts'

const [address = '127.0.0.1', port = '53', servers = '2', wanted = 'rr'] = process.argv.slice(2)
const scheduler: SchedulerName = schedulerNames.find((name) => name === wanted) ?? 'rr'
const id: ServiceId = { kind: 'dns', name: 'www.shop', address, port: Number(port) }
const engine = await dnsEngine({ answersPerSecond: 1e9 })
await engine.apply(
  [
    { kind: 'service.add', service: { id, scheduler, schedulerFlags: [], onePacket: false } },
    ...Array.from({ length: Number(servers) }, (_, at) => serverChange(id, { address: `10.0.${at >> 8}.${at & 255}` })),
    serverChange(id, { address: 'fd00::1' }),
  ],
  within(),
)
console.log('ready')
