/** The responder asked by dig, which reads every byte of an answer and says what is odd about it. */
import { describe, expect, test } from 'vitest'
import { openShop, serverChange, within } from './world.ts'

const servers = [
  { address: '10.0.0.1' },
  { address: '10.0.0.2', port: 81, weight: 3 },
  { address: '10.0.0.3', weight: 0 },
  { address: 'fd00::1' },
]
const many = Array.from({ length: 40 }, (_, at) => ({ address: `10.1.0.${at}` }))

const status = (lines: readonly string[]): string | undefined => lines.join().match(/status: (\w+)/)?.[1]
const flags = (lines: readonly string[]): string | undefined => lines.join().match(/flags: ([a-z ]+);/)?.[1]

describe('dig', () => {
  test('gets the usable servers in turn, over UDP and TCP', async () => {
    await using shop = await openShop()
    await shop.serve('www.shop', servers)
    expect(await shop.dig('+short', 'www.shop')).toEqual(['10.0.0.1', '10.0.0.2'])
    expect(await shop.dig('+short', 'WWW.Shop.')).toEqual(['10.0.0.2', '10.0.0.1'])
    expect(await shop.dig('+short', '+tcp', 'www.shop')).toEqual(['10.0.0.1', '10.0.0.2'])
    expect(await shop.dig('+short', 'AAAA', 'www.shop')).toEqual(['fd00::1'])
    expect(
      await shop.dig('+short', '+keepopen', '+tcp', 'www.shop', 'www.shop', 'AAAA', 'www.shop', 'SOA'),
    ).toHaveLength(4)
  })

  test('finds ports and weights by SRV', async () => {
    await using shop = await openShop()
    await shop.serve('www.shop', servers)
    const expected = ['0 1 80 10-0-0-1.www.shop.', '0 1 80 fd00-0-0-0-0-0-0-1.www.shop.', '0 3 81 10-0-0-2.www.shop.']
    expect((await shop.dig('+short', 'SRV', '_http._tcp.www.shop')).sort()).toEqual(expected)
    expect((await shop.dig('+short', 'SRV', 'www.shop')).sort()).toEqual(expected)
    expect(await shop.dig('+short', '10-0-0-2.www.shop')).toEqual(['10.0.0.2'])
  })

  test('complains of nothing, whatever it asks', async () => {
    await using shop = await openShop()
    await shop.serve('www.shop', servers)
    const questions = ['A', 'AAAA', 'SRV', 'NS', 'SOA', 'ANY', 'TXT', 'HTTPS', 'DS', 'DNSKEY', 'TYPE65280'].map(
      (type) => ['www.shop', type],
    )
    const more = [
      ['no.www.shop'],
      ['_tcp.www.shop'],
      ['ns.www.shop'],
      ['other.example'],
      ['.', 'NS'],
      ['-c', 'CH', '-t', 'TXT', 'version.bind'],
      ['+dnssec', 'www.shop'],
      ['+cdflag', 'www.shop'],
      ['+subnet=10.1.2.0/24', 'www.shop'],
      ['+subnet=2001:db8::/56', 'www.shop'],
      ['+subnet=0', 'www.shop'],
      ['+nsid', '+cookie', '+expire', '+padding=128', 'www.shop'],
      ['+opcode=update', 'www.shop'],
      ['+opcode=notify', 'www.shop'],

      ['+edns=1', '+noednsneg', 'www.shop'],
      ['+ednsopt=65001:abcd', 'www.shop'],
      ['+ednsflags=0x7fff', 'www.shop'],
    ]
    for (const question of [...questions, ...more]) {
      const lines = await shop.dig(...question, '+norecurse')
      expect(
        lines.filter((line) => /warning|got bad|malformed|mismatch|trailing|extra bytes/i.test(line)),
        question.join(' '),
      ).toEqual([])
      expect(status(lines), question.join(' ')).toBeDefined()
    }
  })

  test('is refused what is not there to be had', async () => {
    await using shop = await openShop()
    await shop.serve('www.shop', servers)
    expect(status(await shop.dig('other.example'))).toBe('REFUSED')
    expect(status(await shop.dig('-c', 'CH', '-t', 'TXT', 'version.bind'))).toBe('REFUSED')
    expect(status(await shop.dig('no.www.shop'))).toBe('NXDOMAIN')
    expect(status(await shop.dig('_tcp.www.shop'))).toBe('NOERROR')
    expect(status(await shop.dig('+header-only'))).toBe('FORMERR')
    expect(status(await shop.dig('+opcode=update', 'www.shop'))).toBe('NOTIMP')
    expect(status(await shop.dig('+edns=7', '+noednsneg', 'www.shop'))).toBe('BADVERS')
    expect(await shop.dig('www.shop', 'AXFR').then((lines) => lines.join('\n'))).toContain('Transfer failed')
    expect(await shop.dig('+short', 'ANY', 'www.shop', '+notcp')).toEqual(['"RFC8482" ""'])
  })

  test('asks again over TCP when the answer does not fit, and only then', async () => {
    await using shop = await openShop()
    await shop.serve('many.shop', many)
    const cut = await shop.dig('+noedns', '+ignore', 'many.shop')
    expect(flags(cut)).toBe('qr aa tc rd')
    const retried = await shop.dig('+noedns', 'many.shop')
    expect(retried.join('\n')).toContain('(TCP)')
    expect(retried.filter((line) => line.startsWith('many.shop.'))).toHaveLength(32)
    expect(flags(await shop.dig('+bufsize=512', '+ignore', 'many.shop'))).toBe('qr aa tc rd')
    const fits = await shop.dig('+bufsize=1232', 'many.shop')
    expect(fits.join('\n')).toContain('(UDP)')
    expect(flags(fits)).toBe('qr aa rd')
  })

  test('gets the same server for the same subnet, with the scheduler sh', async () => {
    await using shop = await openShop()
    await shop.serve('sh.shop', many, { scheduler: 'sh' })
    const firsts = new Map<string, Set<string | undefined>>()
    for (let round = 0; round < 2; round++)
      for (const third of [1, 2, 3, 4, 5, 6]) {
        const subnet = `10.9.${third}.0/24`
        const [first] = await shop.dig('+short', `+subnet=${subnet}`, 'sh.shop')
        firsts.set(subnet, (firsts.get(subnet) ?? new Set()).add(first))
      }
    expect([...firsts.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1, 1, 1])
    expect(new Set([...firsts.values()].flatMap((first) => [...first])).size).toBeGreaterThan(2)
    expect((await shop.dig('+subnet=10.9.1.0/24', 'sh.shop')).join('\n')).toContain('CLIENT-SUBNET: 10.9.1.0/24/24')
  })

  test('sees a server go and come back with the very next question', async () => {
    await using shop = await openShop()
    const id = await shop.serve('www.shop', servers)
    await shop.engine.apply([serverChange(id, { address: '10.0.0.1', weight: 0 })], within())
    expect(await shop.dig('+short', 'www.shop')).toEqual(['10.0.0.2'])
    await shop.engine.apply(
      [
        serverChange(id, { address: '10.0.0.2', port: 81, weight: 0 }),
        serverChange(id, { address: 'fd00::1', weight: 0 }),
      ],
      within(),
    )
    const none = await shop.dig('www.shop')
    expect(status(none)).toBe('SERVFAIL')
    expect(none.join('\n')).toContain('no usable server')
    await shop.engine.apply([serverChange(id, { address: '10.0.0.1' })], within())
    expect(await shop.dig('+short', 'www.shop')).toEqual(['10.0.0.1'])
  })

  test('is answered at an IPv6 address as well', async () => {
    await using shop = await openShop('::1')
    await shop.serve('www.shop', servers)
    expect(await shop.dig('+short', 'www.shop')).toEqual(['10.0.0.1', '10.0.0.2'])
    expect(await shop.dig('+short', '+tcp', 'AAAA', 'ns.www.shop')).toEqual(['::1'])
  })
})
