/** The shape of a service in the file: every key with its meaning, and every default. */
import * as z from 'zod'
import { schedulerNames } from '../../lvs/service.ts'
import { defaultSysctls, type SysctlName, sysctlNames } from '../../lvs/settings.ts'
import { parseDnsName } from '../../wire/dns-name.ts'
import { serverChecks, serviceChecks } from './check-schema.ts'
import { choice, duration, endpoint, flag, integer, leaf, path, port, reference, text } from './leaf.ts'
import { map } from './map.ts'

const hour = 3_600_000

const tunnel = map({
  type: choice('tunnel type', ['ipip', 'gre', 'gue'])
    .prefault('ipip')
    .describe('How packets are wrapped: IP in IP, GRE, or UDP (gue).'),
  port: port().optional().describe('The UDP port on the servers, with gue.'),
  checksum: choice('tunnel checksum', ['nocsum', 'csum', 'remcsum'])
    .prefault('nocsum')
    .describe('Whether the wrapping has a checksum, with gre and gue; remcsum with gue only.'),
})

const forwardings = ['masq', 'tunnel', 'direct', 'local'] as const

const onFailure = () => choice('on-failure', ['drain', 'remove'])

const server = map({
  guests: reference('the name of a guest pool').optional().describe('All guests of this pool, each a real server.'),
  port: port().optional().describe('The port on the guests.'),
  address: endpoint('an address and port such as 192.168.1.9:80', 'bare')
    .optional()
    .describe('A real server that is no guest: its address and port; without a port where the service has none.'),
  weight: integer(0, 65_535).prefault(1).describe('Its share of the connections; 0 takes no new ones.'),
  'upper-threshold': integer(0, 2_147_483_647)
    .prefault(0)
    .describe('With so many connections it gets no new ones; 0 is no limit.'),
  'lower-threshold': integer(0, 2_147_483_647)
    .prefault(0)
    .describe('Below so many it gets new ones again; 0 is three quarters of upper-threshold.'),
  forwarding: choice('forwarding', forwardings)
    .optional()
    .describe("How connections reach it; the service's when left out."),
  tunnel: tunnel.optional().describe('How packets are wrapped, with forwarding: tunnel; ipip when left out.'),
  check: serverChecks
    .optional()
    .describe("In place of the service's check, for this server: tcp, none, a map, or a list."),
  'on-failure': onFailure().optional().describe("What becomes of it when it fails; the service's when left out."),
})

const hostPattern = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/

const ruleHost = text('a host name such as shop.example or "*.shop.example"', hostPattern, (value) =>
  value.includes(':') ? 'without a port' : undefined,
)
  .optional()
  .describe('The host that the client asks for, or "*.NAME" for every host below NAME.')

const to = reference('the name of a service without an address').describe('The service whose servers take it.')

const namePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** A name, which only must be there, or a name and a value. */
const said = (what: string) =>
  z.union([
    text(`the name of a ${what}`, namePattern),
    map({
      name: text(`the name of a ${what}`, namePattern).describe(`The name of the ${what}.`),
      value: text('a value', /^[\t\x20-\x7e]*$/)
        .optional()
        .describe('Its whole value; left out, it only must be there.'),
    }),
  ])

const httpRule = map({
  host: ruleHost,
  path: text('a path such as /api/', /^\/[\x21-\x7e]*$/)
    .optional()
    .describe('The path of the request, with all below it.'),
  exact: flag().prefault(false).describe('The path itself, and nothing below it.'),
  header: said('header').optional().describe('A header that must be there: its name, or a name and a value.'),
  cookie: said('cookie').optional().describe('A cookie that must be there: its name, or a name and a value.'),
  to,
})

const hostRule = map({ host: ruleHost, to })

const certificate = map({
  certificate: path('the path of a PEM file').describe(
    'A PEM file: the certificate, then those that lead to its root.',
  ),
  key: path('the path of a PEM file').describe('A PEM file: its private key.'),
})

const certificates = z
  .array(certificate)
  .describe('For TLS that ends at the director: each serves the names that it bears, the first all others.')

const http = map({
  rules: z
    .array(httpRule)
    .prefault([])
    .describe("The first rule that matches a request says who takes it; when none does, the service's own servers."),
  certificates: certificates.optional(),
  forwarded: z
    .array(choice('header', ['x-forwarded', 'forwarded', 'via']))
    .optional()
    .describe('What servers are told of the way a request came; x-forwarded and via when left out.'),
})

const sni = map({
  rules: z.array(hostRule).prefault([]).describe('The first rule whose host the client asks for says who takes it.'),
})

const tlsEnd = map({
  certificates,
  rules: z.array(hostRule).prefault([]).describe('The first rule whose host the client asks for says who takes it.'),
})

const dns = map({
  name: leaf('a name such as www.shop', { type: 'string' }, (value) =>
    typeof value === 'string' ? parseDnsName(value) : undefined,
  ).describe('The name that is asked for.'),
  ttl: duration('a duration such as 5s', { minimumMs: 0, maximumMs: 7 * 24 * hour, isWholeSeconds: true })
    .prefault('5s')
    .describe('How long an answer may be kept.'),
})

const persistenceTime = duration('a duration such as 300s', {
  minimumMs: 1000,
  maximumMs: 31 * 24 * hour,
  isWholeSeconds: true,
})

const fallbackAddress = () => endpoint('an address and port such as 127.0.0.1:8081', 'bare')

const fallback = map({
  address: fallbackAddress().describe("ADDRESS:PORT; a mark's fallback may have no port."),
  forwarding: choice('forwarding', forwardings)
    .prefault('masq')
    .describe('How connections reach it: masq (NAT), tunnel (IPIP), direct or local.'),
  idle: choice('idle', ['drain', 'remove'])
    .prefault('remove')
    .describe('What becomes of it while it is not needed: drain (it stands with weight 0) or remove.'),
})

const weightOfAll = () => integer(1, 2_147_483_647)

const quorum = map({
  weight: weightOfAll().prefault(1).describe('The weight of usable servers that is enough.'),
  hysteresis: integer(0, 2_147_483_646)
    .prefault(0)
    .describe('So much more is needed to be enough again, so much less to be too little.'),
})

const maskExpected = 'a mask such as 255.255.255.0, or a prefix length'

const persistence = map({
  timeout: persistenceTime.prefault('300s').describe('How long a client comes back to the same server.'),
  mask: leaf(maskExpected, { anyOf: [{ type: 'string' }, { type: 'integer', minimum: 1, maximum: 128 }] }, (value) => {
    if (typeof value === 'number') return Number.isInteger(value) && value >= 1 && value <= 128 ? value : undefined
    return typeof value === 'string' && /^[0-9]+(\.[0-9]+){3}$/.test(value) ? value : undefined
  })
    .optional()
    .describe('Clients of one network count as one: a mask (IPv4) or a prefix length; each by itself when left out.'),
  engine: choice('persistence engine', ['sip'])
    .optional()
    .describe('sip: the calls of SIP over UDP are told apart, not the clients.'),
})

/** As ipvsadm -b names them. */
export const schedulerFlagNames = [
  'sh-fallback', 'sh-port', 'mh-fallback', 'mh-port', 'flag-1', 'flag-2', 'flag-3',
] as const // biome-ignore format: a list to read at a glance

export const service = map({
  address: endpoint('an address and port such as 192.168.1.10:80', 'any-port')
    .optional()
    .describe(
      'Where clients connect: ADDRESS:PORT, or "[IPv6]:PORT"; 0.0.0.0 and [::] are all addresses of the director, port 0 is all ports. Without address and mark a service is reached through the rules of others only.',
    ),
  protocol: choice('protocol', ['tcp', 'udp', 'sctp']).prefault('tcp').describe('tcp, udp or sctp.'),
  mark: integer(1, 4_294_967_295)
    .optional()
    .describe('Instead of an address: packets that the firewall has marked with this number.'),
  family: choice('family', ['ipv4', 'ipv6']).prefault('ipv4').describe('Which packets, with mark.'),
  dns: dns
    .optional()
    .describe('A DNS-based service: address (UDP and TCP) answers questions for a name with its servers.'),
  http: http.optional().describe('Read HTTP/1.1 requests, and choose a server for each of them.'),
  sni: sni.optional().describe('Read which host TLS clients ask for, and pass everything on as it is.'),
  tls: tlsEnd.optional().describe('End TLS here, and pass on what is inside.'),
  scheduler: choice('scheduler', schedulerNames)
    .prefault('wlc')
    .describe('How a server is picked for a connection, as ipvsadm names it.'),
  'scheduler-flags': z
    .array(choice('scheduler flag', schedulerFlagNames))
    .prefault([])
    .describe('As ipvsadm -b names them: sh-fallback sh-port, mh-fallback mh-port; flag-1 flag-2 flag-3 for others.'),
  forwarding: choice('forwarding', forwardings)
    .prefault('masq')
    .describe('How connections reach the servers: masq (NAT), tunnel (IPIP), direct or local.'),
  persistence: z
    .union([persistenceTime, persistence])
    .optional()
    .describe('A client comes back to the same server for this long: a duration, or a map.'),
  'one-packet': flag().prefault(false).describe('Choose a server for each datagram by itself, with udp or a mark.'),
  servers: z.array(server).describe('The real servers: guest pools and plain addresses.'),
  check: serviceChecks
    .optional()
    .describe(
      'How to tell whether a server is healthy: tcp, a map, or a list of them, which all must pass; never checked when left out.',
    ),
  'on-failure': onFailure()
    .prefault('drain')
    .describe('What becomes of a server that fails: drain (its connections may finish) or remove.'),
  fallback: z
    .union([fallbackAddress(), fallback])
    .optional()
    .describe('Takes the connections when no server is healthy: an address and port, or a map.'),
  quorum: z
    .union([weightOfAll(), quorum])
    .optional()
    .describe(
      'With less weight of usable servers than this the fallback takes all connections: a number, or a map (weight, hysteresis).',
    ),
  'fallback-command': text('a shell line', /^[^\0]*[^\0\s][^\0]*$/)
    .optional()
    .describe(
      'Run with start when no server is usable any more, with stop when one is again, then ADDRESS:PORT and the protocol.',
    ),
  'panic-threshold': integer(1, 100)
    .optional()
    .describe(
      'With less than this percentage of usable servers all get connections, also those that fail; it goes before fallback.',
    ),
  'slow-start': duration('a duration such as 30s', { minimumMs: 100, maximumMs: 24 * hour })
    .optional()
    .describe('A server that comes back gets its weight little by little over this time.'),
  'idle-timeout': duration('a duration such as 10m', {
    minimumMs: 1000,
    maximumMs: 7 * 24 * hour,
    isWholeSeconds: true,
  })
    .optional()
    .describe('Close a connection after this long without a byte.'),
  'proxy-protocol': choice('PROXY protocol version', ['v1', 'v2'])
    .optional()
    .describe('Tell the servers who the client is.'),
})

const seconds = (what: string) =>
  duration('a duration such as 15m', { minimumMs: 1000, maximumMs: 31 * 24 * hour, isWholeSeconds: true })
    .optional()
    .describe(what)

export const timeouts = map({
  tcp: seconds('An idle TCP connection is forgotten after this long (15m).'),
  tcpfin: seconds('A TCP connection that is closing, after this long (2m).'),
  udp: seconds('A UDP client, after this long (5m).'),
})

export const sysctls = map(
  Object.fromEntries(
    sysctlNames.map((name) => [
      name,
      integer(0, 2_147_483_647)
        .optional()
        .describe(`As /proc/sys/net/ipv4/vs/${name}; the kernel's default is ${defaultSysctls[name]}.`),
    ]),
  ) as { [Name in SysctlName]: z.ZodOptional<ReturnType<typeof integer>> },
)
