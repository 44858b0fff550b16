/** Checks `sip` and `radius`: questions in datagrams (and SIP over TCP). */
import { createHash, createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { datagramServer, openDescriptors, probe, raw } from '../../../test/build/servers.ts'
import type { RadiusCheckSpec, SipCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const sip = (transport: 'udp' | 'tcp', status: SipCheckSpec['status'] = [200]): SipCheckSpec => ({
  kind: 'sip',
  transport,
  user: 'probe@shop.example',
  status,
})

/** What a server says to a question, with its Call-ID. */
const answer = (question: string, status: string): string =>
  [
    `SIP/2.0 ${status}`,
    ...question.split('\r\n').filter((line) => /^(Via|Call-ID|CSeq)/.test(line)),
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')

type SipCase = {
  name: string
  spec?: SipCheckSpec['status']
  say: (question: string) => string[]
  healthy: boolean
  detail: string
}

const cases: readonly SipCase[] = [
  { name: 'is well', say: (question) => [answer(question, '200 OK')], healthy: true, detail: '200 OK' },
  {
    name: 'says that it tries first',
    say: (question) => [answer(question, '100 Trying'), answer(question, '200 OK')],
    healthy: true,
    detail: '200 OK',
  },
  { name: 'is busy', say: (question) => [answer(question, '503 Full')], healthy: false, detail: '503 Full' },
  {
    name: 'knows nobody, which will do',
    spec: [200, [400, 499]],
    say: (question) => [answer(question, '404 Not Found')],
    healthy: true,
    detail: '404',
  },
  {
    name: 'answers others first',
    say: (question) => [answer(question.replace(/Call-ID: /, 'Call-ID: x'), '200 other'), answer(question, '486 Busy')],
    healthy: false,
    detail: '486',
  },
  { name: 'speaks something else', say: () => ['HTTP/1.1 200 OK\r\n\r\n'], healthy: false, detail: 'none of SIP' },
]

describe.each(['udp', 'tcp'] as const)('check sip over %s: a server that', (transport) => {
  test.each(cases)('$name', async ({ spec, say, healthy, detail }) => {
    await using server =
      transport === 'udp'
        ? await datagramServer((message, from, socket) => {
            for (const text of say(message.toString())) socket.send(text, from.port, from.address)
            return undefined
          })
        : await raw((socket) =>
            socket.on('data', (data) => {
              for (const text of say(data.toString())) socket.write(text)
            }),
          )
    const result = await probe(sip(transport, spec), server.port, '127.0.0.1', 3000)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
  })
})

standsMisbehaviour(sip('tcp'))

const radius = (changes: Partial<RadiusCheckSpec> = {}): RadiusCheckSpec => ({
  kind: 'radius',
  login: { user: 'ann', password: 'a password of more than sixteen bytes' },
  secret: 's3cret',
  accept: ['accept'],
  ...changes,
})

/** An answer to a request: its code, made with this secret. */
function reply(request: Buffer, code: number, secret: string, id = request.readUInt8(1)): Buffer {
  const head = Buffer.of(code, id, 0, 20)
  const sum = createHash('md5').update(head).update(request.subarray(4, 20)).update(secret).digest()
  return Buffer.concat([head, sum])
}

describe('check radius: a server that', () => {
  test.each<{
    name: string
    spec?: RadiusCheckSpec
    say: (request: Buffer) => Buffer
    healthy: boolean
    detail: string
  }>([
    { name: 'accepts', say: (request) => reply(request, 2, 's3cret'), healthy: true, detail: 'is accept' },
    { name: 'rejects', say: (request) => reply(request, 3, 's3cret'), healthy: false, detail: 'is reject' },
    {
      name: 'rejects, which will do',
      spec: radius({ accept: ['accept', 'reject'] }),
      say: (request) => reply(request, 3, 's3cret'),
      healthy: true,
      detail: 'is reject',
    },
    {
      name: 'has another secret',
      say: (request) => reply(request, 2, 'other'),
      healthy: false,
      detail: 'another secret',
    },
    {
      name: 'answers another question',
      say: (request) => reply(request, 2, 's3cret', 255 - request.readUInt8(1)),
      healthy: false,
      detail: 'no answer',
    },
    { name: 'says something else', say: () => Buffer.from('what?'), healthy: false, detail: 'none of RADIUS' },
    { name: 'says a length that is none', say: () => Buffer.alloc(30), healthy: false, detail: 'none of RADIUS' },
  ])('$name', async ({ spec = radius(), say, healthy, detail }) => {
    await using server = await datagramServer(say)
    const result = await probe(spec, server.port)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
  })

  test('the request carries its authenticator, and the password hidden', async () => {
    let request: Buffer = Buffer.alloc(0)
    await using server = await datagramServer((message) => {
      request = message
      return reply(message, 2, 's3cret')
    })
    await probe(radius(), server.port)
    expect(request.readUInt16BE(2)).toBe(request.length)
    expect(request.toString('latin1')).not.toContain('password')
    const authenticator = Buffer.from(request.subarray(22, 38))
    request.fill(0, 22, 38)
    expect(createHmac('md5', 's3cret').update(request).digest()).toEqual(authenticator)
  })

  test('what does not fit into a request is a failed check', async () => {
    const said = await probe(radius({ login: { user: 'x'.repeat(300), password: '' } }), 9)
    expect(said).toMatchObject({ healthy: false, detail: expect.stringContaining('longer than') as string })
  })
})

test('check sip: a user that is no address is a failed check', async () => {
  for (const transport of ['udp', 'tcp'] as const) {
    await using server = await raw(() => {})
    const said = await probe({ ...sip(transport), user: 'a>\r\nX: y' }, server.port)
    expect(said).toMatchObject({ healthy: false, detail: expect.stringContaining('no SIP address') as string })
  }
})

test.each([sip('udp'), radius()])('check $kind: silence ends at the deadline, a refusal at once', async (spec) => {
  const before = openDescriptors()
  let port = 0
  {
    await using server = await datagramServer(() => undefined)
    port = server.port
    expect(await probe(spec, port)).toMatchObject({
      healthy: false,
      detail: expect.stringContaining('no answer') as string,
    })
  }
  expect((await probe(spec, port)).detail).toContain('ECONNREFUSED')
  await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
})
