import { describe, expect, test } from 'vitest'
import { convertLines as convert, said } from './convert-lines.ts'
import { exportKeepalived } from './export.ts'

const router = (name: string, id: number) => [
  `vrrp_instance ${name} {`, 'interface eth0', `virtual_router_id ${id}`, 'virtual_ipaddress {', '10.0.0.1/24', '}', '}',
] // biome-ignore format: as a file has them
const withGlobals = (line: string, ...more: readonly string[]) => convert('global_defs {', line, '}', ...more)

describe('lvs_sync_daemon as directors.sync', () => {
  test.each([
    {
      name: 'its interface alone',
      words: 'eth1',
      is: { interface: 'eth1', syncId: 0, group: '224.0.0.81', port: 8848, ttl: 1 },
    },
    { name: 'the id of its instance', words: 'eth1 V', is: { syncId: 51 } },
    { name: 'an instance that is called like a word', words: 'eth1 inst V id 7', is: { syncId: 7 } },
    {
      name: 'everything',
      words: 'eth1 V id 7 maxlen 1400 port 9000 ttl 3 group ff02::81',
      is: { interface: 'eth1', syncId: 7, maxLength: 1400, port: 9000, ttl: 3, group: 'ff02::81' },
    },
  ])('$name', ({ words, is }) => {
    const converted = withGlobals(`lvs_sync_daemon ${words}`, ...router('V', 51))
    expect(said(converted)).toEqual([])
    expect(converted.spec?.directors.sync).toMatchObject(is)
  })

  test('that it follows other routers, too, is said, and a group that is none', () => {
    const converted = withGlobals('lvs_sync_daemon eth1 V group 10.0.0.1', ...router('V', 51), ...router('W', 52))
    expect(said(converted)).toEqual([
      '2: lvs_sync_daemon follows all virtual routers, not V alone',
      '2: group 10.0.0.1 is no multicast group: 224.0.0.81 is taken',
    ])
  })

  test('timeouts, and what there is beyond 31 days', () => {
    const converted = withGlobals('lvs_timeouts tcp 900 udp 30000000')
    expect(converted.spec?.directors.settings).toEqual({ timeouts: { tcp: 900, udp: 2_678_400 } })
    expect(said(converted)).toEqual(['2: udp 30000000 of lvs_timeouts is taken for 31 days'])
  })

  test('written for keepalived and read again it is the same; what it has no word for is said', () => {
    const { spec } = convert(
      'global_defs {', 'lvs_sync_daemon eth1 V id 7 maxlen 1400 ttl 3', 'lvs_timeouts tcp 900 tcpfin 60', '}', ...router('V', 51),
    ) // biome-ignore format: as a file has them
    if (spec?.directors.sync === undefined) throw new Error('nothing was read')
    expect(exportKeepalived(spec).lost).toEqual([])
    const sealed = { ...spec, directors: { ...spec.directors, sync: { ...spec.directors.sync, keyFile: '/etc/key' } } }
    expect(exportKeepalived(sealed).lost).toEqual(['keyFile of directors.sync'])
  })
})
