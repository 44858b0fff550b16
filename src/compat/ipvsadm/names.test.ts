import { describe, expect, test } from 'vitest'
import { hostTable, serviceTable } from './name-files.ts'
import { type NameSource, nameBook } from './names.ts'

const hosts = hostTable(`
# a comment
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
10.0.0.77 Vip.example vip  # another
10.0.0.78 rs1.example
10.0.0.79 vip
fd00::78 six.example
nonsense line
10.0.0.80
`)

describe('hosts', () => {
  test.each([
    ['vip', '10.0.0.77'],
    ['VIP.EXAMPLE', '10.0.0.77'],
    ['localhost', '127.0.0.1'],
    ['ip6-localhost', '127.0.0.1'],
    ['six.example', undefined],
    ['line', undefined],
    ['', undefined],
  ])('%s is %s, in IPv4', (name, address) => {
    // biome-ignore format: a list to read at a glance
    expect(hosts.addressOf(name)).toBe(address)
  })

  test.each([
    ['10.0.0.77', 'Vip.example'],
    ['10.0.0.79', 'vip'],
    ['127.0.0.1', 'localhost'],
    ['::1', 'localhost'],
    ['fd00::78', 'six.example'],
    ['10.0.0.80', undefined],
    ['10.0.0.81', undefined],
  ])('%s is called %s', (address, name) => {
    // biome-ignore format: a list to read at a glance
    expect(hosts.nameOf(address)).toBe(name)
  })
})

describe('services', () => {
  const services = serviceTable(
    '# comment\nhttp\t80/tcp\twww # WWW\nshell 514/tcp cmd syslog\nsyslog 514/udp\nother 80/tcp\nbad 1x/tcp\n',
  )

  test('have a port by name and alias, of their protocol', () => {
    expect(['http', 'www', 'syslog', 'HTTP', 'bad'].map((name) => services.port(name, 'tcp'))).toEqual([
      80,
      80,
      514,
      undefined,
      undefined,
    ])
    expect([services.port('syslog', 'udp'), services.port('http', 'udp')]).toEqual([514, undefined])
  })

  test('have a name by port, the first that the file has', () => {
    expect([services.name(80, 'tcp'), services.name(514, 'tcp'), services.name(514, 'udp'), services.name(80, 'sctp')]).toEqual([
      'http', 'shell', 'syslog', undefined,
    ]) // biome-ignore format: a list to read at a glance
  })
})

function source(changes: Partial<NameSource> = {}): NameSource & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    hosts: () => '10.0.0.77 vip\n',
    services: () => '',
    lookUp: async (name) => {
      asked.push(name)
      return name === 'far.example' ? '192.0.2.1' : undefined
    },
    reverse: async (address) => {
      asked.push(address)
      return address === '192.0.2.1' ? 'far.example' : undefined
    },
    now: () => 0,
    ...changes,
  }
}

describe('a name book', () => {
  test('asks for a name once, and only for what may be one', async () => {
    const from = source()
    const book = nameBook(from)
    const ask = (): (string | undefined)[] =>
      ['vip', 'far.example', 'nobody', '1.2.3', 'a b', 'fd00::', ''].map((name) => book.names.host(name))
    expect(ask()).toEqual(['10.0.0.77', undefined, undefined, undefined, undefined, undefined, undefined])
    expect(book.isAsked()).toBe(true)
    await book.learn()
    expect(ask()).toEqual(['10.0.0.77', '192.0.2.1', undefined, undefined, undefined, undefined, undefined])
    expect(book.isAsked()).toBe(false)
    expect(from.asked).toEqual(['far.example', 'nobody'])
  })

  test('gives names from the file, then from the resolver', async () => {
    const from = source()
    const namer = await nameBook(from).namer(['10.0.0.77', '192.0.2.1', '192.0.2.1', '192.0.2.2'])
    expect(['10.0.0.77', '192.0.2.1', '192.0.2.2'].map((address) => namer.host(address))).toEqual([
      'vip',
      'far.example',
      undefined,
    ])
    expect(from.asked).toEqual(['192.0.2.1', '192.0.2.2'])
  })

  test('stops asking a resolver that does not answer', async () => {
    let now = 0
    const asked: string[] = []
    const namer = await nameBook(
      source({
        now: () => now,
        reverse: async (address) => {
          asked.push(address)
          now += 1_000
          return undefined
        },
      }),
    ).namer(Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`))
    expect(asked.length).toBeLessThanOrEqual(4)
    expect(namer.host('192.0.2.9')).toBeUndefined()
  })

  test('asks for an address once, and for no longer in many batches than in one', async () => {
    let now = 0
    const from = source({
      now: () => now,
      reverse: async (address) => {
        from.asked.push(address)
        now += 500
        return `name-of-${address}`
      },
    })
    const book = nameBook(from)
    const batches = Array.from({ length: 10 }, (_, at) => [`192.0.2.${at}`, '192.0.2.0', '10.0.0.77'])
    const hosts: (string | undefined)[] = []
    for (const batch of batches) hosts.push((await book.namer(batch)).host('192.0.2.0'))
    expect(new Set(hosts)).toEqual(new Set(['name-of-192.0.2.0']))
    expect(from.asked).toEqual([0, 1, 2, 3, 4, 5, 6].map((at) => `192.0.2.${at}`))
    expect((await book.namer(batches[9] ?? [])).host('192.0.2.9')).toBeUndefined()
  })
})
