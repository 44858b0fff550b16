import { describe, expect, test } from 'vitest'
import {
  addresses,
  ask,
  buildQuery,
  buildResponder,
  buildServer,
  buildZone,
  client,
  readAnswer,
  subnetOption,
} from './dns-world.contract.ts'
import { serveUdp } from './serve.ts'
import type { Zone } from './zone.ts'

const a = { name: 'www.shop' }

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
    const seen = ask(buildResponder([many(1)]), { ...a, flags: 0x01f0, edns: { flags: 0x8000 } })
    expect(seen.flags).toBe('aa rd cd')
    expect(seen.edns).toMatchObject({ payload: 1232, flags: 0x8000 })
  })
})
