import { expect, test } from 'vitest'
import { aServer, aService } from '../engine.contract.ts'
import { type EngineReport, noCounters, type ServiceSnapshot } from '../engine.ts'
import { ForwardingWatch } from './forwarding.ts'

const none = { active: 0, inactive: 0, persistent: 0, counters: noCounters, rates: noCounters }

function service(port: number, ...servers: Parameters<typeof aServer>[1][]): ServiceSnapshot {
  return {
    service: aService({ kind: 'address', protocol: 'tcp', address: '10.0.0.1', port }),
    servers: servers.map((server, at) => ({ server: aServer(81 + at, server), ...none })),
    counters: noCounters,
    rates: noCounters,
  }
}

test('a service whose answers are not forwarded is told once, and once when it is well again', async () => {
  let ipv4 = '0\n'
  const told: string[] = []
  const onReport = ({ kind, subject, message }: EngineReport): void => void told.push(`${kind} ${subject}: ${message}`)
  const read = async (path: string): Promise<string | undefined> => (path.includes('ipv6') ? undefined : ipv4)
  const watch = new ForwardingWatch({ read }, onReport)
  const all = [
    service(80, { address: '10.9.0.2' }),
    service(90, { address: '10.9.0.2', forwarding: 'direct' }),
    service(91, { address: '127.0.0.1' }),
    service(92, { address: 'fd09::2' }),
  ]
  await watch.look(all)
  await watch.look(all)
  expect(told).toEqual([
    'trouble tcp 10.0.0.1:80: net.ipv4.ip_forward is 0: what servers of forwarding masq answer does not come back to clients; set it to 1',
  ])
  ipv4 = '1\n'
  await watch.look(all)
  await watch.look(all)
  expect(told.slice(1)).toEqual(['well tcp 10.0.0.1:80: answers come back by forwarding'])
})
