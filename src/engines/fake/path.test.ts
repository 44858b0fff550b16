import { describe, expect, test } from 'vitest'
import { IpvsWorld, ipvsServer, sctp, sctpService, tcp, tcpService, udp, udpService } from '../../../test/build/ipvs.ts'

const client = '10.1.0.2:40001'
const service = '10.50.0.1:80'
const server = '10.9.0.2:8080'
const one = (): IpvsWorld => new IpvsWorld().add(tcpService(), [ipvsServer(2)])
const direct = (): IpvsWorld => new IpvsWorld().add(tcpService(), [ipvsServer(2, { forwarding: 'direct', port: 80 })])

type Step = readonly ['in' | 'out', string, string, number]

/** Each packet, with the state and the seconds that the entry shows after it. */
function walk(world: IpvsWorld, steps: readonly Step[]): void {
  for (const [direction, flags, state, seconds] of steps) {
    world.receive(direction === 'in' ? tcp(client, service, flags) : tcp(server, client, flags))
    expect([flags, ...(world.list()[0] ?? '').split(' ').slice(1, 3)]).toEqual([flags, String(seconds), state])
  }
}

describe('a TCP connection', () => {
  test('through masq is followed both ways, counted as active from the SYN to the first FIN', () => {
    const world = one()
    expect(world.receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.2:8080')
    expect(world.list()).toEqual([`tcp 60 SYN_RECV ${client} ${service} ${server}`])
    expect(world.counts()).toEqual(['10.9.0.2 1/0/0'])
    expect(world.receive(tcp(server, client, 'SA'))).toBe(`reply ${service}`)
    walk(world, [
      ['in', 'A', 'ESTABLISHED', 900],
      ['out', 'A', 'ESTABLISHED', 900],
      ['in', 'FA', 'CLOSE_WAIT', 60],
      ['out', 'FA', 'TIME_WAIT', 120],
      ['in', 'A', 'TIME_WAIT', 120],
    ])
    expect(world.counts()).toEqual(['10.9.0.2 0/1/0'])
    expect(world.advance(119.9).counts()).toEqual(['10.9.0.2 0/1/0'])
    expect(world.advance(0.1).counts()).toEqual(['10.9.0.2 0/0/0'])
    expect(world.list()).toEqual([])
  })

  test('ended by its server waits in FIN_WAIT for its own timeout', () => {
    walk(one().set({ timeouts: { tcp: 100, tcpFin: 7, udp: 0 } }), [
      ['in', 'S', 'SYN_RECV', 60],
      ['out', 'SA', 'SYN_RECV', 60],
      ['in', 'A', 'ESTABLISHED', 100],
      ['out', 'FA', 'FIN_WAIT', 7],
      ['in', 'FA', 'TIME_WAIT', 120],
    ])
  })

  test.each<[string, () => IpvsWorld, readonly Step[]]>([
    ['is closed by a reset for 10 s', one, [['in', 'S', 'SYN_RECV', 60], ['in', 'A', 'ESTABLISHED', 900], ['out', 'R', 'CLOSE', 10]]],
    ['is closed by a packet without flags', one, [['in', 'S', 'SYN_RECV', 60], ['in', '', 'CLOSE', 10]]],
    ['of which only one side passes here is in FIN_WAIT when that side ends', direct, [['in', 'S', 'SYN_RECV', 60], ['in', 'A', 'ESTABLISHED', 900], ['in', 'FA', 'FIN_WAIT', 120]]],
    ['under secure_tcp is not believed before its ACK', () => direct().sysctls({ secure_tcp: 3 }), [['in', 'S', 'SYNACK', 120], ['in', 'A', 'ESTABLISHED', 900]]],
    ['under secure_tcp waits for the server’s ACK, too', () => one().sysctls({ secure_tcp: 3 }), [['in', 'S', 'SYN_RECV', 60], ['out', 'SA', 'SYNACK', 120], ['in', 'A', 'SYNACK', 120], ['out', 'A', 'ESTABLISHED', 900]]],
    ['that is half open is not ended by its client’s reset', one, [['in', 'S', 'SYN_RECV', 60], ['in', 'R', 'SYN_RECV', 60]]],
  ])('%s', (_, world, steps) => walk(world(), steps)) // biome-ignore format: a table

  test.each([
    ['SYN+ACK, for active FTP', 'SA', {}, 'masq 10.9.0.2:8080'],
    ['data', 'A', {}, 'accept'],
    ['data, when sloppy', 'A', { sloppy_tcp: 1 }, 'masq 10.9.0.2:8080'],
    ['a reset', 'R', {}, 'accept'],
    ['a reset, when sloppy', 'RA', { sloppy_tcp: 1 }, 'accept'],
  ])('may begin with: %s', (_, flags, sysctls, verdict) => {
    expect(
      one()
        .sysctls(sysctls)
        .receive(tcp(client, service, flags)),
    ).toBe(verdict)
  })

  test('from port 20 is never scheduled', () => {
    expect(one().receive(tcp('10.1.0.2:20', service, 'S'))).toBe('accept')
  })
})

describe('conn_reuse_mode', () => {
  const three = (forwarding: 'masq' | 'direct', mode: number): IpvsWorld =>
    new IpvsWorld()
      .add(
        tcpService(),
        [2, 3, 4].map((last) => ipvsServer(last, { forwarding, port: 80 })),
      )
      .sysctls({ conn_reuse_mode: mode })

  test.each([
    [0, 'masq', ['S', 'A', 'R'], '10.9.0.4'],
    [1, 'masq', ['S', 'A', 'R'], '10.9.0.3'],
    [1, 'direct', ['S', 'A', 'FA'], '10.9.0.4'],
    [2, 'direct', ['S', 'A', 'FA'], '10.9.0.3'],
    [3, 'direct', ['S', 'A', 'FA'], '10.9.0.3'],
    [3, 'direct', ['S', 'A'], '10.9.0.4'],
  ] as const)('%i, %s after %j: the next SYN goes to %s', (mode, forwarding, before, to) => {
    const world = three(forwarding, mode)
    for (const flags of before) world.receive(tcp(client, service, flags))
    expect(world.receive(tcp(client, service, 'S'))).toBe(`${forwarding} ${to}:80`)
    expect(world.list()).toHaveLength(1)
    expect(world.counts().filter((line) => line.endsWith('1/0/0'))).toEqual([`${to} 1/0/0`])
  })
})

describe('a server that is gone', () => {
  const gone = (sysctls: object): IpvsWorld => {
    const world = new IpvsWorld().add(tcpService(), [ipvsServer(2), ipvsServer(3)]).sysctls(sysctls)
    world.receive(tcp(client, service, 'S'))
    world.receive(tcp(client, service, 'A'))
    world.advance(2)
    world.ipvs.apply({ kind: 'server.remove', id: tcpService(), server: ipvsServer(3) })
    return world
  }

  test('swallows what its clients send, until they give up', () => {
    const world = gone({})
    expect(world.receive(tcp(client, service, 'A'))).toBe('drop')
    expect(world.receive(tcp(client, service, 'S'))).toBe('drop')
    expect(world.list()).toHaveLength(1)
  })

  test('is forgotten with expire_nodest_conn: a SYN is scheduled anew, data is answered by the local stack', () => {
    const world = gone({ expire_nodest_conn: 1 })
    expect(world.list()).toEqual([])
    expect(world.receive(tcp(client, service, 'A'))).toBe('accept')
    expect(world.receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.2:8080')
  })

  test('of weight 0 gives its clients’ new connections away with expire_nodest_conn', () => {
    const world = new IpvsWorld().add(tcpService(), [ipvsServer(2), ipvsServer(3)])
    world.receive(tcp(client, service, 'S'))
    world.ipvs.apply({ kind: 'server.update', id: tcpService(), server: ipvsServer(3, { weight: 0 }) })
    expect(world.receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.3:8080')
    expect(world.sysctls({ expire_nodest_conn: 1 }).receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.2:8080')
  })

  test('comes back with its connections and its counters', () => {
    const world = gone({})
    world.ipvs.apply({ kind: 'server.add', id: tcpService(), server: ipvsServer(3) })
    expect(world.counts()).toEqual(['10.9.0.3 1/0/0', '10.9.0.2 0/0/0'])
    expect(world.ipvs.read()[0]?.servers[0]?.counters.packetsIn).toBe(2)
    expect(world.receive(tcp(client, service, 'A'))).toBe('masq 10.9.0.3:8080')
  })

  test('comes back with its connections but without counters when its service went, too', () => {
    const world = gone({})
    world.ipvs.apply({ kind: 'service.remove', id: tcpService() })
    world.add(tcpService(), [ipvsServer(3)]).advance(2)
    expect(world.counts()).toEqual(['10.9.0.3 1/0/0'])
    expect(world.ipvs.read()[0]?.servers[0]?.counters.packetsIn).toBe(0)
    expect(world.receive(tcp(client, service, 'A'))).toBe('masq 10.9.0.3:8080')
  })

  test('is remembered for 120 s after it was found unused, which is looked at each 60 s', () => {
    for (const [seconds, packets] of [
      [179, 1],
      [181, 0],
    ] as const) {
      // biome-ignore format: a table
      const world = one()
      world.receive(udp(client, '10.50.0.1:53'))
      world.add(udpService(), [ipvsServer(2)]).set({ timeouts: { udp: 1 } })
      world.receive(udp(client, '10.50.0.1:53'))
      world.advance(10)
      world.ipvs.apply({ kind: 'server.remove', id: udpService(), server: ipvsServer(2) })
      world.advance(seconds)
      world.ipvs.apply({ kind: 'server.add', id: udpService(), server: ipvsServer(2) })
      expect(world.ipvs.read([udpService()])[0]?.servers[0]?.counters.packetsIn).toBe(packets)
    }
  })
})

describe('which service a packet is for', () => {
  test('none: it is not IPVS’s', () => {
    expect(one().receive(tcp(client, '10.50.0.1:81', 'S'))).toBe('accept')
    expect(one().receive(udp(client, service))).toBe('accept')
    expect(new IpvsWorld().receive(tcp(client, service, 'S'))).toBe('accept')
  })

  test('a firewall mark comes before the address, and keeps the packet’s port where the server has none', () => {
    const world = one().add({ kind: 'fwmark', mark: 9, family: 'ipv4' }, [ipvsServer(77, { port: 0 })])
    expect(world.receive(tcp(client, service, 'S', { mark: 9 }))).toBe('masq 10.9.0.77:80')
    expect(world.receive(tcp(client, '10.60.0.1:8443', 'S', { mark: 9 }))).toBe('masq 10.9.0.77:8443')
    expect(world.receive(tcp('10.1.0.3:1', service, 'S', { mark: 8 }))).toBe('masq 10.9.0.2:8080')
  })

  test('port 0 takes what no other service takes, but only with persistence', () => {
    const world = one().add(tcpService(0), [ipvsServer(3, { port: 0 })])
    expect(world.receive(tcp(client, '10.50.0.1:81', 'S'))).toBe('unreachable')
    world.add(tcpService(0), [], { persistence: { timeoutSeconds: 60, mask: '255.255.255.255' } })
    expect(world.receive(tcp(client, '10.50.0.1:81', 'S'))).toBe('masq 10.9.0.3:81')
    expect(world.receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.2:8080')
  })

  test('an FTP service sees the high ports of its address, and lets go what it does not take', () => {
    const persistence = { timeoutSeconds: 60, mask: '255.255.255.255' }
    const plain = new IpvsWorld().add(tcpService(21), [ipvsServer(3, { port: 21 })])
    expect(plain.receive(tcp(client, '10.50.0.1:5000', 'S'))).toBe('accept')
    const world = new IpvsWorld().add(tcpService(21), [ipvsServer(3, { port: 21 })], { persistence })
    expect(world.receive(tcp(client, '10.50.0.1:21', 'S'))).toBe('masq 10.9.0.3:21')
    expect(world.receive(tcp(client, '10.50.0.1:5000', 'S'))).toBe('masq 10.9.0.3:5000')
    expect(world.receive(tcp(client, '10.50.0.1:1023', 'S'))).toBe('accept')
  })

  test('without a server its client is told', () => {
    expect(new IpvsWorld().add(tcpService(), []).receive(tcp(client, service, 'S'))).toBe('unreachable')
    expect(
      new IpvsWorld().add(tcpService(), [ipvsServer(2)], { scheduler: 'none' }).receive(tcp(client, service, 'S')),
    ).toBe('unreachable')
  })

  test('cache_bypass lets marked packets go where they were going, when that is not here', () => {
    const world = new IpvsWorld({ addresses: [{ address: '10.50.0.1', prefix: 24 }] })
      .add({ kind: 'fwmark', mark: 9, family: 'ipv4' }, [])
      .sysctls({ cache_bypass: 1 })
    expect(world.receive(tcp(client, '10.50.0.1:80', 'S', { mark: 9 }))).toBe('unreachable')
    expect(world.receive(tcp(client, '10.60.0.1:80', 'S', { mark: 9 }))).toBe('bypass')
    expect(world.list()).toEqual([`tcp 60 SYN_RECV ${client} 10.60.0.1:80 0.0.0.0:0`])
  })

  test('of a family without services it is not looked at, even when its connection stands', () => {
    const world = one()
    world.receive(tcp(client, service, 'S'))
    world.ipvs.apply({ kind: 'service.remove', id: tcpService() })
    expect(world.receive(tcp(client, service, 'A'))).toBe('accept')
  })
})

describe('other packets', () => {
  test('UDP has one state, is never active, and is renewed by each datagram', () => {
    const world = new IpvsWorld().add(udpService(), [ipvsServer(2, { port: 53 })])
    world.receive(udp(client, '10.50.0.1:53'))
    expect(world.advance(100).receive(udp('10.9.0.2:53', client))).toBe('reply 10.50.0.1:53')
    expect(world.list()).toEqual([`udp 300 UDP ${client} 10.50.0.1:53 10.9.0.2:53`])
    expect(world.counts()).toEqual(['10.9.0.2 0/1/0'])
  })

  test('SCTP is followed through its four-way handshake, and is active only then', () => {
    const world = new IpvsWorld().add(sctpService(), [ipvsServer(2, { port: 99 })])
    const states = [
      world.receive(sctp(client, '10.50.0.1:99', 'INIT')),
      world.list()[0],
      world.counts()[0],
      world.receive(sctp('10.9.0.2:99', client, 'INIT_ACK')),
      world.list()[0]?.split(' ')[2],
      world.receive(sctp(client, '10.50.0.1:99', 'COOKIE_ECHO')),
      world.list()[0]?.split(' ')[2],
      world.receive(sctp('10.9.0.2:99', client, 'COOKIE_ACK')),
      world.list()[0],
      world.counts()[0],
      world.receive(sctp(client, '10.50.0.1:99', 'COOKIE_ACK', 'ABORT')),
      world.list()[0],
    ]
    expect(states).toEqual([
      'masq 10.9.0.2:99',
      `sctp 4 INIT1 ${client} 10.50.0.1:99 10.9.0.2:99`,
      '10.9.0.2 0/1/0',
      'reply 10.50.0.1:99',
      'C-SENT',
      'masq 10.9.0.2:99',
      'C-REPLIED',
      'reply 10.50.0.1:99',
      `sctp 900 ESTABLISHED ${client} 10.50.0.1:99 10.9.0.2:99`,
      '10.9.0.2 1/0/0',
      'masq 10.9.0.2:99',
      `sctp 61 CLOSED ${client} 10.50.0.1:99 10.9.0.2:99`,
    ])
    expect(world.receive(sctp(client, '10.50.0.1:98', 'DATA'))).toBe('accept')
  })

  test('ICMP errors go where the packet they tell of came from', () => {
    const world = one()
    world.receive(tcp(client, service, 'S'))
    const fromClient = { protocol: 'icmp', source: '10.1.0.2', destination: '10.50.0.1', bytes: 56 } as const
    expect(world.ipvs.receive({ ...fromClient, about: tcp(service, client, 'SA') })).toMatchObject({
      kind: 'forward',
      to: { port: 8080 },
    })
    const fromServer = { protocol: 'icmp', source: '10.9.0.2', destination: '10.1.0.2', bytes: 56 } as const
    expect(world.ipvs.receive({ ...fromServer, about: tcp(client, server, 'S') })).toMatchObject({
      kind: 'reply',
      from: { address: '10.50.0.1' },
    })
    const unknown = { ...fromClient, about: tcp(service, '10.1.0.9:1', 'A') }
    expect(world.ipvs.receive(unknown)).toEqual({ kind: 'accept' })
    world.sysctls({ schedule_icmp: 1 })
    expect(world.ipvs.receive(unknown)).toMatchObject({ kind: 'forward', isNew: true })
  })

  test('of a real server without connection are answered with nat_icmp_send, but for resets', () => {
    const world = one()
    expect(world.receive(tcp(server, client, 'A'))).toBe('accept')
    world.sysctls({ nat_icmp_send: 1 })
    expect(world.receive(tcp(server, client, 'A'))).toBe('unreachable')
    expect(world.receive(tcp(server, client, 'R'))).toBe('accept')
  })

  test('a backup with backup_only leaves clients’ packets alone', () => {
    const world = one().sysctls({ backup_only: 1 })
    expect(world.receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.2:8080')
    const daemon = { interface: 'd0', syncId: 0, group: '224.0.0.81', port: 8848, ttl: 1 }
    world.ipvs.apply({ kind: 'daemon.start', daemon: { role: 'backup', ...daemon } })
    expect(world.receive(tcp(client, service, 'S'))).toBe('accept')
    world.ipvs.apply({ kind: 'daemon.stop', role: 'backup' })
    expect(world.receive(tcp(client, service, 'S'))).toBe('masq 10.9.0.2:8080')
  })

  test('replies of direct servers are seen where they bear the service’s address', () => {
    const world = direct()
    world.receive(tcp(client, service, 'S'))
    expect(world.receive(tcp('10.9.0.2:80', client, 'SA'))).toBe('accept')
    world.receive(tcp(client, service, 'A'))
    expect(world.receive(tcp(service, client, 'A'))).toBe(`reply ${service}`)
    world.receive(tcp(client, service, 'FA'))
    expect(world.list()).toEqual([`tcp 60 CLOSE_WAIT ${client} ${service} 10.9.0.2:80`])
  })

  test('a reset by the local stack, to a client whose direct server is gone, keeps the entry in CLOSE', () => {
    const world = direct()
    world.receive(tcp(client, service, 'S'))
    world.ipvs.apply({ kind: 'server.remove', id: tcpService(), server: ipvsServer(2, { port: 80 }) })
    world.sysctls({ expire_nodest_conn: 1 })
    expect(world.ipvs.receive(tcp(client, service, 'A'))).toEqual({ kind: 'accept' })
    world.ipvs.receive(tcp(service, client, 'R'))
    expect(world.advance(0).list()).toEqual([`tcp 10 CLOSE ${client} ${service} 10.9.0.2:80`])
  })

  test('direct packets after translated ones are lost until the server is edited: the kernel keeps their route', () => {
    const world = one()
    const edit = (forwarding: 'masq' | 'direct'): void =>
      world.ipvs.apply({ kind: 'server.update', id: tcpService(), server: ipvsServer(2, { forwarding }) })
    world.receive(tcp(client, service, 'S'))
    edit('direct')
    expect(world.receive(tcp(client, service, 'A'))).toBe('masq 10.9.0.2:8080')
    expect(world.receive(tcp('10.1.0.3:1', service, 'S'))).toBe('drop')
    edit('direct')
    expect(world.receive(tcp('10.1.0.3:1', service, 'A'))).toBe('direct 10.9.0.2:8080')
    expect(world.receive(tcp(client, service, 'A'))).toBe('masq 10.9.0.2:8080')
  })

  test('a tunnel is named with its wrapping, as it is now', () => {
    const gue = { type: 'gue', port: 6080, checksum: 'csum' } as const
    const world = new IpvsWorld().add(tcpService(), [ipvsServer(12, { forwarding: 'tunnel', port: 80 })])
    expect(world.ipvs.receive(tcp(client, service, 'S'))).toMatchObject({ by: 'tunnel', tunnel: { type: 'ipip' } })
    world.ipvs.apply({
      kind: 'server.update',
      id: tcpService(),
      server: ipvsServer(12, { forwarding: 'tunnel', port: 80, tunnel: gue }),
    })
    expect(world.ipvs.receive(tcp(client, service, 'A'))).toMatchObject({ by: 'tunnel', tunnel: gue })
  })
})
