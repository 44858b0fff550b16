import { describe, expect, test } from 'vitest'
import type { SyncDaemon, TableEdit } from './edit.ts'
import { type EditSurroundings, type EditView, editErrno, isMixedFamily } from './edit-rules.ts'
import { type RealServer, realServerKey, type Service, type ServiceId, schedulerNames, serviceKey } from './service.ts'

const web: ServiceId = { kind: 'address', protocol: 'tcp', address: '10.50.0.1', port: 80 }
const web6: ServiceId = { kind: 'address', protocol: 'tcp', address: 'fd50::1', port: 80 }
const mark6: ServiceId = { kind: 'fwmark', mark: 6, family: 'ipv6' }
const other: ServiceId = { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 80 }
const aService = (id: ServiceId, over: Partial<Service> = {}): Service => ({
  id,
  scheduler: 'wlc',
  schedulerFlags: [],
  onePacket: false,
  ...over,
})
const aServer = (address: string, over: Partial<RealServer> = {}): RealServer => ({
  address,
  port: 80,
  forwarding: 'masq',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  ...over,
})
const aDaemon = (over: Partial<SyncDaemon> = {}): SyncDaemon => ({
  role: 'master',
  interface: 'eth0',
  syncId: 0,
  group: '224.0.0.81',
  port: 8848,
  ttl: 1,
  ...over,
})

const standing = new Map([web, web6, mark6].map((id) => [serviceKey(id), aService(id)]))
const view = (over: { daemons?: SyncDaemon[]; mixed?: boolean } = {}): EditView => ({
  service: (id) => standing.get(serviceKey(id)),
  server: (id, server) =>
    serviceKey(id) === serviceKey(web) && realServerKey(server) === '10.9.0.2:80' ? aServer('10.9.0.2') : undefined,
  daemons: () => over.daemons ?? [],
  hasMixedFamilies: () => over.mixed ?? false,
})
const around: EditSurroundings = {
  schedulers: schedulerNames.filter((name) => name !== 'twos'),
  addresses: [
    { address: '10.7.0.1', prefix: 24 },
    { address: '10.8.0.0', prefix: 31 },
    { address: 'fe80::1', prefix: 64 },
  ],
  interfaces: new Map([['eth0', 1500]]),
}
const add = (server: RealServer, id: ServiceId = web): TableEdit => ({ kind: 'server.add', id, server })

describe('what the kernel answers to an edit by hand', () => {
  test.each<[string, TableEdit, string | undefined]>([
    ['a service is added', { kind: 'service.add', service: aService(other) }, undefined],
    ['a service is added twice', { kind: 'service.add', service: aService(web) }, 'EEXIST'],
    ['a service that is not there is edited', { kind: 'service.edit', service: aService(other) }, 'ESRCH'],
    ['a service that is not there is deleted', { kind: 'service.delete', id: other }, 'ESRCH'],
    ['counters of a service that is not there are zeroed', { kind: 'zero', id: other }, 'ESRCH'],
    ['all counters are zeroed', { kind: 'zero' }, undefined],
    ['everything is flushed', { kind: 'flush' }, undefined],
    ['a scheduler is not built in', { kind: 'service.add', service: aService(other, { scheduler: 'twos' }) }, 'ENOENT'],
    ['a service has no scheduler', { kind: 'service.edit', service: aService(web, { scheduler: 'none' }) }, undefined],
    ['an IPv6 prefix is 0', { kind: 'service.edit', service: aService(web6, { persistence: { timeoutSeconds: 1, mask: '0' } }) }, 'EINVAL'],
    ['an IPv6 prefix is 129', { kind: 'service.edit', service: aService(web6, { persistence: { timeoutSeconds: 1, mask: '129' } }) }, 'EINVAL'],
    ['an IPv6 prefix is 128', { kind: 'service.edit', service: aService(mark6, { persistence: { timeoutSeconds: 1, mask: '128' } }) }, undefined],
    ['an IPv4 mask is empty', { kind: 'service.edit', service: aService(web, { persistence: { timeoutSeconds: 1, mask: '0.0.0.0' } }) }, undefined],
    ['the kernel has no form for it', { kind: 'service.add', service: aService({ kind: 'pool', name: 'x' }) }, 'EINVAL'],
    ['a server of no service is added', add(aServer('10.9.0.3'), other), 'ESRCH'],
    ['a server of no service is deleted', { kind: 'server.delete', id: other, server: aServer('10.9.0.2') }, 'ESRCH'],
    ['a server is added twice', add(aServer('10.9.0.2')), 'EEXIST'],
    ['a server that is not there is edited', { kind: 'server.edit', id: web, server: aServer('10.9.0.3') }, 'ENOENT'],
    ['a server that is not there is deleted', { kind: 'server.delete', id: web, server: aServer('10.9.0.3') }, 'ENOENT'],
    ['a server is edited', { kind: 'server.edit', id: web, server: aServer('10.9.0.2', { weight: 0 }) }, undefined],
    ['a weight is negative', add(aServer('10.9.0.3', { weight: -1 })), 'ERANGE'],
    ['the lower threshold is above the upper', add(aServer('10.9.0.3', { upperThreshold: 1, lowerThreshold: 2 })), 'ERANGE'],
    ['there is a lower threshold only', { kind: 'server.edit', id: web, server: aServer('10.9.0.2', { lowerThreshold: 2 }) }, 'ERANGE'],
    ['the upper threshold is beyond an int', add(aServer('10.9.0.3', { upperThreshold: 2 ** 31 })), 'EINVAL'],
    ['the values are wrong and the server is there', add(aServer('10.9.0.2', { weight: -1 })), 'ERANGE'],
    ['gue has port 0', add(aServer('10.9.0.3', { forwarding: 'tunnel', tunnel: { type: 'gue', port: 0, checksum: 'csum' } })), 'EINVAL'],
    ['another family is not tunnelled', add(aServer('fd09::2')), 'EINVAL'],
    ['another family is tunnelled', add(aServer('fd09::2', { forwarding: 'tunnel' })), undefined],
    ['another family is deleted', { kind: 'server.delete', id: web, server: aServer('fd09::2') }, 'ENOENT'],
    ['timeouts are set', { kind: 'timeouts', timeouts: { tcp: 0, tcpFin: 2_678_400 } }, undefined],
    ['a timeout is negative', { kind: 'timeouts', timeouts: { udp: -1 } }, 'EINVAL'],
    ['a timeout is beyond the kernel’s ticks', { kind: 'timeouts', timeouts: { udp: 8_589_935 } }, 'EINVAL'],
    ['a daemon starts', { kind: 'daemon.start', daemon: aDaemon() }, undefined],
    ['a daemon’s interface is not there', { kind: 'daemon.start', daemon: aDaemon({ interface: 'eth9' }) }, 'ENODEV'],
    ['a daemon’s group is none', { kind: 'daemon.start', daemon: aDaemon({ group: '10.0.0.1' }) }, 'EINVAL'],
    ['a daemon that does not run is stopped', { kind: 'daemon.stop', role: 'backup' }, 'ESRCH'],
  ])('%s: %s', (_, edit, errno) => {
    expect(editErrno(edit, view(), around)).toBe(errno)
  }) // biome-ignore format: a table

  test.each([
    ['10.9.0.3', undefined],
    ['127.0.0.1', undefined],
    ['240.0.0.1', undefined],
    ['10.7.0.1', undefined],
    ['10.7.0.255', 'EINVAL'],
    ['10.7.0.0', undefined],
    ['10.7.1.255', undefined],
    ['10.8.0.1', undefined],
    ['224.0.0.1', 'EINVAL'],
    ['239.255.255.255', 'EINVAL'],
    ['0.0.0.0', 'EINVAL'],
    ['255.255.255.255', 'EINVAL'],
  ])('a real server at %s: %s', (address, errno) => {
    expect(editErrno(add(aServer(address)), view(), around)).toBe(errno)
  })

  test.each([
    ['fd09::2', undefined],
    ['2001:db8::1', undefined],
    ['::1', undefined],
    ['fe80::1', undefined],
    ['fe80::2', 'EINVAL'],
    ['febf::2', 'EINVAL'],
    ['ff02::1', 'EINVAL'],
    ['::', 'EINVAL'],
    ['::ffff:10.0.0.1', 'EINVAL'],
  ])('a real server at %s: %s', (address, errno) => {
    expect(editErrno(add(aServer(address), web6), view(), around)).toBe(errno)
  })

  test('a VIP may be any address', () => {
    for (const address of ['224.0.0.1', '0.0.0.0', '255.255.255.255'])
      expect(editErrno({ kind: 'service.add', service: aService({ ...web, address }) }, view(), around)).toBeUndefined()
  })

  test('daemons and servers of another family keep each other out', () => {
    const running = view({ daemons: [aDaemon({ role: 'backup' })] })
    const tunnelled = add(aServer('fd09::2', { forwarding: 'tunnel' }))
    expect(editErrno(tunnelled, running, around)).toBe('EINVAL')
    expect(
      editErrno({ kind: 'daemon.start', daemon: aDaemon({ interface: 'eth9' }) }, view({ mixed: true }), around),
    ).toBe('EINVAL')
    expect(isMixedFamily(mark6, aServer('10.9.0.2'))).toBe(true)
    expect(isMixedFamily(web6, aServer('fd09::2'))).toBe(false)
  })

  test('each role runs once', () => {
    const running = view({ daemons: [aDaemon({ role: 'backup' })] })
    expect(editErrno({ kind: 'daemon.start', daemon: aDaemon({ role: 'backup' }) }, running, around)).toBe('EEXIST')
    expect(editErrno({ kind: 'daemon.start', daemon: aDaemon() }, running, around)).toBeUndefined()
    expect(editErrno({ kind: 'daemon.stop', role: 'backup' }, running, around)).toBeUndefined()
  })
})
