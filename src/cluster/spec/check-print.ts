/** From a check of the spec to what the file says of it: what the schema's defaults say is left out. */
import type {
  BodyMatch,
  CheckSpec,
  CheckTls,
  HttpCheckSpec,
  HttpProxyCheckSpec,
  ProbeSpec,
  StatusCodes,
} from '../../health/check.ts'
import { formatDuration } from './duration.ts'
import { defaultCheck } from './schema.ts'
import { unless, type Written } from './written.ts'

/** One by itself, several as a list. */
export function checksText(checks: readonly CheckSpec[]): unknown {
  const written = checks.map(checkText)
  return written.length === 1 ? written[0] : written
}

function checkText(check: CheckSpec): Written {
  const {
    probe,
    from,
    doubtEveryMs,
    address,
    port,
    everyMs,
    timeoutMs,
    rise,
    fall,
    connects,
    connectTimeoutMs,
    warmUpMs,
    presumed,
    damping,
  } = check
  return {
    ...probeText(probe),
    address,
    port,
    from,
    every: unless(formatDuration(defaultCheck.every), formatDuration(everyMs)),
    timeout: unless(formatDuration(defaultCheck.timeout), formatDuration(timeoutMs)),
    'every-in-doubt': doubtEveryMs === undefined ? undefined : formatDuration(doubtEveryMs),
    rise: unless(defaultCheck.rise, rise),
    fall: unless(defaultCheck.fall, fall),
    connects,
    'connect-timeout': connectTimeoutMs === undefined ? undefined : formatDuration(connectTimeoutMs),
    'warm-up': warmUpMs === undefined ? undefined : formatDuration(warmUpMs),
    presumed,
    flapping: damping && {
      changes: damping.changes,
      within: formatDuration(damping.withinMs),
      hold: formatDuration(damping.holdMs),
    },
  }
}

function probeText(probe: ProbeSpec): Written {
  switch (probe.kind) {
    case 'tcp':
      return { tcp: true }
    case 'udp': {
      const { sendHex, expect = {}, minimumBytes, maximumBytes } = probe
      const said =
        'hex' in expect ? { 'expect-hex': expect.hex } : 'pattern' in expect ? { expect: expect.pattern } : {}
      const lengths = { 'minimum-bytes': minimumBytes, 'maximum-bytes': maximumBytes }
      return { udp: options({ 'send-hex': sendHex, ...said, ...lengths }) }
    }
    case 'ping':
      return { ping: options({ bytes: probe.bytes, attempts: probe.attempts }) }
    case 'http':
      return { http: probe.path, host: probe.host, ...requestText(probe) }
    case 'http-proxy':
      return { 'http-proxy': probe.url, ...requestText(probe) }
    case 'dns': {
      const { name, type, transport, expect, pattern } = probe
      return { dns: { name, type: unless('A', type), transport: unless('udp', transport), expect, pattern } }
    }
    case 'tls': {
      const { minimumDays, verify, sni } = probe
      return { certificate: options({ days: unless(0, minimumDays), verify: unless(false, verify), sni }) }
    }
    case 'grpc': {
      const { service, authority, tls } = probe
      return { grpc: options({ service, authority, tls: tlsText(tls) }) }
    }
    case 'external': {
      const { command, positional, environment, exitIsWeight } = probe
      const written = 'argv' in command ? command.argv : command.shell
      return { external: { command: written, positional, environment, 'exit-is-weight': exitIsWeight } }
    }
    case 'file':
      return { file: { path: probe.path, weight: probe.weight } }
    case 'agent':
      return { agent: options({ send: probe.send }) }
    case 'sip': {
      const { transport, user, status } = probe
      return { sip: { transport: unless('udp', transport), user, status: statusText(status) } }
    }
    case 'radius': {
      const { login, secret, accept } = probe
      return { radius: { login, secret, accept: accept.join() === 'accept' ? undefined : accept } }
    }
    case 'simpletcp': {
      const { send, expect, halfClose, tls } = probe
      return { simpletcp: options({ send, expect, 'half-close': halfClose, tls: tlsText(tls) }) }
    }
    default: {
      const { kind, tls, starttls, ...rest }: typeof probe & Partial<Record<'tls' | 'starttls', CheckTls>> = probe
      const written = new Map<string, unknown>(Object.entries(rest))
      const own = protocolOrder.filter((key) => written.has(key)).map((key) => [key, written.get(key)])
      return { [kind]: options({ ...Object.fromEntries(own), tls: tlsText(tls), starttls: tlsText(starttls) }) }
    }
  }
}

/** The keys of checks that speak a protocol, which bear the model's names, in the order in which they are printed. */
const protocolOrder = [
  'helo',
  'login',
  'mailbox',
  'group',
  'path',
  'body',
  'base',
  'filter',
  'pattern',
  'database',
  'query',
  'role',
]

/** `true` when there are none. */
function options(written: Written): Written | true {
  return Object.values(written).some((value) => value !== undefined) ? written : true
}

function tlsText(tls: CheckTls | undefined): unknown {
  return tls && options({ verify: unless(false, tls.verify), sni: tls.sni })
}

function requestText(probe: HttpCheckSpec | HttpProxyCheckSpec): Written {
  const { method, headers, send, status, body, bodyMatch, md5, redirects, tls } = probe
  return {
    method,
    headers,
    send,
    status: statusText(status),
    body: bodyMatch === undefined ? body : bodyText(body, bodyMatch),
    md5,
    redirects,
    tls: tlsText(tls),
  }
}

function bodyText(matches: string | undefined, { flags, isAbsent, from, until }: BodyMatch): Written {
  return { matches, flags, absent: isAbsent, from, until }
}

function statusText(status: StatusCodes): unknown {
  const codes = status.map((code) => (typeof code === 'number' ? code : `${code[0]}-${code[1]}`))
  if (codes.length !== 1) return codes
  return codes[0] === defaultCheck.status[0] ? undefined : codes[0]
}
