/** The shape of checks that speak a protocol of mail, files, directories, databases or telephony. */
import * as z from 'zod'
import { encodeLdapFilter } from '../../health/checks/ldap-filter.ts'
import { anyText, pattern, status, tls } from './check-leaves.ts'
import { choice, flag, leaf, type Refusal, show, text } from './leaf.ts'
import { map } from './map.ts'

const filterExpected = 'a filter such as (objectClass=*)'

const filter = leaf(filterExpected, { type: 'string' }, (value): string | Refusal | undefined => {
  if (typeof value !== 'string') return undefined
  const result = encodeLdapFilter(value)
  if ('bytes' in result) return value
  const where = value.slice(result.at, result.at + 20)
  return {
    refused: `expected ${filterExpected}, found ${show(value)}`,
    hint: `expected ${result.expected} at ${show(where)}`,
  }
})

const login = map({
  user: anyText('the name of a user').describe('The name.'),
  password: anyText('a password').describe('The password.'),
})

const optionalLogin = (what: string) => login.exactOptional().describe(what)

const encrypted = () =>
  tls('none when left out').exactOptional().describe('Speak TLS: true, or a map of options (verify, sni).')

const securable = () => ({
  tls: encrypted(),
  starttls: tls('none when left out')
    .exactOptional()
    .describe("Begin TLS by the protocol's own command: true, or a map of options (verify, sni)."),
})

const smtp = z.union([
  flag(),
  map({
    helo: text('a host name', /^[\x21-\x7e]{1,255}$/)
      .exactOptional()
      .describe('Whom it says to be.'),
    login: optionalLogin('Who logs in; nobody when left out.'),
    ...securable(),
  }),
])

const sql = z.union([
  flag(),
  map({
    login: optionalLogin('Who logs in; left out, a refusal of a login is enough.'),
    database: anyText('the name of a database').exactOptional().describe('The database, with login.'),
    query: anyText('a query').exactOptional().describe('A query that must give a row at least, with login.'),
    tls: encrypted(),
  }),
])

export const protocolKeys = {
  smtp: smtp.optional().describe('Healthy when a mail server greets, and takes the login: true, or a map.'),
  submission: smtp.optional().describe('As smtp, for the submission of mail: true, or a map.'),
  pop3: z
    .union([flag(), map({ login: optionalLogin('Who logs in; nobody when left out.'), ...securable() })])
    .optional()
    .describe('Healthy when a POP3 server greets, and takes the login: true, or a map.'),
  imap: z
    .union([
      flag(),
      map({
        login: optionalLogin('Who logs in; nobody when left out.'),
        mailbox: anyText('a mailbox').exactOptional().describe('A mailbox that must be there, with login.'),
        ...securable(),
      }),
    ])
    .optional()
    .describe('Healthy when an IMAP server greets, and takes the login: true, or a map.'),
  nntp: z
    .union([
      flag(),
      map({
        login: optionalLogin('Who logs in; nobody when left out.'),
        group: anyText('a news group').exactOptional().describe('A news group that must be there.'),
        ...securable(),
      }),
    ])
    .optional()
    .describe('Healthy when a news server greets: true, or a map.'),
  ftp: z
    .union([
      flag(),
      map({
        login: optionalLogin('Who logs in; anonymous, where something is retrieved, when left out.'),
        path: anyText('the path of a file').exactOptional().describe('A file that is retrieved.'),
        body: pattern().exactOptional().describe('A regular expression that the file must match.'),
        ...securable(),
      }),
    ])
    .optional()
    .describe('Healthy when an FTP server greets, and gives a file: true, or a map.'),
  ldap: z
    .union([
      flag(),
      map({
        login: optionalLogin('Who binds, the DN as user; anonymous when left out.'),
        base: anyText('a DN').exactOptional().describe('An entry that must be there.'),
        filter: filter.exactOptional().describe('What the entry must match; (objectClass=*) when left out.'),
        pattern: pattern().exactOptional().describe("A regular expression that the entry's DN must match."),
        ...securable(),
      }),
    ])
    .optional()
    .describe('Healthy when a directory takes the bind, and has an entry: true, or a map.'),
  mysql: sql.optional().describe('Healthy when MySQL or MariaDB takes the login and answers a query: true, or a map.'),
  pgsql: sql.optional().describe('Healthy when PostgreSQL takes the login and answers a query: true, or a map.'),
  redis: z
    .union([
      flag(),
      map({
        login: optionalLogin('Who logs in; an empty user is the default one.'),
        role: choice('role', ['master', 'replica']).exactOptional().describe('What it must be: master or replica.'),
        tls: encrypted(),
      }),
    ])
    .optional()
    .describe('Healthy when Redis answers a PING: true, or a map.'),
  sip: map({
    transport: choice('transport', ['udp', 'tcp']).prefault('udp').describe('How it is asked: udp or tcp.'),
    user: text('a user such as check@shop.example', /^[^\s@<>]+@[^\s@<>]+$/).describe(
      'Who is asked for options, and who asks.',
    ),
    status: status('The accepted status codes.'),
  })
    .optional()
    .describe('Healthy when a question for options (OPTIONS) is answered.'),
  radius: map({
    login: login.describe('Whose access is asked for.'),
    secret: anyText('a secret').describe('The secret that is shared with the server.'),
    accept: z
      .array(choice('answer', ['accept', 'reject', 'challenge']))
      .min(1)
      .prefault(['accept'])
      .describe('The answers that are healthy: accept, reject, challenge.'),
  })
    .optional()
    .describe('Healthy when an Access-Request is answered.'),
  simpletcp: z
    .union([
      flag(),
      map({
        send: anyText('text').exactOptional().describe('What is sent.'),
        expect: pattern()
          .exactOptional()
          .describe('A regular expression that what comes must match; any byte when left out.'),
        'half-close': flag().prefault(false).describe('Whether our side is closed after sending.'),
        tls: encrypted(),
      }),
    ])
    .optional()
    .describe('Healthy when what comes over TCP matches: true, or a map.'),
} as const
