import { describe, expect, test } from 'vitest'
import { noCounters, type ServiceSnapshot } from '../../engines/engine.ts'
import { formatEndpoint, type ServiceId, serviceKey } from '../../lvs/service.ts'
import { inKernelOrder, sortServers, sortServices } from './order.ts'

const tcp = (address: string, port = 80): ServiceId => ({ kind: 'address', protocol: 'tcp', address, port })
const mark = (number: number, family: 'ipv4' | 'ipv6' = 'ipv4'): ServiceId => ({ kind: 'fwmark', mark: number, family })
const snapshot = (id: ServiceId): ServiceSnapshot => ({
  service: { id, scheduler: 'rr', schedulerFlags: [], onePacket: false },
  servers: [],
  counters: noCounters,
  rates: noCounters,
})
const keys = (services: readonly ServiceSnapshot[]): string[] => services.map(({ service: { id } }) => serviceKey(id))
const sorted = (...ids: ServiceId[]): string[] => keys(sortServices(ids.map(snapshot)))

describe('services', () => {
  test('are sorted by mark, family, protocol, address and port', () => {
    const ids: ServiceId[] = [
      tcp('10.0.0.1', 80), tcp('10.0.0.1', 81), tcp('10.0.0.2', 79), { kind: 'address', protocol: 'udp', address: '10.0.0.1', port: 1 },
      { kind: 'address', protocol: 'sctp', address: '10.0.0.1', port: 1 }, tcp('fd00::1', 1), tcp('fd00::1', 2), tcp('fd00::2', 1),
      mark(1), mark(1, 'ipv6'), mark(2),
    ] // biome-ignore format: a list to read at a glance
    expect(sorted(...ids.toReversed())).toEqual(ids.map(serviceKey))
  })

  test('that lie far apart are the wrong way round, as ipvsadm has them', () => {
    expect(sorted(tcp('0.0.0.0'), tcp('255.255.255.255'))).toEqual(['tcp 255.255.255.255:80', 'tcp 0.0.0.0:80'])
    expect(sorted(mark(3), mark(4_294_967_295))).toEqual(['fwmark 4294967295 ipv4', 'fwmark 3 ipv4'])
  })

  test('unsorted stand by hash bucket, the newest first in each, firewall marks last', () => {
    const ids = [mark(1), tcp('10.0.0.1', 80), tcp('10.0.1.0', 80), tcp('10.0.0.1', 81), mark(1, 'ipv6')]
    expect(keys(inKernelOrder(ids.map(snapshot)))).toEqual([
      'tcp 10.0.0.1:81', 'tcp 10.0.1.0:80', 'tcp 10.0.0.1:80', 'fwmark 1 ipv6', 'fwmark 1 ipv4',
    ]) // biome-ignore format: a list to read at a glance
  })
})

describe('real servers', () => {
  test('are sorted by address, then port', () => {
    const servers = [
      { address: '10.9.0.2', port: 8 }, { address: '10.9.0.2', port: 80 }, { address: '10.9.0.3', port: 1 }, { address: '100.9.0.2', port: 1 },
    ] // biome-ignore format: a list to read at a glance
    expect(sortServers(servers.toReversed())).toEqual(servers)
  })

  test('of both families stand as ipvsadm takes their first words', () => {
    const kernel = [
      { address: '2001:db8::2', port: 8 }, { address: 'fd09::2', port: 8 }, { address: '10.9.0.2', port: 8 },
      { address: '10.9.0.2', port: 80 }, { address: '100.9.0.2', port: 0 }, { address: '10.9.0.2', port: 0 },
      { address: '200.0.0.1', port: 0 },
    ] // biome-ignore format: a list to read at a glance
    expect(sortServers(kernel).map(formatEndpoint)).toEqual([
      '200.0.0.1:0', '[fd09::2]:8', '10.9.0.2:0', '10.9.0.2:8', '10.9.0.2:80', '[2001:db8::2]:8', '100.9.0.2:0',
    ]) // biome-ignore format: a list to read at a glance
  })
})
