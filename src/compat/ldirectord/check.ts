/** A virtual's check in Baton's words. What Baton cannot check in the same way is an error, never another check. Pure. */
import { serviceAddress } from '../../cluster/spec/check-normalize.ts'
import type { CheckService, Globals, Real, Virtual } from '../../formats/ldirectord/model.ts'
import { standardPort } from '../../formats/ldirectord/parse.ts'
import type { Report } from '../../formats/ldirectord/places.ts'
import type { CheckSpec, Login, ProbeSpec } from '../../health/check.ts'
import type { ServiceId } from '../../lvs/service.ts'
import { translatePattern } from './pattern.ts'

/** `all` and `nobody`: up, or down, without a check. undefined: an error was said. */
export type ConvertedCheck = CheckSpec | 'all' | 'nobody' | undefined

type Input = {
  readonly virtual: Virtual
  readonly globals: Globals
  readonly id: ServiceId
  /** The port at which a real server gets its connections. */
  readonly portOf: (real: Real) => number
  readonly report: Report
}
/** What is asked and what is to be answered, of all real servers alike. */
type Exchange = { readonly request: string; readonly receive: string; readonly line: number }
type Negotiation = Input & { readonly exchange: Exchange; readonly login: Login | undefined }

const defaultCheckSeconds = 5
const defaultNegotiateSeconds = 30
const defaultIntervalSeconds = 10

export function convertCheck(input: Input): ConvertedCheck {
  const { virtual, report, id } = input
  const { kind } = virtual.checktype?.value ?? { kind: 'negotiate' as const }
  switch (kind) {
    case 'on':
      return 'all'
    case 'off':
      return 'nobody'
    case 'connect':
      return at(input, { kind: virtual.protocol === 'udp' ? 'ping' : 'tcp' }, 'check')
    case 'ping':
      return at(input, { kind: 'ping' }, 'check')
    case 'external':
    case 'external-perl': {
      const { line, value } = virtual.checkcommand ?? { line: virtual.line, value: '/bin/true' }
      const command = value.trim()
      if (/\s/.test(command))
        report(
          'warning',
          line,
          `${command} is run as one name with blanks in it, as by ldirectord: it takes no arguments`,
        )
      if (kind === 'external-perl')
        report('warning', line, `${command} is run by perl in a process of its own for each check`)
      const argv = kind === 'external' ? [command] : ['perl', command]
      const service = serviceAddress(id)
      const probe = { kind: 'external', command: { argv }, positional: true, ...(service && { service }) } as const
      return at(input, probe, 'check')
    }
    case 'combined':
    case 'negotiate':
      if (kind === 'combined')
        report(
          'warning',
          virtual.checktype?.line ?? virtual.line,
          'every check is a negotiate check, none only connects',
        )
      // Ports without a service of their own pass every negotiate check: what is left of the two is the connects.
      return kind === 'combined' && virtual.service === 'none' ? at(input, { kind: 'tcp' }, 'check') : negotiate(input)
  }
}

/** Which of the two timeouts a check has: ldirectord's own order of the four that may be written. */
function timeoutMs({ virtual, globals }: Input, which: 'check' | 'negotiate'): number {
  const [checks, negotiates] = [virtual.checktimeout ?? undefined, virtual.negotiatetimeout ?? undefined]
  const seconds =
    which === 'check'
      ? ((checks ?? negotiates ?? globals.checktimeout ?? globals.negotiatetimeout)?.value ?? defaultCheckSeconds)
      : ((negotiates ?? checks ?? globals.negotiatetimeout ?? globals.checktimeout)?.value ?? defaultNegotiateSeconds)
  return seconds * 1000
}

/** The probe at its port and times. */
function at(input: Input, probe: ProbeSpec, timeout: 'check' | 'negotiate'): ConvertedCheck {
  const { virtual, globals } = input
  const port = probe.kind === 'ping' ? anyPort(input) : portOfChecks(input, probe.kind === 'external')
  if (port === undefined) return undefined
  const own = globals.fork?.value === true ? virtual.checkinterval : undefined
  return {
    probe,
    ...port,
    everyMs: ((own ?? globals.checkinterval)?.value ?? defaultIntervalSeconds) * 1000,
    timeoutMs: timeoutMs(input, timeout),
    rise: 1,
    fall: (virtual.failurecount ?? globals.failurecount)?.value ?? 1,
  }
}

/** A ping has no port, but the spec wants one where servers have none. */
function anyPort({ virtual, portOf }: Input): { readonly port?: number } {
  return virtual.reals.some((real) => portOf(real) === 0) ? { port: 1 } : {}
}

/** checkport, else each server's own, else the one of the service; Baton has one port for all or each its own. */
function portOfChecks(input: Input, isExternal: boolean): { readonly port?: number } | undefined {
  const { virtual, portOf, report } = input
  const { checkport, reals, service, line } = virtual
  if (isExternal) {
    if (checkport !== undefined)
      report('warning', checkport.line, 'checkport is nothing to a command, as with ldirectord')
  } else if (checkport !== undefined) return { port: checkport.value }
  const wanted = reals.map((real) => (real.port > 0 ? real.port : isExternal ? portOf(real) : standardPort(service)))
  if (isExternal && wanted.length > 0 && wanted.every((port) => port === 0)) {
    report('warning', line, 'the command hears 1 for the port of servers that have none, not 0')
    return { port: 1 }
  }
  if (reals.every((real, index) => wanted[index] === portOf(real) && portOf(real) > 0)) return {}
  const [first] = wanted
  if (first === undefined || first === 0) report('error', line, 'there is no port to check: add checkport')
  else if (wanted.every((port) => port === first)) return { port: first }
  else report('error', line, 'the servers are checked at different ports, which are not those of their connections')
  return undefined
}

/** The request and the answer of all servers; with one of their own each, there is an error. */
function exchangeOf({ virtual, report }: Input): Exchange | undefined {
  const { request, receive, reals, line } = virtual
  const common = {
    request: request?.value ?? '/',
    receive: receive?.value ?? '',
    line: receive?.line ?? request?.line ?? line,
  }
  const [first, ...others] = reals.map((real) => ({
    ...common,
    ...real.exchange,
    line: real.exchange ? real.line : common.line,
  }))
  if (first === undefined) return common
  const other = others.find((one) => one.request !== first.request || one.receive !== first.receive)
  if (other === undefined) return first
  const at = reals.find((real) => real.exchange !== undefined)?.line ?? line
  report(
    'error',
    at,
    'servers of one virtual have one check: a request and receive of its own for a server cannot be had',
  )
  return undefined
}

function negotiate(input: Input): ConvertedCheck {
  const { virtual, report } = input
  if (virtual.service === 'none') {
    const unused = virtual.receive ?? virtual.request
    const advice =
      'nothing is asked and every server is up, as with ldirectord: the port has no service; write service='
    if (unused !== undefined) report('warning', unused.line, advice)
    return 'all'
  }
  const exchange = exchangeOf(input)
  if (exchange === undefined) return undefined
  const receive = translatePattern(exchange.receive, virtual.service === 'simpletcp')
  if ('refused' in receive) {
    report(
      'error',
      exchange.line,
      `receive: Perl's ${receive.refused} in "${exchange.receive}" has no counterpart here`,
    )
    return undefined
  }
  const { login, passwd } = virtual
  const negotiation: Negotiation = {
    ...input,
    exchange: { ...exchange, receive: receive.pattern },
    login: login === undefined ? undefined : { user: login.value, password: passwd?.value ?? '' },
  }
  const probe = probeOf(virtual.service, negotiation)
  if (probe === undefined) return undefined
  return at(input, probe, probe.kind === 'ldap' || probe.kind === 'radius' ? 'check' : 'negotiate')
}

const encrypted = { tls: { verify: false } } as const
const some = <K extends string>(key: K, value: string): { readonly [P in K]?: string } =>
  value === '' ? {} : ({ [key]: value } as { readonly [P in K]?: string })

function probeOf(service: CheckService, negotiation: Negotiation): ProbeSpec | undefined {
  const { virtual, exchange, login } = negotiation
  const { request, receive } = exchange
  const known = login === undefined ? {} : { login }
  switch (service) {
    case 'http':
    case 'https':
    case 'http_proxy':
      return httpProbe(service, negotiation)
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
      negotiation.report('error', virtual.line, 'service oracle has no check here: write checktype=connect')
      return undefined
    case 'none':
      return undefined
  }
}

function httpProbe(service: 'http' | 'https' | 'http_proxy', negotiation: Negotiation): ProbeSpec | undefined {
  const { virtual, exchange, report } = negotiation
  const { request, receive, line } = exchange
  const method = virtual.httpmethod?.value === 'HEAD' ? ({ method: 'HEAD' } as const) : {}
  const answer = { ...method, status: [[200, 299]] as const, ...some('body', receive), redirects: 7 }
  if (service === 'http_proxy') return { kind: 'http-proxy', url: request.slice(1), ...answer }
  if (virtual.reals.some(({ exchange }) => exchange?.request.includes(`${service}://`) === true)) {
    report('error', line, `${request.slice(1)}: a URL of its own in place of the server cannot be checked`)
    return undefined
  }
  const host = virtual.virtualhost?.value.trim() ?? ''
  return { kind: 'http', path: request, ...some('host', host), ...answer, ...(service === 'https' ? encrypted : {}) }
}

function dnsProbe({ virtual, exchange, report }: Negotiation): ProbeSpec | undefined {
  const name = exchange.request.slice(1)
  if (name === '') {
    report('error', virtual.line, 'service dns needs a request: the name that is asked for')
    return undefined
  }
  if (exchange.receive === '')
    report(
      'warning',
      exchange.line,
      'without receive any answer without an error will do here, and none for ldirectord',
    )
  const isAddress = /^[0-9]+(\.[0-9]+){3}$/.test(name)
  const transport = virtual.protocol === 'tcp' ? 'tcp' : 'udp'
  const question = isAddress
    ? ({ name: `${name.split('.').toReversed().join('.')}.in-addr.arpa`, type: 'PTR' } as const)
    : ({ name, type: 'A' } as const)
  return { kind: 'dns', ...question, transport, ...some('pattern', exchange.receive) }
}

function sqlProbe(kind: 'mysql' | 'pgsql', { virtual, exchange, login, report }: Negotiation): ProbeSpec | undefined {
  const query = exchange.request.slice(1)
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
