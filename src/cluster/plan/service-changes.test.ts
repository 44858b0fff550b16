import { describe, expect, test } from 'vitest'
import { buildCheck, buildServer, buildService, buildWanted } from '../../../test/build/services.ts'
import type { ClusterServices, NotifySink, WantedService } from '../../director/control.ts'
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

  test.each<{ name: string; to: Partial<WantedService>; reason: string; back: string }>([
    {
      name: 'panic',
      to: { panicPercent: 40 },
      reason: 'panic threshold changes from none to 40%',
      back: 'panic threshold changes from 40% to none',
    },
    {
      name: 'slow start',
      to: { slowStartMs: 30_000 },
      reason: 'slow start changes from none to 30s',
      back: 'slow start changes from 30s to none',
    },
    {
      name: 'the fallback command',
      to: { fallbackCommand: 'page' },
      reason: 'fallback command changes from none to page',
      back: 'fallback command changes from page to none',
    },
    { name: 'a check', to: { checks: [buildCheck()] }, reason: 'it gets a check', back: 'it loses its check' },
    {
      name: 'checks',
      to: { checks: [buildCheck(), buildCheck({ port: 1 })] },
      reason: 'it gets 2 checks',
      back: 'it loses its checks',
    },
    {
      name: 'a server’s own check',
      to: { servers: [buildServer(1001, { checks: [] }), buildServer(1002)] },
      reason: 'the check of 127.0.0.1:1001 changes',
      back: 'the check of 127.0.0.1:1001 changes',
    },
  ])('$name', ({ to, reason, back }) => {
    const of = (changes: Partial<WantedService>): ClusterServices => ({
      cluster: 'shop',
      services: [buildWanted(changes)],
    })
    expect(serviceReasons(of({}), of(to))).toEqual([`www: ${reason}`])
    expect(serviceReasons(of(to), of({}))).toEqual([`www: ${back}`])
  })

  test('one check of several', () => {
    const services = (...ports: number[]): ClusterServices => ({
      cluster: 'shop',
      services: [buildWanted({ checks: ports.map((port) => buildCheck({ port })) })],
    })
    expect(serviceReasons(services(1, 2), services(1, 3))).toEqual(['www: its checks change'])
    expect(serviceReasons(services(1, 2), services(1))).toEqual(['www: it has 1 check instead of 2'])
  })

  test('the maintenance directory', () => {
    expect(serviceReasons(cluster({}), cluster({}, { maintenance: '/m' }))).toEqual([
      'the maintenance directory changes from none to /m',
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
