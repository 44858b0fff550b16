/** From a check's shape in the file to the model. */
import type { BodyMatch, CheckSpec, ProbeSpec, UdpCheckSpec } from '../../health/check.ts'
import type { ServiceId } from '../../lvs/service.ts'
import { optionsOf, protocolSpec, tlsOf } from './check-protocols.ts'
import { given } from './given.ts'
import { type CheckShape, defaultCheck, type ServiceShape } from './schema.ts'

type Shapes = NonNullable<ServiceShape['check'] | ServiceShape['servers'][number]['check']>

export function checkSpecs(written: Shapes, id: ServiceId): CheckSpec[] {
  if (written === 'none') return []
  return (Array.isArray(written) ? written : [written]).map((shape) => checkSpec(shape, id))
}

function checkSpec(shape: 'tcp' | CheckShape, id: ServiceId): CheckSpec {
  const check: CheckShape = shape === 'tcp' ? defaultCheck : shape
  const { every, timeout, rise, fall, address, port, connects, flapping } = check
  return {
    probe: probeSpec(check, id),
    ...given('address', address),
    ...given('port', port),
    ...given('from', check.from && sourceOf(check.from)),
    everyMs: every,
    timeoutMs: timeout,
    ...given('doubtEveryMs', check['every-in-doubt']),
    rise,
    fall,
    ...given('connects', connects),
    ...given('connectTimeoutMs', check['connect-timeout']),
    ...given('warmUpMs', check['warm-up']),
    ...given('presumed', check.presumed || undefined),
    ...given('damping', flapping && { changes: flapping.changes, withinMs: flapping.within, holdMs: flapping.hold }),
  }
}

function probeSpec(check: CheckShape, id: ServiceId): ProbeSpec {
  const [udp, ping, certificate, grpc, agent] = [
    optionsOf(check.udp),
    optionsOf(check.ping),
    optionsOf(check.certificate),
    optionsOf(check.grpc),
    optionsOf(check.agent),
  ]
  if (udp !== undefined) return udpSpec(udp)
  if (ping !== undefined) return { kind: 'ping', ...given('bytes', ping.bytes), ...given('attempts', ping.attempts) }
  if (check.http !== undefined)
    return { kind: 'http', path: check.http, ...given('host', check.host), ...requestOf(check) }
  if (check['http-proxy'] !== undefined) return { kind: 'http-proxy', url: check['http-proxy'], ...requestOf(check) }
  if (check.dns !== undefined) {
    const { name, type, transport, expect, pattern } = check.dns
    return { kind: 'dns', name, type, transport, ...given('expect', expect), ...given('pattern', pattern) }
  }
  if (certificate !== undefined) {
    const { days = 0, verify = false, sni } = certificate
    return { kind: 'tls', minimumDays: days, verify, ...given('sni', sni) }
  }
  if (grpc !== undefined) {
    const { service, authority, tls } = grpc
    return { kind: 'grpc', ...given('service', service), ...given('authority', authority), ...given('tls', tlsOf(tls)) }
  }
  if (check.external !== undefined) return externalSpec(check.external, id)
  if (check.file !== undefined) {
    const { path, weight } = check.file
    return { kind: 'file', path, ...given('weight', weight === 0 ? undefined : weight) }
  }
  if (agent !== undefined) return { kind: 'agent', ...given('send', agent.send) }
  return protocolSpec(check) ?? { kind: 'tcp' }
}

function requestOf({ method, headers, send, status, body, md5, redirects, tls }: CheckShape) {
  return {
    ...given('method', method === 'GET' ? undefined : method),
    ...given('headers', headers),
    ...given('send', send),
    status,
    ...given('body', typeof body === 'string' ? body : body?.matches),
    ...given('bodyMatch', typeof body === 'string' ? undefined : body && bodyMatchOf(body)),
    ...given('md5', md5?.toLowerCase()),
    ...given('redirects', redirects === 0 ? undefined : redirects),
    ...given('tls', tlsOf(tls)),
  }
}

type BodyShape = Exclude<NonNullable<CheckShape['body']>, string>

function bodyMatchOf({ flags, absent, from, until }: BodyShape): BodyMatch | undefined {
  const match = {
    ...given('flags', flags),
    ...given('isAbsent', absent || undefined),
    ...given('from', from),
    ...given('until', until),
  }
  return Object.keys(match).length === 0 ? undefined : match
}

function sourceOf({ address, port, interface: link, mark }: NonNullable<CheckShape['from']>): CheckSpec['from'] {
  const source = {
    ...given('address', address),
    ...given('port', port),
    ...given('interface', link),
    ...given('mark', mark),
  }
  return Object.keys(source).length === 0 ? undefined : source
}

type UdpShape = Exclude<NonNullable<CheckShape['udp']>, boolean>

function udpSpec(written: Partial<UdpShape>): UdpCheckSpec {
  const { send, expect } = written
  const pattern = expect === undefined ? undefined : { pattern: expect }
  const hex = written['expect-hex'] === undefined ? undefined : { hex: written['expect-hex'].toLowerCase() }
  const sent = written['send-hex']?.toLowerCase() ?? (send === undefined ? undefined : hexOf(send))
  return {
    kind: 'udp',
    ...given('sendHex', sent),
    ...given('expect', pattern ?? hex),
    ...given('minimumBytes', written['minimum-bytes']),
    ...given('maximumBytes', written['maximum-bytes']),
  }
}

function hexOf(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function externalSpec(written: NonNullable<CheckShape['external']>, id: ServiceId): ProbeSpec {
  const { command, positional, environment } = written
  return {
    kind: 'external',
    command,
    ...given('positional', positional || undefined),
    ...given('service', serviceAddress(id)),
    ...given('environment', environment),
    ...given('exitIsWeight', written['exit-is-weight'] || undefined),
  }
}

/** What a command hears of the service: of a mark, its number. */
export function serviceAddress(id: ServiceId): { address: string; port: number } | undefined {
  if (id.kind === 'pool') return undefined
  return id.kind === 'fwmark' ? { address: String(id.mark), port: 0 } : { address: id.address, port: id.port }
}
