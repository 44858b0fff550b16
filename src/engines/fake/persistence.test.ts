import { describe, expect, test } from 'vitest'
import { IpvsWorld, ipvsServer, tcp, tcpService, text, udp, udpService } from '../../../test/build/ipvs.ts'
import type { Persistence } from '../../lvs/service.ts'

const each: Persistence = { timeoutSeconds: 100, mask: '255.255.255.255' }
const two = (persistence: Persistence = each): IpvsWorld =>
  new IpvsWorld().add(tcpService(90), [ipvsServer(2, { port: 90 }), ipvsServer(3, { port: 90 })], { persistence })
const connect = (world: IpvsWorld, from: string, to = '10.50.0.1:90', mark = 0): string =>
  world.receive(tcp(from, to, 'S', { mark }))

describe('persistence', () => {
  test('a client comes back to its server; its template is listed, and assured once a connection works', () => {
    const world = two()
    expect(connect(world, '99.1.1.9:1000')).toBe('masq 10.9.0.3:90')
    expect(connect(world, '99.1.1.8:1000')).toBe('masq 10.9.0.2:90')
    expect(connect(world, '99.1.1.9:1001')).toBe('masq 10.9.0.3:90')
    expect(world.list()[0]).toBe('tcp 100 NONE 99.1.1.9:0 10.50.0.1:90 10.9.0.3:90')
    world.receive(tcp('99.1.1.9:1001', '10.50.0.1:90', 'A'))
    expect(world.list()[0]).toBe('tcp 100 ASSURED 99.1.1.9:0 10.50.0.1:90 10.9.0.3:90')
    expect(world.counts()).toEqual(['10.9.0.3 2/0/1', '10.9.0.2 1/0/1'])
  })

  test('a mask makes one client of a network', () => {
    const world = two({ timeoutSeconds: 100, mask: '255.255.255.0' })
    expect(connect(world, '99.1.1.9:1000')).toBe('masq 10.9.0.3:90')
    expect(connect(world, '99.1.1.200:1000')).toBe('masq 10.9.0.3:90')
    expect(connect(world, '99.1.2.9:1000')).toBe('masq 10.9.0.2:90')
    expect(world.list()[0]).toBe('tcp 100 NONE 99.1.1.0:0 10.50.0.1:90 10.9.0.3:90')
  })

  test('so does a prefix', () => {
    const id = { kind: 'address', protocol: 'tcp', address: 'fd50::1', port: 90 } as const
    const servers = ['fd09::2', 'fd09::3'].map((address) => ipvsServer(0, { address, port: 90 }))
    const world = new IpvsWorld().add(id, servers, { persistence: { timeoutSeconds: 100, mask: '64' } })
    expect(connect(world, '[fd01:0:0:5::7]:1', '[fd50::1]:90')).toBe('masq [fd09::3]:90')
    expect(connect(world, '[fd01:0:0:5:8::]:1', '[fd50::1]:90')).toBe('masq [fd09::3]:90')
    expect(connect(world, '[fd01:0:0:6::7]:1', '[fd50::1]:90')).toBe('masq [fd09::2]:90')
    expect(world.list()[0]).toBe('tcp 100 NONE [fd01:0:0:5::]:0 [fd50::1]:90 [fd09::3]:90')
  })

  test('of a firewall mark holds for all ports and protocols, and shows the mark as an address', () => {
    const id = { kind: 'fwmark', mark: 9, family: 'ipv4' } as const
    const world = new IpvsWorld().add(id, [ipvsServer(77, { port: 80 }), ipvsServer(78, { port: 80 })], {
      persistence: { ...each, timeoutSeconds: 80 },
    })
    expect(connect(world, '99.1.1.4:1', '10.50.0.1:443', 9)).toBe('masq 10.9.0.78:443')
    expect(world.receive(udp('99.1.1.4:1', '10.60.0.1:53', { mark: 9 }))).toBe('masq 10.9.0.78:53')
    expect(world.list()[0]).toBe('ip 80 NONE 99.1.1.4:0 0.0.0.9:0 10.9.0.78:0')
  })

  test('of an IPv6 firewall mark shows it in the first group', () => {
    const id = { kind: 'fwmark', mark: 9, family: 'ipv6' } as const
    const world = new IpvsWorld().add(id, [ipvsServer(0, { address: 'fd09::2' })], {
      persistence: { timeoutSeconds: 80, mask: '128' },
    })
    connect(world, '[fd01::1]:1', '[fd50::1]:443', 9)
    expect(world.list()[0]).toBe('ip 80 NONE [fd01::1]:0 [0:9::]:0 [fd09::2]:0')
  })

  test('of port 0 keeps every port together, at the packet’s own port', () => {
    const world = new IpvsWorld().add(tcpService(0), [ipvsServer(2, { port: 8080 }), ipvsServer(3, { port: 8080 })], {
      persistence: each,
    })
    expect(connect(world, '99.1.1.9:1', '10.50.0.1:80')).toBe('masq 10.9.0.3:80')
    expect(connect(world, '99.1.1.9:2', '10.50.0.1:443')).toBe('masq 10.9.0.3:443')
    expect(world.list()[0]).toBe('tcp 100 NONE 99.1.1.9:0 10.50.0.1:0 10.9.0.3:0')
  })

  test('of FTP keeps the data connections with the control connection', () => {
    const world = new IpvsWorld().add(tcpService(21), [ipvsServer(2, { port: 21 }), ipvsServer(3, { port: 21 })], {
      persistence: each,
    })
    expect(connect(world, '99.1.1.9:1', '10.50.0.1:21')).toBe('masq 10.9.0.3:21')
    expect(connect(world, '99.1.1.9:2', '10.50.0.1:5000')).toBe('masq 10.9.0.3:5000')
    expect(world.list()[0]).toBe('tcp 100 NONE 99.1.1.9:0 10.50.0.1:0 10.9.0.3:0')
  })

  test('a template hit passes over weight 0 and thresholds', () => {
    const world = two()
    connect(world, '99.1.1.9:1')
    const server = ipvsServer(3, { port: 90, weight: 0, upperThreshold: 1 })
    world.ipvs.apply({ kind: 'server.update', id: tcpService(90), server })
    expect(connect(world, '99.1.1.9:2')).toBe('masq 10.9.0.3:90')
    expect(world.counts()[0]).toBe('10.9.0.3 2/0/1')
  })

  test('with expire_quiescent_template it leads to no server of weight 0, and waits for its end where nobody finds it', () => {
    const world = two().sysctls({ expire_quiescent_template: 1 })
    connect(world, '99.1.1.9:1')
    world.ipvs.apply({ kind: 'server.update', id: tcpService(90), server: ipvsServer(3, { port: 90, weight: 0 }) })
    expect(connect(world.advance(1), '99.1.1.9:2')).toBe('masq 10.9.0.2:90')
    expect(world.list()[0]).toBe('tcp 99 NONE 99.1.1.9:0 10.50.0.1:65535 10.9.0.3:65535')
    expect(world.counts()).toEqual(['10.9.0.3 1/0/1', '10.9.0.2 1/0/1'])
    expect(world.advance(120).list()).toEqual([])
  })

  test('a template never leads to a deleted server', () => {
    const world = two()
    connect(world, '99.1.1.9:1')
    world.ipvs.apply({ kind: 'server.remove', id: tcpService(90), server: ipvsServer(3, { port: 90 }) })
    expect(connect(world, '99.1.1.9:2')).toBe('masq 10.9.0.2:90')
    expect(world.list()[0]).toMatch(':65535 10.9.0.3:65535')
  })

  test('is renewed by each new connection, not by packets; while it is in use its end is put off by a minute, for good', () => {
    const world = two({ ...each, timeoutSeconds: 30 })
    connect(world, '99.1.1.9:1')
    world.receive(tcp('99.1.1.9:1', '10.50.0.1:90', 'A'))
    const left = (): string | undefined => world.list()[0]?.split(' ')[1]
    expect(world.advance(20) && left()).toBe('10')
    world.receive(tcp('99.1.1.9:1', '10.50.0.1:90', 'A'))
    expect(left()).toBe('10')
    connect(world, '99.1.1.9:2')
    expect(left()).toBe('30')
    expect(world.advance(30) && left()).toBe('60')
    connect(world, '99.1.1.9:3')
    expect(left()).toBe('60')
    world.advance(2000)
    expect(world.list()).toEqual([])
    expect(world.counts()).toEqual(['10.9.0.3 0/0/0', '10.9.0.2 0/0/0'])
  })

  test('is not used up by one-packet scheduling, which lists the template only', () => {
    const world = new IpvsWorld().add(udpService(), [ipvsServer(2, { port: 53 }), ipvsServer(3, { port: 53 })], {
      onePacket: true,
      persistence: each,
    })
    expect(world.receive(udp('99.1.1.9:1', '10.50.0.1:53'))).toBe('masq 10.9.0.3:53')
    expect(world.receive(udp('99.1.1.9:1', '10.50.0.1:53'))).toBe('masq 10.9.0.3:53')
    expect(world.list()).toEqual(['udp 100 NONE 99.1.1.9:0 10.50.0.1:53 10.9.0.3:53'])
    expect(world.counts()).toEqual(['10.9.0.3 0/0/1', '10.9.0.2 0/0/0'])
    expect(world.advance(100).list()).toEqual([])
  })
})

describe('one-packet scheduling', () => {
  test('each datagram is scheduled and counted as a connection, and none stands', () => {
    const world = new IpvsWorld().add(udpService(), [ipvsServer(2, { port: 53 }), ipvsServer(3, { port: 53 })], {
      onePacket: true,
    })
    const verdicts = Array.from({ length: 3 }, () => world.receive(udp('99.1.1.9:1', '10.50.0.1:53')))
    expect(verdicts).toEqual(['masq 10.9.0.3:53', 'masq 10.9.0.2:53', 'masq 10.9.0.3:53'])
    expect(world.list()).toEqual([])
    expect(world.counts()).toEqual(['10.9.0.3 0/0/0', '10.9.0.2 0/0/0'])
    expect(world.advance(2).ipvs.read()[0]?.counters).toMatchObject({ connections: 3, packetsIn: 3, bytesIn: 99 })
    expect(world.receive(udp('10.9.0.3:53', '99.1.1.9:1'))).toBe('accept')
  })
})

describe('persistence engine sip', () => {
  const sip = (): IpvsWorld =>
    new IpvsWorld().add(udpService(5060), [ipvsServer(2, { port: 5060 }), ipvsServer(3, { port: 5060 })], {
      persistence: { timeoutSeconds: 60, mask: '255.255.255.255', engine: 'sip' },
    })
  const call = (id: string): { payload: Uint8Array } => ({
    payload: text(`OPTIONS sip:x SIP/2.0\r\nCall-ID: ${id}\r\n\r\n`),
  })

  test('the calls of a client are kept apart, each with its server', () => {
    const world = sip()
    expect(world.receive(udp('10.1.0.2:1', '10.50.0.1:5060', call('abc123@host')))).toBe('masq 10.9.0.3:5060')
    expect(world.receive(udp('10.1.0.2:2', '10.50.0.1:5060', call('other')))).toBe('masq 10.9.0.2:5060')
    expect(world.receive(udp('10.1.0.2:3', '10.50.0.1:5060', call('other')))).toBe('masq 10.9.0.2:5060')
    expect(world.receive(udp('10.1.0.2:4', '10.50.0.1:5060', call('abc123@host')))).toBe('masq 10.9.0.3:5060')
    expect(world.list()[0]).toBe('udp 60 NONE 10.1.0.2:0 10.50.0.1:5060 10.9.0.3:5060 sip abc123@host')
    world.receive(udp('10.9.0.3:5060', '10.1.0.2:1'))
    expect(world.list()[0]).toContain('ASSURED')
  })

  test('of another client the same call is another one, but not within its mask', () => {
    const world = sip()
    world.receive(udp('10.1.0.2:1', '10.50.0.1:5060', call('abc123@host')))
    expect(world.receive(udp('10.1.0.9:3', '10.50.0.1:5060', call('abc123@host')))).toBe('masq 10.9.0.2:5060')
    const persistence: Persistence = { timeoutSeconds: 60, mask: '255.255.255.0', engine: 'sip' }
    world.add(udpService(5060), [], { persistence })
    expect(world.receive(udp('10.2.0.2:1', '10.50.0.1:5060', call('new')))).toBe('masq 10.9.0.3:5060')
    expect(world.receive(udp('10.2.0.9:1', '10.50.0.1:5060', call('new')))).toBe('masq 10.9.0.3:5060')
  })

  test('what has no Call-ID is dropped, and TCP altogether', () => {
    const world = sip()
    expect(world.receive(udp('10.1.0.2:1', '10.50.0.1:5060', { payload: text('hello') }))).toBe('drop')
    expect(world.receive(udp('10.1.0.2:1', '10.50.0.1:5060'))).toBe('drop')
    world.add(tcpService(5060), [ipvsServer(2)], {
      persistence: { timeoutSeconds: 60, mask: '255.255.255.255', engine: 'sip' },
    })
    expect(connect(world, '10.1.0.2:1', '10.50.0.1:5060')).toBe('drop')
  })

  test('a call that a server begins comes from the service, and its answers find the server', () => {
    const world = sip()
    expect(world.receive(udp('10.9.0.2:5060', '10.1.0.7:5060', call('mine')))).toBe('reply 10.50.0.1:5060')
    expect(world.receive(udp('10.1.0.7:5060', '10.50.0.1:5060', call('mine')))).toBe('masq 10.9.0.2:5060')
    expect(world.receive(udp('10.1.0.7:5061', '10.50.0.1:5060', call('mine')))).toBe('masq 10.9.0.2:5060')
    expect(world.receive(udp('10.9.0.9:5060', '10.1.0.7:5060', call('mine')))).toBe('accept')
  })
})
