/** The checks whose protocols are lines: SMTP, POP3, IMAP, NNTP, FTP, Redis, and simpletcp. */
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { lines, listen, makeCertificate, probe, type Running, raw } from '../../../test/build/servers.ts'
import type { ProbeSpec } from '../check.ts'
import { standsMisbehaviour } from './misbehaviour.contract.ts'

const login = { user: 'ann', password: 's3 "\\cret' }
const verify = { verify: false }

/** Answers by the first pattern that a command matches. */
type Script = readonly (readonly [RegExp, string])[]

const answerBy =
  (script: Script) =>
  (line: string): string =>
    script.find(([pattern]) => pattern.test(line))?.[1] ?? '500 what? -ERR BAD\r\n'

const speak = (greeting: string, script: Script): Promise<Running> => lines(greeting, answerBy(script))

/** In the clear until `begin` is said, then TLS; `again` is the script inside. */
function upgrading(greeting: string, begin: RegExp, yes: string, outside: Script, inside: Script): Promise<Running> {
  const certificate = makeCertificate()
  return listen(
    createServer((socket) => {
      socket.write(greeting)
      socket.once('data', function hear(chunk: Buffer) {
        const line = chunk.toString('latin1').trim()
        if (!begin.test(line)) {
          socket.write(answerBy(outside)(line))
          socket.once('data', hear)
          return
        }
        socket.write(yes)
        const secure = new TLSSocket(socket, { isServer: true, ...certificate })
        secure.on('error', () => {})
        secure.on('data', (data: Buffer) => void secure.write(answerBy(inside)(data.toString('latin1').trim())))
      })
    }),
  )
}

const plainAuth = Buffer.from(`\0${login.user}\0${login.password}`).toString('base64')
const ehlo = '250-mail\r\n250-STARTTLS\r\n250-AUTH LOGIN PLAIN\r\n250 SIZE\r\n'
const smtp: Script = [
  [/^EHLO probe\.example$/, ehlo],
  [new RegExp(`^AUTH PLAIN ${plainAuth.replace(/[+]/g, '\\+')}$`), '235 in\r\n'],
  [/^QUIT$/, '221 bye\r\n'],
]
const pop: Script = [
  [/^USER ann$/, '+OK\r\n'],
  [/^PASS s3 "\\cret$/, '+OK in\r\n'],
  [/^QUIT$/, '+OK bye\r\n'],
]
const imap: Script = [
  [/^a LOGIN "ann" "s3 \\"\\\\cret"$/, '* CAPABILITY IMAP4\r\na OK in\r\n'],
  [/^a EXAMINE "INBOX"$/, '* 3 EXISTS\r\na OK [READ-ONLY]\r\n'],
  [/^b LOGOUT$/, '* BYE\r\nb OK\r\n'],
]
const nntp: Script = [
  [/^AUTHINFO USER ann$/, '381 and?\r\n'],
  [/^AUTHINFO PASS s3 /, '281 in\r\n'],
  [/^GROUP a\.b$/, '211 3 1 3 a.b\r\n'],
  [/^QUIT$/, '205 bye\r\n'],
]
const ftp: Script = [
  [/^USER ann$/, '331 and?\r\n'],
  [/^PASS s3 /, '230-hello\r\nany text\r\n 230 no end\r\n230 in\r\n'],
  [/^QUIT$/, '221 bye\r\n'],
]
const without = (script: Script, pattern: RegExp): Script => script.filter(([{ source }]) => !pattern.test(source))

type Case = { name: string; spec: ProbeSpec; greeting: string; script: Script; detail?: string }

const well: readonly Case[] = [
  { name: 'smtp', spec: { kind: 'smtp', helo: 'probe.example' }, greeting: '220-a\r\n220 b\r\n', script: smtp },
  { name: 'submission', spec: { kind: 'submission', helo: 'probe.example', login }, greeting: '220 b\n', script: smtp },
  {
    name: 'smtp of a server that knows HELO only',
    spec: { kind: 'smtp', helo: 'probe.example' },
    greeting: '220 old\r\n',
    script: [
      [/^HELO /, '250 hi\r\n'],
      [/^QUIT$/, '221 bye\r\n'],
    ],
  },
  {
    name: 'smtp with AUTH LOGIN',
    spec: { kind: 'smtp', login },
    greeting: '220 b\r\n',
    script: [
      [/^EHLO /, '250-a\r\n250 AUTH=LOGIN\r\n'],
      [/^AUTH LOGIN$/, '334 VXNlcg==\r\n'],
      [/^YW5u$/, '334 UGFzcw==\r\n'],
      [new RegExp(`^${Buffer.from(login.password).toString('base64')}$`), '235 in\r\n'],
      [/^QUIT$/, '221 bye\r\n'],
    ],
  },
  { name: 'pop3', spec: { kind: 'pop3' }, greeting: '+OK\r\n', script: pop },
  { name: 'pop3 with a login', spec: { kind: 'pop3', login }, greeting: '+OK ready\r\n', script: pop },
  { name: 'imap', spec: { kind: 'imap' }, greeting: '* OK ready\r\n', script: imap },
  {
    name: 'imap with a login and a mailbox',
    spec: { kind: 'imap', login, mailbox: 'INBOX' },
    greeting: '* OK\r\n',
    script: imap,
  },
  {
    name: 'imap that knows us already',
    spec: { kind: 'imap', login, mailbox: 'INBOX' },
    greeting: '* PREAUTH hi\r\n',
    script: without(imap, /LOGIN/),
  },
  { name: 'nntp', spec: { kind: 'nntp' }, greeting: '201 no posting\r\n', script: nntp },
  { name: 'nntp with all', spec: { kind: 'nntp', login, group: 'a.b' }, greeting: '200 hi\r\n', script: nntp },
  { name: 'ftp', spec: { kind: 'ftp' }, greeting: '120 wait\r\n220 hi\r\n', script: ftp },
  { name: 'ftp with a login', spec: { kind: 'ftp', login }, greeting: '220-hi\r\n there\r\n220 \r\n', script: ftp },
  { name: 'redis', spec: { kind: 'redis' }, greeting: '', script: [[/^PING$/, '+PONG\r\n']] },
  {
    name: 'redis with a login and a role',
    spec: { kind: 'redis', login: { user: '', password: 'x' }, role: 'replica' },
    greeting: '',
    script: [
      [/^x$/, '+OK\r\n'],
      [/^PING$/, '+PONG\r\n'],
      [/^ROLE$/, '*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n'],
      [/./, ''],
    ],
  },
  { name: 'simpletcp', spec: { kind: 'simpletcp' }, greeting: 'x', script: [] },
  {
    name: 'simpletcp with a question',
    spec: { kind: 'simpletcp', send: 'who\n', expect: '^I am\\b' },
    greeting: '',
    script: [[/^who$/, 'I am here']],
  },
]

describe('a well server is healthy: check', () => {
  test.each(well)('$name', async ({ spec, greeting, script }) => {
    const known = spec.kind === 'redis' ? [...script, [/./, ''] as const] : script
    await using server = await speak(greeting, known)
    expect(await probe(spec, server.port, '127.0.0.1', 3000)).toMatchObject({ healthy: true })
    await expect.poll(() => server.open()).toBe(0)
  })
})

const wrong: readonly Case[] = [
  { name: 'smtp: no service', spec: { kind: 'smtp' }, greeting: '554 go\r\n', script: smtp, detail: '554 go' },
  {
    name: 'smtp: neither EHLO nor HELO',
    spec: { kind: 'smtp' },
    greeting: '220 a\r\n',
    script: [[/^(EHLO|HELO)/, '421 busy\r\n']],
    detail: '421 busy',
  },
  {
    name: 'smtp: STARTTLS is not offered',
    spec: { kind: 'smtp', starttls: verify },
    greeting: '220 a\r\n',
    script: [[/^EHLO/, '250 a\r\n']],
    detail: 'does not offer STARTTLS',
  },
  {
    name: 'smtp: a wrong password, which is not told',
    spec: { kind: 'smtp', helo: 'probe.example', login: { user: 'ann', password: 'wrong' } },
    greeting: '220 a\r\n',
    script: smtp,
    detail: 'AUTH PLAIN is answered with 500',
  },
  {
    name: 'smtp: no way to log in',
    spec: { kind: 'smtp', login },
    greeting: '220 a\r\n',
    script: [[/^EHLO/, '250-a\r\n250 AUTH CRAM-MD5\r\n']],
    detail: 'neither AUTH PLAIN nor AUTH LOGIN',
  },
  {
    name: 'smtp: a greeting without end',
    spec: { kind: 'smtp' },
    greeting: '220-a\r\n'.repeat(300),
    script: smtp,
    detail: 'no end',
  },
  { name: 'pop3: -ERR', spec: { kind: 'pop3' }, greeting: '-ERR no\r\n', script: pop, detail: '-ERR no' },
  {
    name: 'pop3: a wrong password',
    spec: { kind: 'pop3', login: { user: 'ann', password: 'x' } },
    greeting: '+OK\r\n',
    script: pop,
    detail: 'PASS is answered with 500',
  },
  {
    name: 'pop3: a line break in a name',
    spec: { kind: 'pop3', login: { user: 'a\r\nDELE 1', password: 'x' } },
    greeting: '+OK\r\n',
    script: pop,
    detail: 'line break',
  },
  { name: 'imap: BYE', spec: { kind: 'imap' }, greeting: '* BYE\r\n', script: imap, detail: '* BYE' },
  {
    name: 'imap: NO',
    spec: { kind: 'imap', login },
    greeting: '* OK\r\n',
    script: [[/LOGIN/, 'a NO wrong\r\n']],
    detail: 'a NO wrong',
  },
  {
    name: 'imap: BYE in the middle',
    spec: { kind: 'imap', login },
    greeting: '* OK\r\n',
    script: [[/LOGIN/, '* BYE now\r\n']],
    detail: '* BYE now',
  },
  { name: 'nntp: 400', spec: { kind: 'nntp' }, greeting: '400 no\r\n', script: nntp, detail: '400 no' },
  {
    name: 'nntp: no such group',
    spec: { kind: 'nntp', group: 'x' },
    greeting: '200 a\r\n',
    script: [[/GROUP/, '411 no\r\n']],
    detail: '411 no',
  },
  { name: 'ftp: 421', spec: { kind: 'ftp' }, greeting: '421 full\r\n', script: ftp, detail: '421 full' },
  {
    name: 'ftp: no port',
    spec: { kind: 'ftp', login, path: 'a' },
    greeting: '220 a\r\n',
    script: [...ftp, [/TYPE/, '200 ok\r\n'], [/EPSV/, '229 (|||99999|)\r\n']],
    detail: 'no port',
  },
  {
    name: 'redis: loading',
    spec: { kind: 'redis' },
    greeting: '',
    script: [
      [/^PING$/, '-LOADING wait\r\n'],
      [/./, ''],
    ],
    detail: '-LOADING wait',
  },
  {
    name: 'redis: another role',
    spec: { kind: 'redis', role: 'replica' },
    greeting: '',
    script: [
      [/^PING$/, '+PONG\r\n'],
      [/^ROLE$/, '*3\r\n$6\r\nmaster\r\n'],
      [/./, ''],
    ],
    detail: 'its role is master, not replica',
  },
  {
    name: 'simpletcp: something else',
    spec: { kind: 'simpletcp', send: 'a\n', expect: 'yes' },
    greeting: '',
    script: [[/a/, 'no']],
    detail: 'no answer that matches in time',
  },
]

describe('a server that answers wrongly is not, and the detail says why: check', () => {
  test.each(wrong)('$name', async ({ spec, greeting, script, detail }) => {
    await using server = await speak(greeting, script)
    const result = await probe(spec, server.port, '127.0.0.1', spec.kind === 'simpletcp' ? 250 : 3000)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining(detail ?? '') as string })
    expect(result.detail).not.toContain(plainAuth)
    await expect.poll(() => server.open()).toBe(0)
  })
})

describe('TLS begins in the middle: check', () => {
  test.each<{ spec: ProbeSpec; greeting: string; begin: RegExp; yes: string; outside: Script; inside: Script }>([
    {
      spec: { kind: 'smtp', helo: 'probe.example', starttls: verify, login },
      greeting: '220 a\r\n',
      begin: /^STARTTLS$/,
      yes: '220 go\r\n',
      outside: smtp,
      inside: smtp,
    },
    {
      spec: { kind: 'pop3', starttls: verify, login },
      greeting: '+OK\r\n',
      begin: /^STLS$/,
      yes: '+OK go\r\n',
      outside: [],
      inside: pop,
    },
    {
      spec: { kind: 'imap', starttls: verify, login },
      greeting: '* OK\r\n',
      begin: /^a STARTTLS$/,
      yes: 'a OK go\r\n',
      outside: [],
      inside: imap,
    },
    {
      spec: { kind: 'nntp', starttls: verify, login },
      greeting: '200 a\r\n',
      begin: /^STARTTLS$/,
      yes: '382 go\r\n',
      outside: [],
      inside: nntp,
    },
    {
      spec: { kind: 'ftp', starttls: verify, login },
      greeting: '220 a\r\n',
      begin: /^AUTH TLS$/,
      yes: '234 go\r\n',
      outside: [],
      inside: ftp,
    },
  ])('$spec.kind', async ({ spec, greeting, begin, yes, outside, inside }) => {
    await using server = await upgrading(greeting, begin, yes, outside, inside)
    expect(await probe(spec, server.port, '127.0.0.1', 3000)).toMatchObject({ healthy: true })
    await expect.poll(() => server.open()).toBe(0)
    await using strict = await upgrading(greeting, begin, yes, outside, inside)
    const known = await probe({ ...spec, starttls: { verify: true } } as ProbeSpec, strict.port, '127.0.0.1', 3000)
    expect(known).toMatchObject({ healthy: false, detail: expect.stringContaining('SELF_SIGNED') as string })
  })

  test('a server that says more before TLS stands is not trusted', async () => {
    await using server = await speak('* OK\r\n', [[/STARTTLS/, 'a OK go\r\n* OK injected\r\n']])
    const result = await probe({ kind: 'imap', starttls: verify }, server.port, '127.0.0.1', 3000)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('before TLS') as string })
  })

  test('TLS from the first byte', async () => {
    const serve = (socket: Socket): void => {
      socket.on('error', () => {}).on('data', () => socket.write('+OK\r\n'))
      socket.write('+OK\r\n')
    }
    await using server = await listen(createTlsServer(makeCertificate(), serve))
    expect(await probe({ kind: 'pop3', tls: verify }, server.port, '127.0.0.1', 3000)).toMatchObject({ healthy: true })
    await expect.poll(() => server.open()).toBe(0)
  })
})

describe('check ftp retrieves a file', () => {
  const text = 'the file says well'
  /** `epsv`: whether the server knows EPSV. */
  async function ftpServer({
    epsv = true,
    say = text,
  }: {
    epsv?: boolean
    say?: string
  } = {}): Promise<Running & { data: Running }> {
    const data = await raw((socket) => void socket.end(say))
    const passive = `227 (10,9,8,7,${data.port >> 8},${data.port & 255})\r\n`
    const control = await speak('220 a\r\n', [
      ...ftp,
      [/^USER anonymous$/, '230 in\r\n'],
      [/^TYPE I$/, '200 ok\r\n'],
      [/^EPSV$/, epsv ? `229 here (|||${data.port}|)\r\n` : '500 what?\r\n'],
      [/^PASV$/, passive],
      [/^RETR \/a$/, '150 it comes\r\n226 done\r\n'],
      [/^RETR/, '550 no such file\r\n'],
    ])
    return { ...control, data }
  }
  test.each<{ name: string; epsv?: boolean; path: string; body?: string; healthy: boolean; detail: string }>([
    { name: 'that is there', path: '/a', healthy: true, detail: 'the file is there' },
    { name: 'by PASV, whatever address it names', path: '/a', epsv: false, healthy: true, detail: 'is there' },
    { name: 'that matches', path: '/a', body: 'says (well|fine)$', healthy: true, detail: 'matches' },
    { name: 'that does not match', path: '/a', body: '^well', healthy: false, detail: 'does not match' },
    { name: 'that is not there', path: '/b', healthy: false, detail: '550 no such file' },
  ])('$name', async ({ epsv, path, body, healthy, detail }) => {
    await using server = await ftpServer(epsv === undefined ? {} : { epsv })
    await using data = server.data
    const spec: ProbeSpec = { kind: 'ftp', path, ...(body === undefined ? {} : { body }) }
    const result = await probe(spec, server.port, '127.0.0.1', 3000)
    expect(result).toMatchObject({ healthy, detail: expect.stringContaining(detail) as string })
    await expect.poll(() => server.open() + data.open()).toBe(0)
  })

  test('over TLS where the server wants it, and in the clear where it does not', async () => {
    const certificate = makeCertificate()
    for (const isPrivate of [true, false]) {
      const serve = (socket: Socket): void => void socket.on('error', () => {}).end(text)
      await using data = isPrivate ? await listen(createTlsServer(certificate, serve)) : await raw(serve)
      const inside: Script = [
        [/^USER anonymous$/, '230 in\r\n'],
        [/^PBSZ 0$/, '200 ok\r\n'],
        [/^PROT P$/, isPrivate ? '200 ok\r\n' : '534 no\r\n'],
        [/^TYPE I$/, '200 ok\r\n'],
        [/^EPSV$/, `229 here (|||${data.port}|)\r\n`],
        [/^RETR a$/, '150 it comes\r\n226 done\r\n'],
        [/^QUIT$/, '221 bye\r\n'],
      ]
      await using server = await upgrading('220 a\r\n', /^AUTH TLS$/, '234 go\r\n', [], inside)
      const spec: ProbeSpec = { kind: 'ftp', path: 'a', body: 'well$', starttls: verify }
      expect(await probe(spec, server.port, '127.0.0.1', 3000)).toMatchObject({ healthy: true })
      await expect.poll(() => server.open() + data.open()).toBe(0)
    }
  })

  test('a large file is not read to its end', async () => {
    await using server = await ftpServer({ say: `well${'x'.repeat(1_000_000)}` })
    await using data = server.data
    const spec: ProbeSpec = { kind: 'ftp', path: '/a', body: '^well' }
    expect(await probe(spec, server.port, '127.0.0.1', 3000)).toMatchObject({ healthy: true })
    await expect.poll(() => server.open() + data.open()).toBe(0)
  })
})

standsMisbehaviour({ kind: 'smtp' }, { slowly: '220 a\r\n' })
standsMisbehaviour({ kind: 'submission', starttls: verify }, { slowly: '220 a\r\n' })
standsMisbehaviour({ kind: 'pop3' }, { slowly: '+OK\r\n' })
standsMisbehaviour({ kind: 'imap', tls: verify }, { slowly: '* OK\r\n' })
standsMisbehaviour({ kind: 'imap' }, { slowly: '* OK\r\n' })
standsMisbehaviour({ kind: 'nntp' }, { slowly: '200 a\r\n' })
standsMisbehaviour({ kind: 'ftp', path: 'a' }, { slowly: '220 a\r\n' })
standsMisbehaviour({ kind: 'redis' }, { slowly: '+PONG\r\n' })
standsMisbehaviour({ kind: 'simpletcp', send: 'a', expect: 'never' }, { slowly: 'never' })

test('a pattern that is slow again and again ends the check, not the director', async () => {
  await using server = await raw((socket) => {
    const drip = setInterval(() => socket.write('a'.repeat(40)), 1)
    socket.on('close', () => clearInterval(drip))
  })
  const begun = performance.now()
  const said = await probe({ kind: 'simpletcp', expect: '(a|b|ab)*c' }, server.port, '127.0.0.1', 10_000)
  expect(said).toMatchObject({ healthy: false, detail: expect.stringContaining('too long') as string })
  expect(performance.now() - begun).toBeLessThan(8000)
})
