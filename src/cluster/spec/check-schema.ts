/** The shape of a check in the file: every key with its meaning, and every default. */
import * as z from 'zod'
import { dnsQuestionTypes, type ExternalCheckSpec } from '../../health/check.ts'
import { anyText, pattern, sni, status, tls, verify } from './check-leaves.ts'
import { protocolKeys } from './check-protocols-schema.ts'
import { address, choice, duration, flag, integer, leaf, path, port, type Refusal, show, text } from './leaf.ts'
import { map } from './map.ts'

const checkTime = { minimumMs: 10, maximumMs: 24 * 3_600_000 }

const hexExpected = 'hexadecimal digits such as 0a1b'
const hex = () => text(hexExpected, /^([0-9A-Fa-f]{2})*$/)

const udp = map({
  send: anyText('text').optional().describe('What is sent; an empty datagram when left out.'),
  'send-hex': hex().optional().describe('What is sent, as hexadecimal digits.'),
  expect: pattern().optional().describe('A regular expression that the answer must match.'),
  'expect-hex': text('hexadecimal digits such as 0a1b, x for any digit', /^([0-9A-Fa-fx]{2})+$/)
    .optional()
    .describe("The answer's beginning, as hexadecimal digits; x is any digit."),
  'minimum-bytes': integer(0, 65_535).optional().describe('The least length of the answer.'),
  'maximum-bytes': integer(0, 65_535).optional().describe('The greatest length of the answer.'),
})

const ping = map({
  bytes: integer(0, 65_507).optional().describe('How many bytes are echoed; 56 when left out.'),
  attempts: integer(1, 100)
    .optional()
    .describe('So many echoes, each within its share of the timeout, of which one must come back; 1 when left out.'),
})

const dnsName = text('a name such as www.shop', /^(\.|[^\s\0]{1,253})$/)

const dns = map({
  name: dnsName.describe('The name that is asked for.'),
  type: choice('type of records', dnsQuestionTypes).prefault('A').describe('What is asked for.'),
  transport: choice('transport', ['udp', 'tcp']).prefault('udp').describe('How it is asked: udp or tcp.'),
  expect: z
    .array(anyText('a record such as 192.0.2.1'))
    .optional()
    .describe('What must be in the answer, each as dig prints it; left out, no error is enough.'),
  pattern: pattern().optional().describe('A regular expression that one record must match.'),
})

const certificate = map({
  days: integer(0, 36_500).prefault(0).describe('How many more days the certificate must last.'),
  verify: verify(),
  sni: sni('none when left out'),
})

const grpc = map({
  service: anyText('the name of a gRPC service')
    .optional()
    .describe('The service asked for; the whole server when left out.'),
  authority: text('a host name', /^[\x21-\x7e]{1,255}$/)
    .optional()
    .describe("The host name asked for; the server's address when left out."),
  tls: tls('authority when left out').prefault(false).describe('Speak TLS: true, or a map of options (verify, sni).'),
})

const commandExpected = 'a shell line, or a list of a program and its arguments'

export const command = () =>
  leaf(
    commandExpected,
    {
      anyOf: [
        { type: 'string', minLength: 1 },
        { type: 'array', items: { type: 'string' }, minItems: 1 },
      ],
    },
    (value): ExternalCheckSpec['command'] | Refusal | undefined => {
      if (typeof value === 'string') return value.trim() === '' ? undefined : { shell: value }
      if (!Array.isArray(value) || value.length === 0) return undefined
      const entry = value.findIndex((word) => typeof word !== 'string')
      if (entry >= 0) return { refused: `expected text, found ${show(value[entry])}`, hint: 'put it in quotes', entry }
      return { argv: value as string[] }
    },
  )

const external = map({
  command: command().describe(`What is run: ${commandExpected}. Exit code 0 is healthy.`),
  positional: flag()
    .prefault(false)
    .describe("Whether it gets ldirectord's four arguments: the service's address and port, the server's."),
  environment: z
    .record(z.string(), anyText('text'))
    .optional()
    .describe(
      'Variables for it, beside BATON_SERVICE_ADDRESS, BATON_SERVICE_PORT, BATON_SERVER_ADDRESS, BATON_SERVER_PORT.',
    ),
  'exit-is-weight': flag()
    .prefault(false)
    .describe('Whether exit codes from 2 to 255 are healthy, and a weight of 0 to 253.'),
})

const file = map({
  path: path('the path of a file').describe('A file that holds a whole number; 0 where there is none.'),
  weight: integer(-2_147_483_647, 2_147_483_647)
    .prefault(0)
    .describe("So many times the number is added to the server's weight; with 0 any other number than 0 is a failure."),
})

const from = map({
  address: address('an IP address').optional().describe('Its own address.'),
  port: port().optional().describe('Its own port.'),
  interface: text('the name of an interface', /^[^\s/]{1,15}$/)
    .optional()
    .describe('It goes out there, whatever the routes say.'),
  mark: integer(0, 4_294_967_295)
    .optional()
    .describe('The mark of its packets, for rules of the firewall and of routing.'),
})

const bodyPattern = map({
  matches: pattern().describe('A regular expression.'),
  flags: text('flags of a regular expression: i, m, s, u', /^(?!.*(.).*\1)[imsu]+$/)
    .optional()
    .describe('i: whatever the case; m: ^ and $ at every line; s: . is any character; u: Unicode.'),
  absent: flag().prefault(false).describe('Whether it must not match.'),
  from: integer(0, 65_536).optional().describe('Where in the body the match begins at the earliest.'),
  until: integer(0, 65_536).optional().describe('And at the latest.'),
})

const agent = map({ send: anyText('text').optional().describe('What the agent is told first.') })

const headersExpected = 'a map of header names and their values'

export const headers = leaf(
  headersExpected,
  { type: 'object', additionalProperties: { type: 'string' } },
  (value): Record<string, string> | Refusal | undefined => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    for (const [name, said] of Object.entries(value)) {
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return { refused: `${show(name)} is no name of a header` }
      if (typeof said !== 'string' || !/^[\t\x20-\x7e]*$/.test(said))
        return { refused: `expected text for ${name}, found ${show(said)}`, hint: 'put it in quotes' }
    }
    return value as Record<string, string>
  },
)

const httpKeys = {
  http: text('a path such as /healthz', /^\/[\x21-\x7e]*$/)
    .optional()
    .describe('Healthy when a request for this path is answered as expected.'),
  'http-proxy': text('a URL such as http://www.shop/', /^https?:\/\/[A-Za-z0-9.[\]:-]+(\/[\x21-\x7e]*)?$/)
    .optional()
    .describe('Healthy when the server, a proxy, answers for this URL as expected.'),
  method: choice('method', ['GET', 'HEAD', 'POST']).prefault('GET').describe('How it is asked for, with http.'),
  headers: headers.optional().describe('Headers of the request, with http: their names and values.'),
  send: anyText('text').optional().describe('The body of the request, with http and POST.'),
  status: status('The accepted status codes, with http.'),
  body: z
    .union([pattern(), bodyPattern])
    .optional()
    .describe('A regular expression that the body must match, with http; or a map that says how.'),
  md5: text('32 hexadecimal digits', /^[0-9A-Fa-f]{32}$/)
    .optional()
    .describe('The MD5 of the whole body, with http.'),
  host: text('a host name', /^[\x21-\x7e]{1,255}$/)
    .optional()
    .describe("The Host header, with http; the server's address when left out."),
  redirects: integer(0, 20)
    .prefault(0)
    .describe('How many redirects are followed, with http; all are asked of the same server.'),
  tls: tls('the check’s host when left out')
    .prefault(false)
    .describe('Speak TLS, with http: true, or a map of options.'),
}

const flapping = map({
  changes: integer(2, 1000).prefault(4).describe('So many changes of its health within that time are too many.'),
  within: duration('a duration such as 1m', checkTime)
    .prefault('1m')
    .describe('The time within which its changes are counted.'),
  hold: duration('a duration such as 1m', checkTime)
    .prefault('1m')
    .describe('How long it must be well in a row before it is healthy again.'),
})

const inProcess = leaf('nothing', { not: {} }, () => ({
  refused: 'script checks are not run: foreign code inside of the director could hold up or end everything',
  hint: 'write external: and a command',
  isWhole: true,
}))

export const check = map({
  tcp: flag().optional().describe('Healthy when a TCP connection opens.'),
  udp: z
    .union([flag(), udp])
    .optional()
    .describe('Healthy when a datagram is not refused and, when asked for, answered as expected: true, or a map.'),
  ping: z.union([flag(), ping]).optional().describe('Healthy when an ICMP echo is answered: true, or a map.'),
  ...httpKeys,
  dns: dns.optional().describe('Healthy when a DNS question is answered without an error and as expected.'),
  certificate: z
    .union([flag(), certificate])
    .optional()
    .describe('Healthy when TLS can be spoken and the certificate lasts: true, or a map.'),
  grpc: z.union([flag(), grpc]).optional().describe('Healthy when gRPC’s health service says SERVING: true, or a map.'),
  external: external.optional().describe('Healthy when a command on the director’s machine says so.'),
  file: file.optional().describe('Healthy, and of a weight, as a number in a file says.'),
  agent: z
    .union([flag(), agent])
    .optional()
    .describe('What an agent in HAProxy’s words says, usually at a port of its own: true, or a map.'),
  ...protocolKeys,
  script: inProcess.optional().describe('Refused: code is not run inside of the director.'),
  address: address('an IP address').optional().describe("Where to probe, when not at the server's own address."),
  port: port().optional().describe("Where to probe, when not at the server's own port."),
  from: from.optional().describe('Where its packets go out: address, port, interface, mark.'),
  every: duration('a duration such as 2s', checkTime).prefault('2s').describe('Time between two probes.'),
  'every-in-doubt': duration('a duration such as 1s', checkTime)
    .optional()
    .describe('The same while failures are counted; as ever when left out.'),
  timeout: duration('a duration such as 1s', checkTime).prefault('1s').describe('How long one probe may take.'),
  rise: integer(1, 1000).prefault(2).describe('Successes in a row until a server is healthy.'),
  fall: integer(1, 1000).prefault(3).describe('Failures in a row until it is not.'),
  connects: integer(1, 1000)
    .optional()
    .describe(
      'After a probe that succeeded, so many checks only open a TCP connection; one that fails is followed by a probe.',
    ),
  'connect-timeout': duration('a duration such as 1s', checkTime)
    .optional()
    .describe("How long such a connection may take to open, with connects; the check's timeout when left out."),
  'warm-up': duration('a duration such as 10s', checkTime)
    .optional()
    .describe('The first probe of a new server comes at a random moment within this time; at once when left out.'),
  presumed: flag().prefault(false).describe('Whether a new server counts as healthy until its first probe has failed.'),
  flapping: flapping
    .optional()
    .describe('A server that changes its health too often stays out until it was well for a while.'),
}).meta({ id: 'check' })

/** One or several; `words`: what may be written instead of a map. */
const checks = <const T extends string>(words: readonly T[]) =>
  z.union([choice('check', words), check, z.array(z.union([choice('check', ['tcp']), check]))])

export const serviceChecks = checks(['tcp'])
export const serverChecks = checks(['tcp', 'none'])

const probeTimes = [
  'address',
  'port',
  'every',
  'every-in-doubt',
  'timeout',
  'rise',
  'fall',
  'warm-up',
  'presumed',
  'flapping',
]
const sending = [...probeTimes, 'from']
const counting = [...probeTimes, 'connects', 'connect-timeout']
const connecting = [...counting, 'from']
const requestKeys = ['method', 'headers', 'send', 'status', 'body', 'md5', 'redirects', 'tls']

/** What says which kind of check it is, and the other keys that go with each. */
export const checkKinds: Readonly<Record<string, readonly string[]>> = {
  tcp: sending,
  http: ['host', ...requestKeys, ...connecting],
  udp: sending,
  ping: sending,
  'http-proxy': [...requestKeys, ...counting],
  dns: connecting,
  certificate: connecting,
  grpc: counting,
  external: counting,
  file: probeTimes,
  agent: connecting,
  ...Object.fromEntries(Object.keys(protocolKeys).map((kind) => [kind, kind === 'radius' ? sending : connecting])),
}
