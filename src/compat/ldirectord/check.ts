/** The checks of a virtual's servers in Baton's words. What Baton cannot check in the same way is an error, never another check. Pure. */
import { serviceAddress } from '../../cluster/spec/check-normalize.ts'
import type { CheckType, Globals, Real, Virtual } from '../../formats/ldirectord/model.ts'
import { standardPort } from '../../formats/ldirectord/parse.ts'
import type { Report } from '../../formats/ldirectord/places.ts'
import type { CheckSpec } from '../../health/check.ts'
import type { ServiceId } from '../../lvs/service.ts'
import { translatePattern } from './pattern.ts'
import { type Asked, askedOf } from './probe.ts'

/** One for each real server; `all` and `nobody`: up, or down, without a check. undefined: an error was said. */
export type ConvertedChecks = readonly CheckSpec[] | 'all' | 'nobody' | undefined

type Input = {
  readonly virtual: Virtual
  readonly globals: Globals
  readonly id: ServiceId
  /** The port at which a real server gets its connections. */
  readonly portOf: (real: Real) => number
  readonly report: Report
}

const defaultCheckSeconds = 5
const defaultNegotiateSeconds = 30
const defaultIntervalSeconds = 10

export function convertChecks(input: Input): ConvertedChecks {
  const { virtual, report } = input
  const type = virtual.checktype?.value ?? { kind: 'negotiate' as const }
  if (type.kind === 'on') return 'all'
  if (type.kind === 'off') return 'nobody'
  if (type.kind === 'negotiate' && virtual.service === 'none') {
    const unused = virtual.receive ?? virtual.request
    const advice =
      'nothing is asked and every server is up, as with ldirectord: the port has no service; write service='
    if (unused !== undefined) report('warning', unused.line, advice)
    return 'all'
  }
  if (type.kind === 'external' || type.kind === 'external-perl') reportCommand(type.kind, input)
  const checks: CheckSpec[] = []
  for (const real of virtual.reals) {
    const check = checkOf(real, type, input)
    if (check !== undefined) checks.push(check)
  }
  return checks.length === virtual.reals.length ? checks : undefined
}

type Checking = Exclude<CheckType['kind'], 'on' | 'off'>

function checkOf(real: Real, { kind, connects = 0 }: CheckType, input: Input): CheckSpec | undefined {
  const { virtual, id } = input
  switch (kind as Checking) {
    case 'connect':
      return virtual.protocol === 'udp' ? ping(input) : connecting(real, input)
    case 'ping':
      return ping(input)
    case 'external':
    case 'external-perl': {
      const command = commandOf(virtual)
      const argv = kind === 'external' ? [command] : ['perl', command]
      const service = serviceAddress(id)
      const probe = { kind: 'external', command: { argv }, positional: true, ...(service && { service }) } as const
      // A command hears the port of the connections, whatever checkport says.
      const port = real.port === input.portOf(real) ? undefined : real.port
      return { probe, ...(port === undefined || port === 0 ? {} : { port }), ...timesOf(input, 'check') }
    }
    case 'combined': {
      // Ports without a service of their own pass every negotiate check: what is left of the two is the connects.
      if (virtual.service === 'none') return connecting(real, input)
      const check = negotiating(real, input)
      const isOverUdp = virtual.protocol === 'udp' || check?.probe.kind === 'radius'
      if (check === undefined || connects === 0 || isOverUdp) return check
      const { timeoutMs } = timesOf(input, 'check')
      return { ...check, connects, ...(timeoutMs === check.timeoutMs ? {} : { connectTimeoutMs: timeoutMs }) }
    }
    case 'negotiate':
      return negotiating(real, input)
  }
}

function connecting(real: Real, input: Input): CheckSpec | undefined {
  const port = portOfCheck(real, input)
  return port && { probe: { kind: 'tcp' }, ...port, ...timesOf(input, 'check') }
}

/** So many echoes, each within the time of a check. */
function ping(input: Input): CheckSpec {
  const { virtual, globals } = input
  const attempts = (virtual.checkcount ?? globals.checkcount)?.value ?? 1
  const times = timesOf(input, 'check')
  const probe = { kind: 'ping', ...(attempts > 1 ? { attempts } : {}) } as const
  return { probe, ...times, timeoutMs: times.timeoutMs * attempts }
}

function negotiating(real: Real, input: Input): CheckSpec | undefined {
  const asked = asking(real, input)
  if (asked === undefined) return undefined
  const { probe, address } = asked
  const place = address === undefined ? portOfCheck(real, input) : { address, port: asked.port ?? 0 }
  const isShort = probe.kind === 'ldap' || probe.kind === 'radius'
  return place && { probe, ...place, ...timesOf(input, isShort ? 'check' : 'negotiate') }
}

function asking(real: Real, { virtual, report }: Input): Asked | undefined {
  const { service, login, passwd } = virtual
  const request = real.exchange?.request ?? virtual.request?.value ?? '/'
  const wanted = real.exchange?.receive ?? virtual.receive?.value ?? ''
  const line = real.exchange ? real.line : (virtual.receive?.line ?? virtual.request?.line ?? virtual.line)
  const receive = translatePattern(wanted, service === 'simpletcp')
  if ('refused' in receive) {
    report('error', line, `receive: Perl's ${receive.refused} in "${wanted}" has no counterpart here`)
    return undefined
  }
  return askedOf(service, {
    virtual,
    real,
    request,
    receive: receive.pattern,
    line,
    login: login === undefined ? undefined : { user: login.value, password: passwd?.value ?? '' },
    report,
  })
}

function commandOf({ checkcommand }: Virtual): string {
  return (checkcommand?.value ?? '/bin/true').trim()
}

function reportCommand(kind: 'external' | 'external-perl', { virtual, report }: Input): void {
  const command = commandOf(virtual)
  const line = virtual.checkcommand?.line ?? virtual.line
  const { checkport } = virtual
  if (/\s/.test(command))
    report('warning', line, `${command} is run as one name with blanks in it, as by ldirectord: it takes no arguments`)
  if (kind === 'external-perl')
    report('warning', line, `${command} is run by perl in a process of its own for each check`)
  if (checkport !== undefined)
    report('warning', checkport.line, 'checkport is nothing to a command, as with ldirectord')
}

type Times = Pick<CheckSpec, 'everyMs' | 'timeoutMs' | 'rise' | 'fall'>

/** `which`: of the two timeouts; ldirectord's own order of the four that may be written. */
function timesOf({ virtual, globals }: Input, which: 'check' | 'negotiate'): Times {
  const [checks, negotiates] = [virtual.checktimeout ?? undefined, virtual.negotiatetimeout ?? undefined]
  const seconds =
    which === 'check'
      ? ((checks ?? negotiates ?? globals.checktimeout ?? globals.negotiatetimeout)?.value ?? defaultCheckSeconds)
      : ((negotiates ?? checks ?? globals.negotiatetimeout ?? globals.checktimeout)?.value ?? defaultNegotiateSeconds)
  const own = globals.fork?.value === true ? virtual.checkinterval : undefined
  return {
    everyMs: ((own ?? globals.checkinterval)?.value ?? defaultIntervalSeconds) * 1000,
    timeoutMs: seconds * 1000,
    rise: 1,
    fall: (virtual.failurecount ?? globals.failurecount)?.value ?? 1,
  }
}

/** checkport, else the server's own, else the one of the service; nothing is said where connections go there anyway. */
function portOfCheck(real: Real, { virtual, portOf, report }: Input): { readonly port?: number } | undefined {
  const { checkport, service, line } = virtual
  if (checkport !== undefined) return { port: checkport.value }
  const port = real.port > 0 ? real.port : standardPort(service)
  if (port === undefined) {
    report('error', line, 'there is no port to check: add checkport')
    return undefined
  }
  return port === portOf(real) ? {} : { port }
}
