import { describe, expect, test } from 'vitest'
import {
  type Asked,
  addresses,
  ask,
  buildQuery,
  buildResponder,
  buildServer,
  buildZone,
  client,
  readAnswer,
  type Seen,
  subnetOption,
  words,
} from './dns-world.contract.ts'
import { serveTcp, serveUdp } from './serve.ts'
import type { Zone } from './zone.ts'

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
      name: 'ANY of a service label',
      asked: { name: '_http._tcp.www.shop', type: 255 },
      answers: ['_http._tcp.www.shop HINFO RFC8482'],
    },
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
    { name: 'an update', asked: { ...a, flags: 5 << 11, edns: {} }, rcode: 'notImp', flags: '' },
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
