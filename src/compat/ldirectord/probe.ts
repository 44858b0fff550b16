/** What a negotiate check asks, service by service. What Baton cannot ask in the same way is an error. Pure. */
import type { CheckService, Real, Virtual } from '../../formats/ldirectord/model.ts'
import type { Report } from '../../formats/ldirectord/places.ts'
import type { Login, ProbeSpec } from '../../health/check.ts'
import { formatEndpoint } from '../../lvs/service.ts'

/** `receive` in JavaScript's words already. */
export type Negotiation = {
  readonly virtual: Virtual
  readonly real: Real
  readonly request: string
  readonly receive: string
  /** Where request or receive stand. */
  readonly line: number
  readonly login: Login | undefined
  readonly report: Report
}

/** What is asked, and where, when that is not the server itself. undefined: an error was said. */
export type Asked = { readonly probe: ProbeSpec; readonly address?: string; readonly port?: number }

const encrypted = { tls: { verify: false } } as const
const some = <K extends string>(key: K, value: string): { readonly [P in K]?: string } =>
  value === '' ? {} : ({ [key]: value } as { readonly [P in K]?: string })

export function askedOf(service: CheckService, negotiation: Negotiation): Asked | undefined {
  if (service === 'http' || service === 'https') return httpAsked(service, negotiation)
  const probe = probeOf(service, negotiation)
  return probe && { probe }
}

function probeOf(service: Exclude<CheckService, 'http' | 'https'>, negotiation: Negotiation): ProbeSpec | undefined {
  const { virtual, request, receive, login } = negotiation
  const known = login === undefined ? {} : { login }
  switch (service) {
    case 'http_proxy':
      return { kind: 'http-proxy', url: proxiedUrl(negotiation), ...answerOf(negotiation) }
    case 'smtp':
    case 'submission':
      return { kind: service }
    case 'pop':
      return { kind: 'pop3', ...known }
    case 'pops':
      return { kind: 'pop3', ...known, ...encrypted }
    case 'imap':
      return { kind: 'imap', ...known }
    case 'imaps':
      return { kind: 'imap', ...known, ...encrypted }
    case 'ftp': {
      const path = request === '/' ? '' : request
      return { kind: 'ftp', ...known, ...some('path', path), ...(path === '' ? {} : some('body', receive)) }
    }
    case 'ldap':
    case 'ldaps': {
      const bind = virtual.passwd === undefined ? {} : known
      const encryption = service === 'ldaps' ? encrypted : {}
      return { kind: 'ldap', ...bind, base: request.slice(1), ...some('pattern', receive), ...encryption }
    }
    case 'nntp':
      return { kind: 'nntp' }
    case 'dns':
      return dnsProbe(negotiation)
    case 'mysql':
    case 'pgsql':
      return sqlProbe(service, negotiation)
    case 'sip':
      return sipProbe(negotiation)
    case 'radius': {
      const secret = virtual.secret?.value ?? ''
      const who = login ?? { user: '', password: virtual.passwd?.value ?? '' }
      return { kind: 'radius', login: who, secret, accept: ['accept', 'reject', 'challenge'] }
    }
    case 'simpletcp': {
      const send = request.slice(1).replaceAll('\\n', '\n')
      return { kind: 'simpletcp', ...some('send', send), ...some('expect', receive), halfClose: true }
    }
    case 'oracle':
      negotiation.report(
        'error',
        virtual.line,
        'service oracle has no check here, as its protocol is not open: write checktype=connect, or external with a command',
      )
      return undefined
    case 'none':
      return undefined
  }
}

function answerOf({ virtual, receive }: Negotiation) {
  const method = virtual.httpmethod?.value === 'HEAD' ? ({ method: 'HEAD' } as const) : {}
  return { ...method, status: [[200, 299]] as const, ...some('body', receive), redirects: 7 }
}

/** Without a virtualhost the server's address is the host that is asked for, also where a URL leads elsewhere. */
function httpAsked(service: 'http' | 'https', negotiation: Negotiation): Asked | undefined {
  const { virtual, real, request, line, report } = negotiation
  const host = virtual.virtualhost?.value.trim() ?? ''
  const rest = { ...answerOf(negotiation), ...(service === 'https' ? encrypted : {}) }
  const url = real.exchange?.url
  if (url === undefined) {
    if (real.exchange?.request.includes(`${service}://`) !== true)
      return { probe: { kind: 'http', path: request, ...some('host', host), ...rest } }
    report('error', line, `${request.slice(1)}: expected a URL such as ${service}://10.0.0.1:8080/path`)
    return undefined
  }
  const { address, port, path } = url
  if (address === undefined) {
    report('error', line, `${url.host} cannot be looked up: there is nobody to ask`)
    return undefined
  }
  const own = real.address.includes(':') ? `[${real.address}]` : real.address
  return { probe: { kind: 'http', path, host: host === '' ? own : host, ...rest }, address, port }
}

/** A server's own request, unless it is a URL, is asked of the server itself through the server. */
function proxiedUrl({ virtual, real, request }: Negotiation): string {
  const written = request.slice(1)
  if (real.exchange === undefined || written.includes('http://')) return written
  const port = virtual.checkport?.value ?? (real.port > 0 ? real.port : 3128)
  return `http://${formatEndpoint({ address: real.address, port })}/${written}`
}

function dnsProbe({ virtual, request, receive, line, report }: Negotiation): ProbeSpec | undefined {
  const name = request.slice(1)
  if (name === '') {
    report('error', virtual.line, 'service dns needs a request: the name that is asked for')
    return undefined
  }
  if (receive === '')
    report('warning', line, 'without receive any answer without an error will do here, and none for ldirectord')
  const isAddress = /^[0-9]+(\.[0-9]+){3}$/.test(name)
  const transport = virtual.protocol === 'tcp' ? 'tcp' : 'udp'
  const question = isAddress
    ? ({ name: `${name.split('.').toReversed().join('.')}.in-addr.arpa`, type: 'PTR' } as const)
    : ({ name, type: 'A' } as const)
  return { kind: 'dns', ...question, transport, ...some('pattern', receive) }
}

function sqlProbe(kind: 'mysql' | 'pgsql', { virtual, request, login, report }: Negotiation): ProbeSpec | undefined {
  const query = request.slice(1)
  if (login === undefined || query === '') {
    report('error', virtual.line, `service ${kind} needs a login and a request, as with ldirectord`)
    return undefined
  }
  return { kind, login, ...some('database', virtual.database?.value ?? ''), query }
}

function sipProbe({ virtual, login, report }: Negotiation): ProbeSpec | undefined {
  if (login === undefined) {
    report('error', virtual.line, 'service sip needs a login: the user that is asked, such as check@shop.example')
    return undefined
  }
  return { kind: 'sip', transport: virtual.protocol === 'tcp' ? 'tcp' : 'udp', user: login.user, status: [200] }
}
