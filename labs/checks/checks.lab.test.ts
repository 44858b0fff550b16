/** Each kind of check against the real server of Debian's packages; all servers are started once, privately. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProbeSpec } from '../../src/health/check.ts'
import { openDescriptors, probe } from '../../test/build/servers.ts'
import { base, directoryLogin, login, mariadb, postgres, redis, slapd } from './databases.ts'
import { dovecot, inn, mailLogin, postfix } from './mail.ts'
import { freeradius, radiusLogin, radiusSecret, sipp, vsftpd } from './more-servers.ts'
import type { Started } from './process.ts'

type Ports = Readonly<Record<string, number>>
const servers = new Map<string, Started<Ports>>()
const answerMs = 5000
const silentMs = 400

const starters: Readonly<Record<string, () => Promise<Started<Ports>>>> = {
  dovecot,
  postfix: async () => postfix((await dovecotStarted).ports.logins),
  inn,
  vsftpd,
  slapd,
  redis,
  mariadb,
  postgres,
  freeradius,
  sipp,
}

const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: mail servers start as root only')
let dovecotStarted: ReturnType<typeof dovecot>

beforeAll(async () => {
  if (!isRoot) return
  dovecotStarted = dovecot()
  const started = await Promise.allSettled(
    Object.entries({ ...starters, dovecot: () => dovecotStarted }).map(async ([name, start]) => {
      servers.set(name, await start())
    }),
  )
  const failed = started.filter((result) => result.status === 'rejected')
  if (failed.length > 0) throw new AggregateError(failed.map(({ reason }) => reason as unknown))
})

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server[Symbol.asyncDispose]()))
})

/** Where a server serves. @throws Error for a port that it does not have. */
function portOf(server: string, name: string): number {
  const port = servers.get(server)?.ports[name]
  if (port === undefined) throw new Error(`${server} has no port ${name}`)
  return port
}

const tls = { verify: false }
const wrong = { user: 'ann', password: 'wrong' }
const radius = { kind: 'radius', login: radiusLogin, secret: radiusSecret, accept: ['accept'] } as const
const pgsql = { kind: 'pgsql', login, database: 'postgres' } as const
const mysql = { kind: 'mysql', login, database: 'shop' } as const
const sip = { kind: 'sip', user: 'probe@shop.example', status: [200] } as const

/** A well server is up so, and `detail` is what the check says of it; it is down when asked for something else. */
type Case = { server: string; port?: string; spec: ProbeSpec; up: boolean; detail: string }

const cases: readonly Case[] = [
  { server: 'postfix', spec: { kind: 'smtp' }, up: true, detail: 'EHLO' },
  { server: 'postfix', spec: { kind: 'smtp', starttls: tls }, up: true, detail: 'EHLO' },
  { server: 'postfix', spec: { kind: 'submission', starttls: tls, login: mailLogin }, up: true, detail: 'accepted' },
  {
    server: 'postfix',
    spec: { kind: 'submission', login: wrong },
    up: false,
    detail: 'AUTH PLAIN is answered with 535',
  },
  { server: 'postfix', spec: { kind: 'smtp', starttls: { verify: true } }, up: false, detail: 'SELF_SIGNED' },
  { server: 'postfix', port: 'tlsPort', spec: { kind: 'smtp', tls }, up: true, detail: 'EHLO' },
  { server: 'dovecot', port: 'pop3', spec: { kind: 'pop3' }, up: true, detail: 'greets' },
  {
    server: 'dovecot',
    port: 'pop3',
    spec: { kind: 'pop3', starttls: tls, login: mailLogin },
    up: true,
    detail: 'login',
  },
  { server: 'dovecot', port: 'pop3s', spec: { kind: 'pop3', tls, login: mailLogin }, up: true, detail: 'login' },
  { server: 'dovecot', port: 'pop3s', spec: { kind: 'pop3', tls, login: wrong }, up: false, detail: 'PASS' },
  { server: 'dovecot', port: 'imap', spec: { kind: 'imap' }, up: true, detail: 'greets' },
  {
    server: 'dovecot',
    port: 'imap',
    spec: { kind: 'imap', starttls: tls, login: mailLogin },
    up: true,
    detail: 'login',
  },
  {
    server: 'dovecot',
    port: 'imaps',
    spec: { kind: 'imap', tls, login: mailLogin, mailbox: 'INBOX' },
    up: true,
    detail: 'mailbox',
  },
  {
    server: 'dovecot',
    port: 'imap',
    spec: { kind: 'imap', login: mailLogin, mailbox: 'none' },
    up: false,
    detail: 'EXAMINE is answered',
  },
  { server: 'dovecot', port: 'imap', spec: { kind: 'imap', login: wrong }, up: false, detail: 'LOGIN is answered' },
  { server: 'inn', spec: { kind: 'nntp' }, up: true, detail: 'greets' },
  { server: 'inn', spec: { kind: 'nntp', starttls: tls, group: 'shop.news' }, up: true, detail: 'group' },
  { server: 'inn', spec: { kind: 'nntp', group: 'no.such' }, up: false, detail: '411' },
  { server: 'vsftpd', spec: { kind: 'ftp' }, up: true, detail: 'greets' },
  { server: 'vsftpd', spec: { kind: 'ftp', path: '/state', body: 'is (well|fine)' }, up: true, detail: 'matches' },
  { server: 'vsftpd', spec: { kind: 'ftp', path: 'state', starttls: tls }, up: true, detail: 'there' },
  { server: 'vsftpd', spec: { kind: 'ftp', path: 'state', body: '^ill' }, up: false, detail: 'not match: all is well' },
  { server: 'vsftpd', spec: { kind: 'ftp', path: 'none' }, up: false, detail: '550' },
  { server: 'vsftpd', spec: { kind: 'ftp', login: wrong }, up: false, detail: '530' },
  { server: 'vsftpd', port: 'tlsPort', spec: { kind: 'ftp', tls, path: 'state' }, up: true, detail: 'there' },
  { server: 'slapd', spec: { kind: 'ldap' }, up: true, detail: 'bind' },
  { server: 'slapd', spec: { kind: 'ldap', base, filter: '(&(o=Sh*)(!(o=x)))' }, up: true, detail: base },
  { server: 'slapd', spec: { kind: 'ldap', base, filter: '(o=none)' }, up: false, detail: '0 entries' },
  { server: 'slapd', spec: { kind: 'ldap', base: 'dc=none' }, up: false, detail: 'result 32' },
  { server: 'slapd', spec: { kind: 'ldap', login: directoryLogin, starttls: tls }, up: true, detail: 'bind' },
  {
    server: 'slapd',
    spec: { kind: 'ldap', login: { ...directoryLogin, password: 'x' } },
    up: false,
    detail: 'result 49',
  },
  { server: 'slapd', port: 'tlsPort', spec: { kind: 'ldap', tls, base, pattern: '^dc=shop' }, up: true, detail: base },
  { server: 'mariadb', spec: { kind: 'mysql' }, up: true, detail: 'answers logins' },
  { server: 'mariadb', spec: { ...mysql, query: 'SELECT 1' }, up: true, detail: 'rows' },
  { server: 'mariadb', spec: { ...mysql, tls, query: 'SELECT 1' }, up: true, detail: 'rows' },
  { server: 'mariadb', spec: { ...mysql, query: 'SELECT * FROM empty' }, up: false, detail: 'no rows' },
  { server: 'mariadb', spec: { ...mysql, query: 'SELECT * FROM none' }, up: false, detail: '(1146)' },
  { server: 'mariadb', spec: { ...mysql, query: "SELECT REPEAT('x', 1000000)" }, up: true, detail: 'rows' },
  { server: 'mariadb', spec: { ...mysql, login: wrong }, up: false, detail: '(1045)' },
  { server: 'mariadb', spec: { ...mysql, database: 'none' }, up: false, detail: '(1044)' },
  { server: 'postgres', spec: { kind: 'pgsql' }, up: true, detail: 'answers logins' },
  { server: 'postgres', spec: { ...pgsql, query: 'SELECT 1' }, up: true, detail: 'rows' },
  { server: 'postgres', spec: { ...pgsql, tls, query: "SELECT repeat('x', 1000000)" }, up: true, detail: 'rows' },
  { server: 'postgres', spec: { ...pgsql, query: 'SELECT 1 WHERE false' }, up: false, detail: 'no rows' },
  { server: 'postgres', spec: { ...pgsql, query: 'SELECT * FROM none' }, up: false, detail: '(42P01)' },
  { server: 'postgres', spec: { ...pgsql, login: wrong }, up: false, detail: '(28P01)' },
  { server: 'postgres', spec: { ...pgsql, database: 'none' }, up: false, detail: '(3D000)' },
  { server: 'redis', spec: { kind: 'redis', role: 'master' }, up: true, detail: 'master' },
  { server: 'redis', spec: { kind: 'redis', role: 'replica' }, up: false, detail: 'not replica' },
  {
    server: 'redis',
    port: 'tlsPort',
    spec: { kind: 'redis', tls, login: { user: 'ann', password: 'pencil' } },
    up: true,
    detail: 'PING',
  },
  { server: 'redis', spec: { kind: 'redis', login: wrong }, up: false, detail: 'WRONGPASS' },
  { server: 'redis', spec: { kind: 'simpletcp', send: 'PING\r\n', expect: '^\\+PONG' }, up: true, detail: 'PONG' },
  { server: 'freeradius', spec: radius, up: true, detail: 'accept' },
  { server: 'freeradius', spec: { ...radius, login: wrong }, up: false, detail: 'reject' },
  { server: 'freeradius', spec: { ...radius, login: wrong, accept: ['reject'] }, up: true, detail: 'reject' },
  { server: 'sipp', spec: { ...sip, transport: 'udp' }, up: true, detail: '200 OK' },
  { server: 'sipp', port: 'tcpPort', spec: { ...sip, transport: 'tcp' }, up: true, detail: '200 OK' },
  { server: 'sipp', spec: { ...sip, transport: 'udp', status: [404] }, up: false, detail: '200 OK' },
]

const named = cases.map((given) => ({ ...given, text: JSON.stringify(given.spec) }))

describe.skipIf(!isRoot)('a real server', () => {
  test.each(named)('$server: $text is up: $up', async ({ server, port = 'port', spec, up, detail }) => {
    const result = await probe(spec, portOf(server, port), '127.0.0.1', answerMs)
    expect(result).toMatchObject({ healthy: up, detail: expect.stringContaining(detail) as string })
  })
})

// One of each kind and way of TLS.
const firsts = named.filter(
  ({ up, spec }, at) => up && !named.slice(0, at).some((other) => other.up && sameWay(other.spec, spec)),
)

function sameWay(one: ProbeSpec, other: ProbeSpec): boolean {
  const way = (spec: ProbeSpec): string => `${spec.kind} ${'tls' in spec} ${'transport' in spec ? spec.transport : ''}`
  return way(one) === way(other)
}

describe.skipIf(!isRoot)('a real server that hangs is down at the deadline, and up again when it goes on', () => {
  test.each(firsts)('$server: $text', async ({ server, port = 'port', spec }) => {
    const before = openDescriptors()
    servers.get(server)?.pause()
    const silent = await probe(spec, portOf(server, port), '127.0.0.1', silentMs)
    servers.get(server)?.resume()
    expect(silent).toMatchObject({ healthy: false, detail: expect.stringContaining('in time') as string })
    await expect.poll(openDescriptors).toBeLessThanOrEqual(before)
    expect(await probe(spec, portOf(server, port), '127.0.0.1', answerMs)).toMatchObject({ healthy: true })
  })
})

describe.skipIf(!isRoot)('a real server that has ended is down', () => {
  beforeAll(async () => {
    await Promise.all([...servers.values()].map((server) => server[Symbol.asyncDispose]()))
  })
  test.each(firsts)('$server: $text', async ({ server, port = 'port', spec }) => {
    const result = await probe(spec, portOf(server, port), '127.0.0.1', answerMs)
    expect(result).toMatchObject({ healthy: false, detail: expect.stringContaining('ECONNREFUSED') as string })
  })
})
