import { describe, expect, test } from 'vitest'
import { closedPort, datagramServer, deadlineMs, openDescriptors, probe, raw } from '../../../test/build/servers.ts'
import type { DnsCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const dns = (changes: Partial<DnsCheckSpec> = {}): DnsCheckSpec => ({
  kind: 'dns',
  name: 'www.shop',
  type: 'A',
  transport: 'udp',
  ...changes,
})

const typeNumbers = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  RRSIG: 46,
  DNSKEY: 48,
}
const wireName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.alloc(1),
  ])
const numbers = (...words: number[]): Buffer => Buffer.from(words.flatMap((word) => [word >> 8, word & 255]))

/** The answer to a question, with these records of the asked type. */
function answerTo(query: Buffer, records: readonly Buffer[], { rcode = 0, id = query.readUInt16BE() } = {}): Buffer {
  const type = query.subarray(query.length - 4, query.length - 2)
  const written = records.map((data) => Buffer.concat([numbers(0xc00c), type, numbers(1, 0, 60, data.length), data]))
  return Buffer.concat([numbers(id, 0x8180 | rcode, 1, records.length, 0, 0), query.subarray(12), ...written])
}

const four = Buffer.from([192, 0, 2, 1])

describe('check dns over UDP', () => {
  test.each<{ name: string; spec: DnsCheckSpec; records?: Buffer[]; rcode?: number; healthy: boolean; detail: string }>(
    [
      { name: 'an answer', spec: dns(), records: [four], healthy: true, detail: 'www.shop A: 192.0.2.1' },
      { name: 'an empty answer without an error', spec: dns(), records: [], healthy: true, detail: 'nothing' },
      { name: 'no such name', spec: dns(), rcode: 3, healthy: false, detail: 'NXDOMAIN' },
      { name: 'a failure', spec: dns(), rcode: 2, healthy: false, detail: 'SERVFAIL' },
      { name: 'a refusal', spec: dns(), rcode: 5, healthy: false, detail: 'REFUSED' },
      { name: 'what is expected', spec: dns({ expect: ['192.0.2.1'] }), records: [four], healthy: true, detail: '192' },
      {
        name: 'not what is expected',
        spec: dns({ expect: ['192.0.2.1', '192.0.2.2'] }),
        records: [four],
        healthy: false,
        detail: 'but not 192.0.2.2',
      },
      { name: 'a pattern', spec: dns({ pattern: '^192\\.' }), records: [four], healthy: true, detail: '192' },
      {
        name: 'not the pattern',
        spec: dns({ pattern: '^10\\.' }),
        records: [four],
        healthy: false,
        detail: 'does not match',
      },
      {
        name: 'AAAA, in whatever form',
        spec: dns({ type: 'AAAA', expect: ['2001:DB8:0::1'] }),
        records: [Buffer.from('20010db8000000000000000000000001', 'hex')],
        healthy: true,
        detail: '2001:db8::1',
      },
      {
        name: 'TXT, its strings joined',
        spec: dns({ type: 'TXT', expect: ['v=1 All Well'] }),
        records: [Buffer.from('\x04v=1 \x08All Well', 'latin1')],
        healthy: true,
        detail: 'v=1 All Well',
      },
      {
        name: 'SRV',
        spec: dns({ name: '_sip._udp.shop', type: 'SRV', expect: ['10 5 5060 SIP.shop.'] }),
        records: [Buffer.concat([numbers(10, 5, 5060), wireName('sip.shop')])],
        healthy: true,
        detail: '10 5 5060 sip.shop',
      },
      {
        name: 'MX',
        spec: dns({ type: 'MX', expect: ['0 mail.shop'] }),
        records: [Buffer.concat([numbers(0), wireName('mail.shop')])],
        healthy: true,
        detail: '0 mail.shop',
      },
      {
        name: 'PTR',
        spec: dns({ name: '1.2.0.192.in-addr.arpa', type: 'PTR', pattern: '^www' }),
        records: [wireName('www.shop')],
        healthy: true,
        detail: 'www.shop',
      },
      { name: 'the root', spec: dns({ name: '.', type: 'NS' }), records: [wireName('a')], healthy: true, detail: 'a' },
    ],
  )('$name', async ({ spec, records = [], rcode, healthy, detail }) => {
    await using server = await datagramServer((query) => {
      expect(query.readUInt16BE(query.length - 4)).toBe(typeNumbers[spec.type])
      return answerTo(query, records, { ...(rcode === undefined ? {} : { rcode }) })
    })
    const before = openDescriptors()
    const result = await probe(spec, server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
  })

  test('an answer to another question is passed over', async () => {
    await using server = await datagramServer((query, from, socket) => {
      socket.send(answerTo(query, [], { rcode: 5, id: query.readUInt16BE() ^ 1 }), from.port, from.address)
      return answerTo(query, [four])
    })
    expect((await probe(dns(), server.port)).healthy).toBe(true)
  })

  test.each<{ name: string; says: () => Buffer | undefined; detail: string }>([
    { name: 'silent', says: () => undefined, detail: 'in time' },
    { name: 'talking nonsense', says: () => Buffer.from('x'), detail: 'no DNS message' },
    { name: 'sending empty datagrams', says: () => Buffer.alloc(0), detail: 'no DNS message' },
  ])('a server that is $name is down', async ({ says, detail }) => {
    await using server = await datagramServer(says)
    expect(await probe(dns(), server.port)).toMatchObject({
      healthy: false,
      detail: expect.stringContaining(detail) as string,
    })
  })

  test('a question alone is no answer', async () => {
    await using server = await datagramServer((query) => query)
    expect((await probe(dns(), server.port)).healthy).toBe(false)
  })

  test('a refusal comes at once', async () => {
    const result = await probe(dns(), await closedPort())
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string })
    expect(result.tookMs).toBeLessThan(deadlineMs)
  })
})

describe('check dns over TCP', () => {
  const speakDns = (pieces: (message: Buffer) => Buffer[]) =>
    raw((socket) => {
      socket.once('data', (asked: Buffer) => {
        const answer = answerTo(asked.subarray(2), [four])
        for (const piece of pieces(Buffer.concat([numbers(answer.length), answer]))) socket.write(piece)
      })
    })

  test('an answer, in pieces', async () => {
    await using server = await speakDns((message) => [
      message.subarray(0, 1),
      message.subarray(1, 9),
      message.subarray(9),
    ])
    const spec = dns({ transport: 'tcp', expect: ['192.0.2.1'] })
    expect(await probe(spec, server.port)).toMatchObject({ healthy: true })
    await expect.poll(() => server.open()).toBe(0)
  })

  test('an answer that breaks off', async () => {
    await using server = await speakDns((message) => [message.subarray(0, 9)])
    expect((await probe(dns({ transport: 'tcp' }), server.port)).healthy).toBe(false)
  })
})

standsMisbehaviour(dns({ transport: 'tcp' }))
