import { describe, expect, test } from 'vitest'
import { buildServer, buildService } from '../../../test/build/services.ts'
import {
  type Connection,
  type EngineInfo,
  noCounters,
  type ServerSnapshot,
  type ServiceSnapshot,
} from '../../engines/engine.ts'
import type { ListFormat } from '../../formats/ipvsadm/command.ts'
import { noNames } from '../../formats/ipvsadm/text.ts'
import type { RealServer, Service } from '../../lvs/service.ts'
import { defaultSettings } from '../../lvs/settings.ts'
import { connectionLine, connectionsTitle } from './connections.ts'
import { daemonLine, saveLines, serviceListLines, tableLines } from './listing.ts'

const format: ListFormat = { numeric: true, exact: false, nosort: false, columns: 'normal', persistenceData: false }
const info: EngineInfo = { settings: defaultSettings, daemons: [], tableSize: 4096 }

const tcp = (address: string, port: number): Service['id'] => ({ kind: 'address', protocol: 'tcp', address, port })
const service = (changes: Partial<Service> = {}): Service => buildService({ id: tcp('10.50.0.1', 80), ...changes })
const server = (changes: Partial<RealServer> = {}, counts: Partial<ServerSnapshot> = {}): ServerSnapshot => ({
  server: buildServer(8080, { address: '10.9.0.2', ...changes }),
  active: 0,
  inactive: 0,
  persistent: 0,
  counters: noCounters,
  rates: noCounters,
  ...counts,
})
const snapshot = (of: Service, ...servers: ServerSnapshot[]): ServiceSnapshot => ({
  service: of,
  servers,
  counters: noCounters,
  rates: noCounters,
})

/** The lines of one service, under any columns. */
const lines = (one: ServiceSnapshot, columns: ListFormat['columns'] = 'normal', exact = false): string[] =>
  serviceListLines([one], { ...format, columns, exact }, noNames).slice(2)

describe('a listing', () => {
  test('has the table’s size, the columns’ titles, and the services', () => {
    const listed = tableLines(
      [
        snapshot(
          service(),
          server({ address: '10.9.0.3', port: 80, upperThreshold: 3, lowerThreshold: 1 }, { active: 2 }),
          server({ weight: 2 }, { active: 1 }),
        ),
        snapshot(
          service({ id: { kind: 'address', protocol: 'udp', address: '10.50.0.1', port: 53 } }),
          server({ port: 53 }, { inactive: 1 }),
        ),
        snapshot(service({ id: tcp('fd50::1', 80) }), server({ address: 'fd09::2', port: 80 }, { active: 1 })),
        snapshot(service({ id: tcp('10.50.0.1', 90), persistence: { timeoutSeconds: 100, mask: '255.255.255.255' } })),
      ],
      info,
      format,
      noNames,
    )
    expect(listed).toEqual([
      'IP Virtual Server version 1.2.1 (size=4096)',
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      'TCP  10.50.0.1:80 rr',
      '  -> 10.9.0.2:8080                Masq    2      1          0         ',
      '  -> 10.9.0.3:80                  Masq    1      2          0         ',
      'TCP  10.50.0.1:90 rr persistent 100',
      'UDP  10.50.0.1:53 rr',
      '  -> 10.9.0.2:53                  Masq    1      0          1         ',
      'TCP  [fd50::1]:80 rr',
      '  -> [fd09::2]:80                 Masq    1      1          0         ',
    ])
  })

  test('leaves out what ipvsadm has no form for', () => {
    const pool = service({ id: { kind: 'pool', name: 'api' } })
    const dns = service({ id: { kind: 'dns', name: 'www.shop', address: '10.50.0.1', port: 53 } })
    expect(tableLines([snapshot(pool), snapshot(dns)], info, format, noNames)).toHaveLength(3)
    expect(saveLines([snapshot(pool), snapshot(dns)], noNames)).toEqual([])
  })

  test.each<{ columns: ListFormat['columns']; title: string; line: string }>([
    {
      columns: 'thresholds',
      title: 'Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ',
      line: '  -> 10.9.0.3:80                  3          1          2          0         ',
    },
    {
      columns: 'persistent-conn',
      title: 'Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn ',
      line: '  -> 10.9.0.3:80                  1         2           2          0         ',
    },
    {
      columns: 'tun-info',
      title: 'Prot LocalAddress:Port Scheduler Flags',
      line: '  -> 10.9.0.3:80                  Masq    n/a           1      2          0         ',
    },
    {
      columns: 'stats',
      title: 'Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes',
      line: '  -> 10.9.0.3:80                         2        5        4      482      338',
    },
    {
      columns: 'rate',
      title: 'Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS',
      line: '  -> 10.9.0.3:80                  400000000        0      775  2741094  285671K',
    },
  ])('has columns for $columns', ({ columns, title, line }) => {
    const one = server(
      { address: '10.9.0.3', port: 80, upperThreshold: 3, lowerThreshold: 1 },
      {
        active: 2,
        persistent: 2,
        counters: { connections: 2, packetsIn: 5, packetsOut: 4, bytesIn: 482, bytesOut: 338 },
        rates: { connections: 400_000_000, packetsIn: 0, packetsOut: 775, bytesIn: 2_741_094, bytesOut: 285_671_000 },
      },
    )
    const [first, , , last] = serviceListLines([snapshot(service(), one)], { ...format, columns }, noNames)
    expect([first, last]).toEqual([title, line])
  })

  test.each<{ changes: Partial<Service>; is: string }>([
    {
      changes: { scheduler: 'sh', schedulerFlags: ['sh-fallback', 'sh-port'] },
      is: 'TCP  10.50.0.1:80 sh (sh-fallback,sh-port)',
    },
    { changes: { scheduler: 'sh', schedulerFlags: ['flag-3'] }, is: 'TCP  10.50.0.1:80 sh ()' },
    { changes: { schedulerFlags: ['flag-1', 'flag-3'] }, is: 'TCP  10.50.0.1:80 rr (flag-1,flag-3)' },
    {
      changes: { persistence: { timeoutSeconds: 5, mask: '255.255.0.255', engine: 'sip' } },
      is: 'TCP  10.50.0.1:80 rr persistent 5 mask 255.255.0.255 pe sip',
    },
    { changes: { idlePersistenceEngine: 'sip' }, is: 'TCP  10.50.0.1:80 rr' },
    {
      changes: { id: tcp('fd50::1', 80), persistence: { timeoutSeconds: 5, mask: '64' } },
      is: 'TCP  [fd50::1]:80 rr persistent 5 mask 64',
    },
    { changes: { id: { kind: 'fwmark', mark: 3, family: 'ipv6' }, onePacket: true }, is: 'FWM  3 IPv6 rr ops' },
    { changes: { id: { kind: 'fwmark', mark: 4_294_967_295, family: 'ipv4' } }, is: 'FWM  -1 rr' },
    { changes: { id: { kind: 'address', protocol: 'sctp', address: '10.0.0.1', port: 9 } }, is: 'SCTP 10.0.0.1:9 rr' },
    { changes: { id: tcp('::10.0.0.1', 80) }, is: 'TCP  [::10.0.0.1]:80 rr' },
    { changes: { id: tcp('::2', 80) }, is: 'TCP  [::2]:80 rr' },
  ])('prints a service as $is', ({ changes, is }) => {
    expect(lines(snapshot(service(changes)))).toEqual([is])
  })

  test.each<{ changes: Partial<RealServer>; is: string }>([
    { changes: { forwarding: 'local' }, is: 'Local   n/a          ' },
    { changes: { forwarding: 'direct' }, is: 'Route   n/a          ' },
    { changes: { forwarding: 'tunnel' }, is: 'Tunnel  ipip         ' },
    {
      changes: { forwarding: 'tunnel', tunnel: { type: 'gue', port: 6080, checksum: 'remcsum' } },
      is: 'Tunnel  gue:6080:r+c ',
    },
    { changes: { forwarding: 'tunnel', tunnel: { type: 'gre', checksum: 'csum' } }, is: 'Tunnel  gre:+c       ' },
  ])('prints a way of forwarding as $is', ({ changes, is }) => {
    expect(lines(snapshot(service(), server(changes)), 'tun-info')[1]?.slice(34, 55)).toBe(is)
  })

  test('cuts long names of IPv4 as ipvsadm does', () => {
    const namer = { host: () => 'a-very-long-host-name-of-a-real-server.example', port: () => 'http' }
    const [, , first, second] = serviceListLines([snapshot(service(), server())], format, namer)
    expect(first).toBe('TCP  a-very-long-host-name-of-a-r rr')
    expect(second).toBe('  -> a-very-long-host-name-of-a-r Masq    1      0          0         ')
  })

  test('names no ports of a firewall mark', () => {
    const namer = { host: () => undefined, port: () => 'http' }
    const mark = service({ id: { kind: 'fwmark', mark: 3, family: 'ipv4' } })
    expect(serviceListLines([snapshot(mark, server({ port: 80 }))], format, namer)[3]).toContain('10.9.0.2:80 ')
  })
})

test('a synchronisation daemon is one line', () => {
  const daemon = {
    role: 'master',
    interface: 'd0',
    syncId: 9,
    maxLength: 1300,
    group: '239.1.2.3',
    port: 9000,
    ttl: 4,
  } as const
  expect(daemonLine(daemon)).toBe(
    'master sync daemon (mcast=d0, syncid=9, maxlen=1300, group=239.1.2.3, port=9000, ttl=4)',
  )
})

describe('a connection', () => {
  const connection = (changes: Partial<Connection>): Connection => ({
    protocol: 'tcp',
    client: { address: '10.1.0.2', port: 40_002 },
    service: { address: '10.50.0.1', port: 80 },
    server: { address: '10.9.0.2', port: 8080 },
    state: 'ESTABLISHED',
    expiresSeconds: 899,
    ...changes,
  })
  const sip = connection({
    protocol: 'udp',
    client: { address: '10.1.0.2', port: 0 },
    service: { address: '10.50.0.1', port: 5060 },
    server: { address: '10.9.0.2', port: 5060 },
    state: 'ASSURED',
    expiresSeconds: 55,
    persistenceData: { engine: 'sip', data: 'abc123@host' },
  })
  const six = {
    client: { address: 'fd01::2', port: 40_004 },
    service: { address: 'fd50::1', port: 80 },
    server: { address: 'fd09::2', port: 80 },
  }
  const mark = {
    protocol: 'ip',
    client: { address: '99.1.1.4', port: 0 },
    service: { address: '0.0.0.9', port: 0 },
    server: { address: '10.9.0.77', port: 0 },
  } as const

  test.each([
    { one: connection({}), is: 'TCP 14:59  ESTABLISHED 10.1.0.2:40002     10.50.0.1:80       10.9.0.2:8080' },
    {
      one: connection({ expiresSeconds: 8099.9 }),
      is: 'TCP 134:59 ESTABLISHED 10.1.0.2:40002     10.50.0.1:80       10.9.0.2:8080',
    },
    {
      one: connection({ protocol: 'sctp', state: 'INIT1', expiresSeconds: 3 }),
      is: 'SCTP 00:03  INIT1       10.1.0.2:40002     10.50.0.1:80       10.9.0.2:8080',
    },
    { one: connection(six), is: 'TCP 14:59  ESTABLISHED [fd01::2]:40004    [fd50::1]:80       [fd09::2]:80' },
    {
      one: connection({ ...mark, state: 'ASSURED', expiresSeconds: 70 }),
      is: 'IP  01:10  ASSURED     99.1.1.4:0         0.0.0.9:0          10.9.0.77:0',
    },
    { one: sip, is: 'UDP 00:55  ASSURED     10.1.0.2:0         10.50.0.1:5060     10.9.0.2:5060' },
  ])('is printed as $is', ({ one, is }) => {
    expect(connectionLine(one, format, noNames)).toBe(is)
  })

  test('shows what its persistence engine knows', () => {
    const wanted = { ...format, persistenceData: true }
    expect(connectionsTitle(wanted)[1]).toBe(
      'pro expire state       source             virtual            destination        pe name          pe_data',
    )
    expect(connectionLine(sip, wanted, noNames)).toBe(
      'UDP 00:55  ASSURED     10.1.0.2:0         10.50.0.1:5060     10.9.0.2:5060    sip                abc123@host',
    )
    expect(connectionLine(connection({}), wanted, noNames)).not.toContain('sip')
  })
})
