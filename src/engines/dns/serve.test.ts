import { describe, expect, test } from 'vitest'
import {
  type Asked,
  buildQuery,
  buildResponder,
  buildServer,
  buildZone,
  readAnswer,
  type Seen,
  subnetOption,
  words,
} from './dns-world.contract.ts'
import { type Responder, serveTcp, serveUdp } from './serve.ts'
import type { Zone } from './zone.ts'

const client = { address: '198.51.100.7', port: 40_000 }

function ask(responder: Responder, asked: Asked, { from = client, tcp = false, atMs = 1000 } = {}): Seen {
  const serve = tcp ? serveTcp : serveUdp
  const answer = serve(responder, buildQuery(asked), from, atMs)
  if (answer === undefined) throw new Error('no answer')
  return readAnswer(answer)
}

const addresses = ({ answers }: Seen): string => answers.map((answer) => answer.replace(/^.* A+ /, '')).join(' ')

const shop = (): Zone =>
  buildZone('www.shop', [
    buildServer('10.0.0.1'),
    buildServer('10.0.0.2', { port: 81, weight: 3 }),
    buildServer('10.0.0.3', { weight: 0 }),
    buildServer('fd00::1', { weight: 2 }),
  ])
const a = { name: 'www.shop' }

describe('what is answered', () => {
  test.each<{ name: string; asked: Asked; rcode?: string; flags?: string; answers?: string[]; more?: Partial<Seen> }>([
    { name: 'A: the usable IPv4 servers', asked: a, answers: ['www.shop A 10.0.0.1', 'www.shop A 10.0.0.2'] },
    { name: 'AAAA: the IPv6 servers', asked: { ...a, type: 28 }, answers: ['www.shop AAAA fd00:0:0:0:0:0:0:1'] },
    {
      name: 'SRV of the name itself: ports and weights, with the addresses',
      asked: { ...a, type: 33 },
      answers: [
        'www.shop SRV 0 1 80 10-0-0-1.www.shop',
        'www.shop SRV 0 3 81 10-0-0-2.www.shop',
        'www.shop SRV 0 2 80 fd00-0-0-0-0-0-0-1.www.shop',
      ],
      more: {
        additionals: [
          '10-0-0-1.www.shop A 10.0.0.1',
          '10-0-0-2.www.shop A 10.0.0.2',
          'fd00-0-0-0-0-0-0-1.www.shop AAAA fd00:0:0:0:0:0:0:1',
        ],
      },
    },
    {
      name: 'SRV of any service and protocol below the name',
      asked: { name: '_imap._udp.www.shop', type: 33 },
      answers: [
        '_imap._udp.www.shop SRV 0 1 80 10-0-0-1.www.shop',
        '_imap._udp.www.shop SRV 0 3 81 10-0-0-2.www.shop',
        '_imap._udp.www.shop SRV 0 2 80 fd00-0-0-0-0-0-0-1.www.shop',
      ],
    },
    { name: 'a server by its label', asked: { name: '10-0-0-2.www.shop' }, answers: ['10-0-0-2.www.shop A 10.0.0.2'] },
    { name: 'NS: the responder', asked: { ...a, type: 2 }, answers: ['www.shop NS ns.www.shop'] },
    { name: 'the responder by its name', asked: { name: 'ns.www.shop' }, answers: ['ns.www.shop A 192.0.2.53'] },
    { name: 'SOA', asked: { ...a, type: 6 }, answers: ['www.shop SOA ns.www.shop minimum 5'] },
    { name: 'ANY: as little as there is', asked: { ...a, type: 255 }, answers: ['www.shop HINFO RFC8482'] },
    {
      name: 'the letters come back in the case in which they were asked',
      asked: { name: 'wWw.ShOp' },
      answers: ['wWw.ShOp A 10.0.0.1', 'wWw.ShOp A 10.0.0.2'],
    },
  ])('$name', ({ asked, answers = [], more = {} }) => {
    const seen = ask(buildResponder([shop()]), asked)
    expect(seen).toMatchObject({ id: 0x1234, rcode: 'noError', flags: 'aa rd', answers, authorities: [], ...more })
    expect(new Set(seen.ttls)).toEqual(new Set([5]))
    expect(seen.question).toEqual(buildQuery(asked).subarray(12))
  })

  test.each<{ name: string; asked: Asked; rcode: 'noError' | 'nxDomain' }>([
    { name: 'a type that the name has not', asked: { ...a, type: 16 }, rcode: 'noError' },
    { name: 'a name that is not there', asked: { name: 'nothing.www.shop' }, rcode: 'nxDomain' },
    { name: 'a name far below', asked: { name: 'a.b.c.d.www.shop' }, rcode: 'nxDomain' },
    { name: 'the label of a drained server', asked: { name: '10-0-0-3.www.shop' }, rcode: 'nxDomain' },
    { name: 'the other family of a server', asked: { name: '10-0-0-1.www.shop', type: 28 }, rcode: 'noError' },
    { name: 'another type of a service label', asked: { name: '_http._tcp.www.shop' }, rcode: 'noError' },
    { name: 'a protocol, above its services (RFC 8020)', asked: { name: '_tcp.www.shop' }, rcode: 'noError' },
    { name: 'a name above another service', asked: { name: 'eu.www.shop' }, rcode: 'noError' },
    { name: 'no protocol', asked: { name: '_http._x.www.shop', type: 33 }, rcode: 'nxDomain' },
  ])('$name: $rcode, kept no longer than the TTL', ({ asked, rcode }) => {
    const deeper = buildZone('api.eu.www.shop', [buildServer('10.9.9.9')])
    const seen = ask(buildResponder([shop(), deeper]), asked)
    expect(seen).toMatchObject({
      rcode,
      flags: 'aa rd',
      answers: [],
      authorities: ['www.shop SOA ns.www.shop minimum 5'],
    })
    expect(seen.ttls).toEqual([5])
  })

  test.each<{ name: string; asked: Asked; rcode: string; flags?: string }>([
    { name: 'a name outside', asked: { name: 'shop' }, rcode: 'refused' },
    { name: 'a name that only ends alike', asked: { name: 'xwww.shop' }, rcode: 'refused' },
    { name: 'the root', asked: { name: '' }, rcode: 'refused' },
    { name: 'a name of 127 labels', asked: { name: Array(127).fill('a').join('.') }, rcode: 'refused' },
    { name: 'another class', asked: { ...a, class: 3 }, rcode: 'refused' },
    { name: 'a zone transfer', asked: { ...a, type: 252 }, rcode: 'refused' },
    { name: 'a type that is no type of data', asked: { ...a, type: 249 }, rcode: 'notImp' },
    { name: 'OPT as a type', asked: { ...a, type: 41 }, rcode: 'formErr' },
    { name: 'an update', asked: { ...a, flags: 5 << 11 }, rcode: 'notImp', flags: '' },
    { name: 'a version of EDNS that is not there yet', asked: { ...a, edns: { version: 1 } }, rcode: 'badVers' },
    { name: 'bytes that are no text', asked: { name: 'www\u0000shop' }, rcode: 'refused' },
  ])('$name: $rcode', ({ asked, rcode, flags = 'rd' }) => {
    expect(ask(buildResponder([shop()]), asked)).toMatchObject({ rcode, flags, answers: [], authorities: [] })
  })

  test.each<[string, Buffer, string | undefined]>([
    ['a response', buildQuery({ ...a, flags: 0x8000 }), undefined],
    ['half a header', buildQuery(a).subarray(0, 11), undefined],
    ['nothing', Buffer.alloc(0), undefined],
    ['no question', words(1, 0, 0, 0, 0, 0), 'formErr'],
    [
      'two questions',
      Buffer.concat([words(1, 0, 2, 0, 0, 0), buildQuery(a).subarray(12), buildQuery(a).subarray(12)]),
      'formErr',
    ],
    ['an answer in a query', Buffer.concat([words(1, 0, 1, 1, 0, 0), buildQuery(a).subarray(12)]), 'formErr'],
    [
      '65535 records that are not there',
      Buffer.concat([words(1, 0, 1, 0, 0, 65_535), buildQuery(a).subarray(12)]),
      'formErr',
    ],
    ['bytes after the end', Buffer.concat([buildQuery(a), Buffer.from([0])]), 'formErr'],
    [
      'a dot inside a label, which is no dot',
      Buffer.concat([words(1, 0, 1, 0, 0, 0), Buffer.from('\x08www.shop\0'), words(1, 1)]),
      'refused',
    ],
    ['a question cut short', buildQuery(a).subarray(0, -1), 'formErr'],
    [
      'a name that points to itself',
      Buffer.concat([words(1, 0, 1, 0, 0, 0), Buffer.from([0xc0, 12]), words(1, 1)]),
      'formErr',
    ],
    [
      'a label of 64 bytes',
      Buffer.concat([words(1, 0, 1, 0, 0, 0), Buffer.alloc(65, 64), Buffer.from([0]), words(1, 1)]),
      'formErr',
    ],
    [
      'a name of 256 bytes',
      Buffer.concat([
        words(1, 0, 1, 0, 0, 0),
        ...Array<Buffer>(127).fill(Buffer.from([1, 97])),
        Buffer.from([1, 97, 0]),
        words(1, 1),
      ]),
      'formErr',
    ],
    ['an option longer than its record', buildQuery({ ...a, edns: { options: words(8, 20, 1) } }), 'formErr'],
    [
      'a subnet with more bits than an address',
      buildQuery({ ...a, edns: { options: subnetOption(1, 33, [1, 2, 3, 4, 5]) } }),
      'formErr',
    ],
    [
      'a subnet with bits behind its prefix',
      buildQuery({ ...a, edns: { options: subnetOption(1, 20, [10, 0, 1]) } }),
      'formErr',
    ],
    ['a subnet of no family', buildQuery({ ...a, edns: { options: subnetOption(9, 8, [1]) } }), 'formErr'],
  ])('%s: %s', (_name, message, rcode) => {
    for (const serve of [serveUdp, serveTcp]) {
      const answer = serve(buildResponder([shop()]), message, client, 1000)
      expect(answer === undefined ? undefined : readAnswer(answer).rcode).toBe(rcode)
      if (answer !== undefined) expect(answer.length).toBeLessThanOrEqual(message.length)
    }
  })

  test('names of the deeper service are its own', () => {
    const responder = buildResponder([shop(), buildZone('api.www.shop', [buildServer('10.9.9.9')])])
    expect(addresses(ask(responder, { name: 'api.www.shop' }))).toBe('10.9.9.9')
    expect(ask(responder, { name: 'x.api.www.shop' }).authorities).toEqual([
      'api.www.shop SOA ns.api.www.shop minimum 5',
    ])
  })

  test('a service has its own TTL, 0 too', () => {
    const responder = buildResponder([
      buildZone('long.shop', [buildServer('10.0.0.1')], { ttlSeconds: 300 }),
      buildZone('never.shop', [buildServer('10.0.0.1')], { ttlSeconds: 0 }),
    ])
    expect(ask(responder, { name: 'long.shop' }).ttls).toEqual([300])
    expect(ask(responder, { name: 'never.shop' }).ttls).toEqual([0])
    expect(ask(responder, { name: 'no.never.shop' })).toMatchObject({
      ttls: [0],
      authorities: ['never.shop SOA ns.never.shop minimum 0'],
    })
  })
})

describe('when no server is usable', () => {
  const drained = [buildServer('10.0.0.1', { weight: 0 })]
  test.each([1, 28, 33])('type %d is a passing failure, not a name without addresses', (type) => {
    for (const servers of [[], drained]) {
      const seen = ask(buildResponder([buildZone('www.shop', servers)]), { ...a, type, edns: {} })
      expect(seen).toMatchObject({ rcode: 'servFail', flags: 'rd', answers: [], authorities: [] })
      expect(seen.edns?.options.toString()).toContain('no usable server')
    }
  })

  test('the scheduler none has no server for anybody', () => {
    const zone = buildZone('www.shop', [buildServer('10.0.0.1')], { scheduler: 'none' })
    expect(ask(buildResponder([zone]), a).rcode).toBe('servFail')
  })

  test('only the other family is: no data, so that clients take the other at once', () => {
    const responder = buildResponder([buildZone('www.shop', [...drained, buildServer('fd00::1')])])
    expect(ask(responder, a)).toMatchObject({ rcode: 'noError', answers: [], authorities: [expect.any(String)] })
    expect(ask(responder, { ...a, type: 28 }).answers).toHaveLength(1)
  })

  test('what else the zone has is answered', () => {
    const responder = buildResponder([buildZone('www.shop', drained)])
    expect(ask(responder, { ...a, type: 6 }).rcode).toBe('noError')
    expect(ask(responder, { ...a, type: 16 }).rcode).toBe('noError')
  })

  test('a change of weight shows in the next answer', () => {
    const zone = shop()
    const responder = buildResponder([zone])
    zone.putServer(buildServer('10.0.0.1', { weight: 0 }))
    expect(addresses(ask(responder, a))).toBe('10.0.0.2')
    zone.putServer(buildServer('10.0.0.3', { weight: 1 }))
    expect(addresses(ask(responder, a)).split(' ').sort()).toEqual(['10.0.0.2', '10.0.0.3'])
    zone.removeServer('10.0.0.2:81')
    expect(addresses(ask(responder, a))).toBe('10.0.0.3')
  })
})

describe('the order of an answer', () => {
  const four = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'].map((address) => buildServer(address))

  test('rr: each comes first in turn, the others follow in their order', () => {
    const responder = buildResponder([buildZone('www.shop', four)])
    expect([1, 2, 3, 4, 5].map(() => addresses(ask(responder, a)).replaceAll('10.0.0.', ''))).toEqual([
      '1 2 3 4',
      '2 3 4 1',
      '3 4 1 2',
      '4 1 2 3',
      '1 2 3 4',
    ])
  })

  test('each family and SRV have turns of their own', () => {
    const responder = buildResponder([buildZone('www.shop', [...four, buildServer('fd00::1'), buildServer('fd00::2')])])
    const firsts = [1, 28, 33, 1, 28, 33].map((type) =>
      ask(responder, { ...a, type })
        .answers[0]?.split(' ')
        .at(-1),
    )
    expect(firsts).toEqual([
      '10.0.0.1',
      'fd00:0:0:0:0:0:0:1',
      '10-0-0-1.www.shop',
      '10.0.0.2',
      'fd00:0:0:0:0:0:0:2',
      '10-0-0-2.www.shop',
    ])
  })

  test('wrr: as often first as the weight says', () => {
    const weighted = [buildServer('10.0.0.1', { weight: 5 }), buildServer('10.0.0.2', { weight: 1 })]
    const responder = buildResponder([buildZone('www.shop', weighted, { scheduler: 'wrr' })])
    const firsts = Array.from({ length: 60 }, () => addresses(ask(responder, a)).split(' ')[0])
    expect(firsts.filter((address) => address === '10.0.0.1')).toHaveLength(50)
  })

  test('lc: who has been named least within the TTL, and what is older than that is forgotten', () => {
    const zone = buildZone('www.shop', four.slice(0, 2), { scheduler: 'lc' })
    const responder = buildResponder([zone])
    const first = (atMs: number): string => addresses(ask(responder, a, { atMs })).split(' ')[0] ?? ''
    expect([first(0), first(1), first(2), first(3)].sort()).toEqual(['10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.2'])
    expect(zone.read(4).servers.map(({ active }) => active)).toEqual([2, 2])
    expect(zone.read(4999).servers.map(({ active }) => active)).toEqual([2, 2])
    expect(zone.read(6000).servers.map(({ active }) => active)).toEqual([0, 0])
    expect(zone.read(6000).servers.map(({ counters }) => counters.connections)).toEqual([2, 2])
  })

  test('sh: the same client the same server, by the subnet that the resolver asks for', () => {
    const responder = buildResponder([buildZone('www.shop', four, { scheduler: 'sh' })])
    const firstFor = (third: number): string => {
      const options = subnetOption(1, 24, [10, 7, third])
      const seen = ask(responder, { ...a, edns: { options } })
      expect(seen.edns?.options).toEqual(subnetOption(1, 24, [10, 7, third], 24))
      return addresses(seen).split(' ')[0] ?? ''
    }
    const firsts = Array.from({ length: 64 }, (_, third) => firstFor(third))
    expect(Array.from({ length: 64 }, (_, third) => firstFor(third))).toEqual(firsts)
    expect(new Set(firsts).size).toBe(4)
    const plain = Array.from({ length: 5 }, () => addresses(ask(responder, a)))
    expect(new Set(plain).size).toBe(1)
  })

  test('an answer that is the same for everybody says so: scope 0; so does one whose client is not to be known', () => {
    for (const [scheduler, prefix] of [
      ['rr', 24],
      ['sh', 0],
    ] as const) {
      const responder = buildResponder([buildZone('www.shop', four, { scheduler })])
      const options = subnetOption(1, prefix, prefix === 0 ? [] : [10, 7, 1])
      expect(ask(responder, { ...a, edns: { options } }).edns?.options).toEqual(options)
    }
  })

  test('fo: the heaviest alone, for others in the answer would be used, too', () => {
    const servers = [buildServer('10.0.0.1'), buildServer('10.0.0.2', { weight: 9 })]
    const zone = buildZone('www.shop', servers, { scheduler: 'fo' })
    const responder = buildResponder([zone])
    expect(addresses(ask(responder, a))).toBe('10.0.0.2')
    zone.putServer(buildServer('10.0.0.2', { weight: 0 }))
    expect(addresses(ask(responder, a))).toBe('10.0.0.1')
  })

  test('servers at one address with several ports are one address, and several services', () => {
    const ports = [81, 82, 83].map((port) => buildServer('10.0.0.1', { port }))
    const responder = buildResponder([buildZone('www.shop', ports)])
    expect(addresses(ask(responder, a))).toBe('10.0.0.1')
    const services = ask(responder, { ...a, type: 33 })
    expect(services.answers).toHaveLength(3)
    expect(services.additionals).toEqual(['10-0-0-1.www.shop A 10.0.0.1'])
  })

  test('another scheduler takes over with the next question', () => {
    const zone = buildZone('www.shop', four)
    const responder = buildResponder([zone])
    zone.update({ ...zone.service, scheduler: 'fo' })
    expect(addresses(ask(responder, a)).split(' ')).toHaveLength(1)
  })
})

describe('the size of an answer', () => {
  const many = (count: number): Zone =>
    buildZone(
      'www.shop',
      Array.from({ length: count }, (_, at) => buildServer(`10.0.${at >> 8}.${at & 255}`)),
    )

  test('is no longer than 32 addresses, in turn from the whole list', () => {
    const responder = buildResponder([many(100)])
    const seen = Array.from({ length: 100 }, () => addresses(ask(responder, a, { tcp: true })).split(' '))
    expect(new Set(seen.map(({ length }) => length))).toEqual(new Set([32]))
    expect(new Set(seen.map(([first]) => first)).size).toBe(100)
  })

  test.each([
    { payload: undefined, tc: true },
    { payload: 0, tc: true },
    { payload: 512, tc: true },
    { payload: 600, tc: false },
    { payload: 65_535, tc: false },
  ])('EDNS size $payload: truncated $tc', ({ payload, tc }) => {
    const zone = many(32)
    const responder = buildResponder([zone])
    const message = buildQuery({ ...a, ...(payload === undefined ? {} : { edns: { payload } }) })
    const answer = serveUdp(responder, message, client, 0) ?? Buffer.alloc(0)
    expect(answer.length).toBeLessThanOrEqual(Math.min(Math.max(payload ?? 0, 512), 1232))
    const seen = readAnswer(answer)
    expect(seen.flags).toBe(tc ? 'aa tc rd' : 'aa rd')
    expect(seen.answers).toHaveLength(tc ? 0 : 32)
  })

  test('whoever was told to ask over TCP has not used up a turn', () => {
    const zone = many(32)
    const responder = buildResponder([zone])
    const firsts = [1, 2, 3].map(() => {
      expect(ask(responder, a).flags).toContain('tc')
      return addresses(ask(responder, a, { tcp: true })).split(' ')[0]
    })
    expect(firsts).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.2'])
    expect(zone.read(0).counters.connections).toBe(3)
  })

  test('addresses beside services are left out where they do not fit, without a word', () => {
    const responder = buildResponder([many(12)])
    const small = ask(responder, { ...a, type: 33 })
    expect(small).toMatchObject({ flags: 'aa rd' })
    expect(small.answers).toHaveLength(12)
    expect(small.additionals.length).toBeLessThan(12)
    expect(ask(responder, { ...a, type: 33 }, { tcp: true }).additionals).toHaveLength(12)
  })

  test('DO and CD come back, AD and RA never do', () => {
    const seen = ask(buildResponder([shop()]), { ...a, flags: 0x01f0, edns: { flags: 0x8000 } })
    expect(seen.flags).toBe('aa rd cd')
    expect(seen.edns).toMatchObject({ payload: 1232, flags: 0x8000 })
  })
})

test('questions and answers are counted: of the service all, of a server those that named it first', () => {
  const zone = shop()
  const responder = buildResponder([zone])
  const query = buildQuery(a)
  const answer = serveUdp(responder, query, client, 0)
  ask(responder, { name: 'no.www.shop' })
  const { counters, servers } = zone.read(0)
  expect(counters).toMatchObject({ connections: 1, packetsIn: 2, packetsOut: 2 })
  expect(servers.find(({ server }) => server.address === '10.0.0.1')?.counters).toEqual({
    connections: 1,
    packetsIn: 1,
    packetsOut: 1,
    bytesIn: query.length,
    bytesOut: answer?.length,
  })
  zone.estimate()
  expect(zone.read(0).rates.bytesIn).toBeGreaterThan(0)
  zone.zero()
  expect(zone.read(0)).toMatchObject({ counters: { connections: 0, bytesIn: 0 }, rates: { bytesIn: 0 } })
})

describe('who asks very often over UDP', () => {
  test('gets TC or nothing beyond the limit, as do neighbours in the network, but nobody else', () => {
    const responder = buildResponder([shop()], 10)
    const outcome = (address: string, atMs: number): string => {
      const answer = serveUdp(responder, buildQuery(a), { address, port: 1 }, atMs)
      return answer === undefined ? 'nothing' : readAnswer(answer).flags.includes('tc') ? 'tc' : 'answer'
    }
    const outcomes = Array.from({ length: 20 }, (_, at) => outcome(`198.51.100.${at}`, 0))
    expect(outcomes.slice(0, 10)).toEqual(Array(10).fill('answer'))
    expect(outcomes.slice(10).sort()).toEqual([...Array(5).fill('nothing'), ...Array(5).fill('tc')])
    expect(outcome('203.0.113.1', 0)).toBe('answer')
    expect(outcome('198.51.100.1', 100)).toBe('answer')
    expect(outcome('127.0.0.1', 0)).toBe('answer')
  })

  test('IPv6 goes by /56', () => {
    const responder = buildResponder([shop()], 1)
    const answered = (address: string): boolean =>
      serveUdp(responder, buildQuery(a), { address, port: 1 }, 0) !== undefined
    expect([answered('2001:db8:0:1::1'), answered('2001:db8:0:1::2'), answered('2001:db8:0:1::3')]).toEqual([
      true,
      true,
      false,
    ])
    expect(answered('2001:db8:0:100::1')).toBe(true)
  })
})
