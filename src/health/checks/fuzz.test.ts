/** Whatever a server says, at whatever pace: a check comes to a verdict, and never throws. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openDescriptors, probe, raw } from '../../../test/build/servers.ts'
import type { ProbeSpec } from '../check.ts'

const login = { user: 'ann', password: 'x' }
const specs: readonly ProbeSpec[] = [
  { kind: 'http', path: '/', status: [200], body: 'never said', redirects: 2 },
  { kind: 'http-proxy', url: 'https://a/', status: [200] },
  { kind: 'dns', name: 'a', type: 'TXT', transport: 'tcp', expect: ['never said'] },
  { kind: 'tls', verify: false, minimumDays: 0 },
  { kind: 'grpc' },
  { kind: 'agent' },
  { kind: 'smtp', login },
  { kind: 'pop3', login },
  { kind: 'imap', login, mailbox: 'INBOX' },
  { kind: 'nntp', login, group: 'a.b' },
  { kind: 'ftp', path: 'a', body: 'x' },
  { kind: 'ldap', base: 'dc=a' },
  { kind: 'mysql', login, query: 'SELECT 1' },
  { kind: 'pgsql', login, query: 'SELECT 1' },
  { kind: 'redis', role: 'master' },
  { kind: 'sip', transport: 'tcp', user: 'a@b', status: [200] },
  { kind: 'simpletcp', expect: 'never said' },
]

/** What a well server might say, in pieces, beside bytes of any kind: so that the checks get further than the greeting. */
const words: readonly (string | Buffer)[] = [
  'HTTP/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 302 Found\r\nLocation: //[\r\n\r\n',
  'HTTP/1.1 302 Found\r\nLocation: /a b\r\n\r\n',
  'up 50%\n',
  Buffer.from('000012040000000000', 'hex'),
  Buffer.from('00002a', 'hex'),
  Buffer.from('15030100020228', 'hex'),
  '220 a\r\n',
  '250 a\r\n',
  '250-AUTH PLAIN\r\n',
  '+OK\r\n',
  '* OK a\r\n',
  'a OK\r\n',
  '* BYE\r\n',
  '200 a\r\n',
  '230 a\r\n',
  '229 (|||1|)\r\n',
  '334 a\r\n',
  '+PONG\r\n',
  '*1\r\n',
  '$6\r\n',
  'SIP/2.0 200 OK\r\n\r\n',
  Buffer.from('300c02010161070a010004000400', 'hex'),
  Buffer.from('300c02010261070a010004000400', 'hex'),
  Buffer.from('0700000200000002000000', 'hex'),
  Buffer.from('01000003fc', 'hex'),
  Buffer.from('030000fe', 'hex'),
  Buffer.from('520000000800000000', 'hex'),
  Buffer.from('5a0000000549', 'hex'),
  Buffer.from('52000000170000000a534352414d2d5348412d32353600', 'hex'),
]
const piece = fc.oneof(
  fc.constantFrom(...words).map((word) => Buffer.from(word)),
  fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes)),
)

describe('any answers at all', () => {
  test.each(specs)('check $kind', async (spec) => {
    const before = openDescriptors()
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.boolean(), async (pieces, isAbrupt) => {
        await using server = await raw((socket) => {
          const say = (at: number): void => {
            const next = pieces[at]
            if (next === undefined) {
              if (isAbrupt) socket.resetAndDestroy()
              else socket.end()
              return
            }
            socket.write(next)
            setImmediate(say, at + 1)
          }
          say(0)
        })
        const result = await probe(spec, server.port, '127.0.0.1', 3000)
        expect(typeof result.healthy).toBe('boolean')
        expect(result.detail).toMatch(/^[^\r\n]+$/)
        expect(result.detail.length).toBeLessThan(300)
      }),
      { numRuns: 60 },
    )
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before + 1)
  })
})
