/** Checks `mysql` and `pgsql` against servers that say what is written here; labs/checks asks the real ones. */
import { describe, expect, test } from 'vitest'
import { probe, type Running, raw } from '../../../test/build/servers.ts'
import type { SqlCheckSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'
import { scram } from './scram.ts'

const login = { user: 'ann', password: 'pencil' }
type Case = { name: string; spec: SqlCheckSpec; answers: readonly Buffer[]; healthy: boolean; detail: string }

/** Says its greeting, and the next answer to whatever comes. */
function speak(greeting: Buffer, answers: readonly Buffer[], heard: Buffer[] = []): Promise<Running> {
  return raw((socket) => {
    socket.write(greeting)
    let count = 0
    socket.on('data', (data) => {
      heard.push(data)
      const answer = answers[count++]
      if (answer !== undefined) socket.write(answer)
    })
  })
}

const ask = async ({ spec, answers }: Pick<Case, 'spec' | 'answers'>, greeting: Buffer, heard?: Buffer[]) => {
  await using server = await speak(greeting, answers, heard)
  const said = await probe(spec, server.port, '127.0.0.1', 3000)
  await expect.poll(() => server.open()).toBe(0)
  return said
}

describe('check mysql', () => {
  const packet = (sequence: number, body: Buffer | string): Buffer => {
    const bytes = Buffer.from(body)
    return Buffer.concat([Buffer.of(bytes.length & 255, bytes.length >> 8, 0, sequence), bytes])
  }
  const greeting = packet(
    0,
    Buffer.concat([
      Buffer.from('\x0a8.0-test\0\x01\0\0\0abcdefgh\0', 'latin1'),
      Buffer.from('00822d020008001500000000000000000000', 'hex'),
      Buffer.from('ijklmnopqrst\0mysql_native_password\0'),
    ]),
  )
  const error = (sequence: number, code: number, text: string): Buffer =>
    packet(sequence, Buffer.concat([Buffer.of(255, code & 255, code >> 8), Buffer.from(`#28000${text}`)]))
  const ok = packet(2, Buffer.from('00000002000000', 'hex'))
  const end = Buffer.from('fe00000200', 'hex')
  const column = packet(2, 'def and so on')
  const head = Buffer.concat([packet(1, Buffer.of(1)), column, packet(3, end)])
  const spec = (changes: Partial<SqlCheckSpec> = {}): SqlCheckSpec => ({ kind: 'mysql', ...changes })
  const query = 'SELECT 1'

  test.each<Case>([
    { name: 'a login', spec: spec({ login }), answers: [ok], healthy: true, detail: 'accepted' },
    {
      name: 'nobody, denied',
      spec: spec(),
      answers: [error(2, 1045, 'denied')],
      healthy: true,
      detail: 'answers logins',
    },
    { name: 'nobody, blocked', spec: spec(), answers: [error(2, 1129, 'blocked')], healthy: false, detail: '(1129)' },
    {
      name: 'a wrong password',
      spec: spec({ login }),
      answers: [error(2, 1045, 'Access denied')],
      healthy: false,
      detail: 'the login fails: Access denied (1045)',
    },
    {
      name: 'another way to log in',
      spec: spec({ login }),
      answers: [
        packet(2, Buffer.concat([Buffer.of(254), Buffer.from('caching_sha2_password\0abcdefghijklmnopqrst\0')])),
        Buffer.concat([packet(4, Buffer.of(1, 3)), ok]),
      ],
      healthy: true,
      detail: 'accepted',
    },
    {
      name: 'a password that would go in the clear',
      spec: spec({ login }),
      answers: [packet(2, Buffer.of(1, 4))],
      healthy: false,
      detail: 'over TLS only',
    },
    {
      name: 'a way that is not known',
      spec: spec({ login }),
      answers: [packet(2, Buffer.concat([Buffer.of(254), Buffer.from('dialog\0abc')]))],
      healthy: false,
      detail: 'by dialog',
    },
    {
      name: 'TLS that is not offered',
      spec: spec({ login, tls: { verify: false } }),
      answers: [],
      healthy: false,
      detail: 'does not offer TLS',
    },
    {
      name: 'rows',
      spec: spec({ login, query }),
      answers: [ok, Buffer.concat([head, packet(4, '\x011')])],
      healthy: true,
      detail: 'gives rows',
    },
    {
      name: 'a large row, which is not read',
      spec: spec({ login, query }),
      answers: [ok, Buffer.concat([head, Buffer.from('ffffff0402', 'hex')])],
      healthy: true,
      detail: 'gives rows',
    },
    {
      name: 'no rows',
      spec: spec({ login, query }),
      answers: [ok, Buffer.concat([head, packet(4, end)])],
      healthy: false,
      detail: 'no rows',
    },
    { name: 'no result', spec: spec({ login, query }), answers: [ok, ok], healthy: false, detail: 'no rows' },
    {
      name: 'a query that fails',
      spec: spec({ login, query }),
      answers: [ok, error(1, 1146, 'no such table')],
      healthy: false,
      detail: 'no such table (1146)',
    },
  ])('$name', async (given) => {
    expect(await ask(given, greeting)).toMatchObject({
      healthy: given.healthy,
      detail: expect.stringContaining(given.detail) as string,
    })
  })

  test('a host that is shut out', async () => {
    const said = await ask(
      { spec: spec(), answers: [] },
      packet(0, Buffer.concat([Buffer.of(255, 0x69, 4), Buffer.from('Host is blocked')])),
    )
    expect(said).toMatchObject({ healthy: false, detail: expect.stringContaining('Host is blocked (1129)') as string })
  })

  test('the password is answered as the protocol says, and never sent', async () => {
    const heard: Buffer[] = []
    await ask({ spec: spec({ login, database: 'shop' }), answers: [ok] }, greeting, heard)
    const sent = heard[0] ?? Buffer.alloc(0)
    expect(sent.toString('latin1')).toContain('shop\0mysql_native_password\0')
    expect(sent.toString('latin1')).not.toContain('pencil')
    expect(sent.readUInt32LE(4) & 8).toBe(8)
  })

  standsMisbehaviour(spec(), { slowly: greeting })
  standsMisbehaviour(spec({ login, query, tls: { verify: false } }), { slowly: greeting })
})

describe('check pgsql', () => {
  const message = (type: string, body: Buffer | string): Buffer => {
    const bytes = Buffer.from(body)
    const head = Buffer.alloc(5)
    head.write(type, 'latin1')
    head.writeUInt32BE(bytes.length + 4, 1)
    return Buffer.concat([head, bytes])
  }
  const auth = (kind: number, data: Buffer | string = ''): Buffer =>
    message('R', Buffer.concat([Buffer.of(0, 0, 0, kind), Buffer.from(data)]))
  const ready = Buffer.concat([auth(0), message('S', 'a\0b\0'), message('Z', 'I')])
  const error = (code: string, text: string): Buffer => message('E', `SFATAL\0C${code}\0M${text}\0\0`)
  const spec = (changes: Partial<SqlCheckSpec> = {}): SqlCheckSpec => ({ kind: 'pgsql', ...changes })
  const query = 'SELECT 1'
  const nothing = Buffer.alloc(0)

  test.each<Case>([
    { name: 'nobody', spec: spec(), answers: [auth(10, 'SCRAM-SHA-256\0\0')], healthy: true, detail: 'answers logins' },
    { name: 'nobody, refused', spec: spec(), answers: [error('28000', 'no entry')], healthy: true, detail: 'answers' },
    { name: 'starting up', spec: spec(), answers: [error('57P03', 'starting up')], healthy: false, detail: '57P03' },
    { name: 'full', spec: spec(), answers: [error('53300', 'too many')], healthy: false, detail: 'too many (53300)' },
    { name: 'trusted', spec: spec({ login }), answers: [ready], healthy: true, detail: 'accepted' },
    { name: 'a password', spec: spec({ login }), answers: [auth(3), ready], healthy: true, detail: 'accepted' },
    { name: 'MD5', spec: spec({ login }), answers: [auth(5, 'salt'), ready], healthy: true, detail: 'accepted' },
    { name: 'Kerberos', spec: spec({ login }), answers: [auth(7)], healthy: false, detail: 'does not know' },
    {
      name: 'a wrong password',
      spec: spec({ login }),
      answers: [auth(3), error('28P01', 'password failed')],
      healthy: false,
      detail: 'the login fails: password failed (28P01)',
    },
    {
      name: 'SCRAM with a challenge that is none',
      spec: spec({ login }),
      answers: [auth(10, 'SCRAM-SHA-256\0\0'), auth(11, 'r=other,s=AAAA,i=4096')],
      healthy: false,
      detail: 'challenge is none',
    },
    {
      name: 'rows',
      spec: spec({ login, query }),
      answers: [ready, Buffer.concat([message('T', 'x'), message('D', 'x')])],
      healthy: true,
      detail: 'gives rows',
    },
    {
      name: 'no rows',
      spec: spec({ login, query }),
      answers: [ready, Buffer.concat([message('T', 'x'), message('C', 'SELECT 0\0'), message('Z', 'I')])],
      healthy: false,
      detail: 'no rows',
    },
    {
      name: 'a query that fails',
      spec: spec({ login, query }),
      answers: [ready, error('42P01', 'no such table')],
      healthy: false,
      detail: 'the query fails: no such table (42P01)',
    },
    {
      name: 'TLS that is not offered',
      spec: spec({ tls: { verify: false } }),
      answers: [Buffer.from('N')],
      healthy: false,
      detail: 'does not offer TLS',
    },
    {
      name: 'notices without end',
      spec: spec({ login }),
      answers: [Buffer.concat(Array.from({ length: 600 }, () => message('N', 'x')))],
      healthy: false,
      detail: 'no end',
    },
  ])('$name', async (given) => {
    expect(await ask(given, nothing)).toMatchObject({
      healthy: given.healthy,
      detail: expect.stringContaining(given.detail) as string,
    })
  })

  test('user and database are named', async () => {
    const heard: Buffer[] = []
    await ask({ spec: spec({ login, database: 'shop' }), answers: [ready] }, nothing, heard)
    expect(heard[0]?.toString('latin1')).toContain('user\0ann\0database\0shop\0')
  })

  standsMisbehaviour(spec())
  standsMisbehaviour(spec({ login, query, tls: { verify: false } }), { slowly: 'S' })
})

test('SCRAM is that of RFC 7677 §3', async () => {
  const proof = scram('pencil', 'rOprNGfwEbeRWgbNEkqO', 'user')
  expect(proof.first).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  expect(await proof.answer(`r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`)).toBe(
    `c=biws,r=${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
  )
  expect(proof.isServer('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).toBe(true)
  expect(proof.isServer('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95H4=')).toBe(false)
  expect(await proof.answer(`r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999999999`)).toBeUndefined()
})
