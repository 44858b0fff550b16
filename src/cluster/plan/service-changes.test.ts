import { describe, expect, test } from 'vitest'
import { buildServer, buildService, buildWanted } from '../../../test/build/services.ts'
import type { ClusterServices, NotifySink } from '../../director/control.ts'
import type { Application } from '../../lvs/application.ts'
import type { Service } from '../../lvs/service.ts'
import { serviceReasons } from './service-changes.ts'

const cluster = (service: Partial<Service>, more: Partial<ClusterServices> = {}): ClusterServices => ({
  cluster: 'shop',
  services: [buildWanted({ service: buildService(service) })],
  ...more,
})
const http = (...pools: string[]): Application => ({
  kind: 'http',
  rules: pools.map((pool) => ({ match: { host: pool }, pool })),
})
const pem = [{ certificate: '/a.pem', key: '/a.key' }]

describe('the words for changed services', () => {
  test.each<{ name: string; from: Partial<Service>; to: Partial<Service>; reason: string }>([
    { name: 'one reads', from: {}, to: { application: http('a') }, reason: 'http is read' },
    {
      name: 'another kind is read',
      from: { application: { kind: 'sni', rules: [] } },
      to: { application: http() },
      reason: 'http is read instead of sni',
    },
    {
      name: 'rules come and go',
      from: { application: http('a', 'b') },
      to: { application: http('b', 'c', 'd') },
      reason: 'its rules change: 2 new, 1 gone',
    },
    {
      name: 'rules change places',
      from: { application: http('a', 'b') },
      to: { application: http('b', 'a') },
      reason: 'its rules change their order',
    },
    {
      name: 'certificates',
      from: { application: { kind: 'http', rules: [] } },
      to: { application: { kind: 'http', rules: [], certificates: pem } },
      reason: 'its certificates change',
    },
    {
      name: 'scheduler flags',
      from: { scheduler: 'sh' },
      to: { scheduler: 'sh', schedulerFlags: ['sh-port'] },
      reason: 'scheduler flags change to sh-port',
    },
    { name: 'one packet', from: {}, to: { onePacket: true }, reason: 'one-packet is switched on' },
    { name: 'ttl', from: { ttlSeconds: 5 }, to: { ttlSeconds: 60 }, reason: 'ttl changes from 5s to 1m' },
    {
      name: 'another kind of service',
      from: { id: { kind: 'fwmark', mark: 5, family: 'ipv4' } },
      to: { id: { kind: 'dns', name: 'www.shop', address: '10.0.0.1', port: 53 } },
      reason: 'address changes from fwmark 5 ipv4 to dns www.shop 10.0.0.1:53',
    },
  ])('$name', ({ from, to, reason }) => {
    expect(serviceReasons(cluster(from), cluster(to))).toEqual([`www: ${reason}`])
    expect(serviceReasons(cluster(to), cluster(to))).toEqual([])
  })

  test('servers that are reached otherwise', () => {
    const services = (changes: Parameters<typeof buildServer>[1]): ClusterServices => ({
      cluster: 'shop',
      services: [buildWanted({ servers: [buildServer(80, changes)] })],
    })
    expect(serviceReasons(services({}), services({ forwarding: 'direct' }))).toEqual([
      'www: 127.0.0.1:80 is reached by direct instead of masq',
    ])
    expect(serviceReasons(services({}), services({ tunnel: { type: 'ipip' } }))).toEqual([
      'www: the tunnel to 127.0.0.1:80 changes',
    ])
  })

  test('settings', () => {
    const before = cluster({}, { settings: { timeouts: { tcp: 60, udp: 5 } } })
    const after = cluster({}, { settings: { timeouts: { tcp: 90 }, sysctls: { drop_entry: 3 } } })
    expect(serviceReasons(before, after)).toEqual([
      'setting drop_entry becomes 3',
      'setting tcp changes from 60 to 90',
      'setting udp goes back to its default',
    ])
  })

  test('who is told of events, without what may be secret, and where metrics are', () => {
    const sink = (secret: string): NotifySink => ({ kind: 'webhook', url: `https://hooks.example.org/${secret}` })
    const before = cluster({}, { notify: [sink('a'), sink('b')] })
    const after = cluster({}, { notify: [sink('b'), sink('c')], metrics: { address: '127.0.0.1', port: 9600 } })
    expect(serviceReasons(before, after)).toEqual([
      'who is told of events changes: 1 new, 1 gone',
      'the address of metrics changes from none to 127.0.0.1:9600',
    ])
    expect(serviceReasons(after, after)).toEqual([])
  })
})
