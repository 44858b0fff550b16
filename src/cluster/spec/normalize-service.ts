/** From a service's shape in the file to the model. */
import type { Application, Certificate, ContentMatch } from '../../lvs/application.ts'
import {
  type Family,
  familyOf,
  type Persistence,
  type Service,
  type ServiceId,
  type Tunnel,
} from '../../lvs/service.ts'
import type { Sysctls, Timeouts } from '../../lvs/settings.ts'
import { checkSpecs } from './check-normalize.ts'
import { given } from './given.ts'
import type { DirectorsSpec, ServerSpec, ServiceSpec } from './model.ts'
import type { FileShape, ServiceShape } from './schema.ts'

/** Resolves a path of the file that stands under these keys of the service. */
type ResolveAt = (written: string, ...key: (string | number)[]) => string

export function serviceSpec(name: string, shape: ServiceShape, resolve: ResolveAt): ServiceSpec {
  const { 'idle-timeout': idleMs, quorum } = shape
  const id = serviceId(name, shape)
  const service: Service = {
    id,
    scheduler: shape.scheduler,
    schedulerFlags: shape['scheduler-flags'],
    ...given('persistence', persistenceOf(shape, id)),
    onePacket: shape['one-packet'],
    ...given('idleTimeoutSeconds', idleMs === undefined ? undefined : idleMs / 1000),
    ...given('proxyProtocol', shape['proxy-protocol']),
    ...given('application', applicationOf(shape, resolve)),
    ...given('ttlSeconds', shape.dns === undefined ? undefined : shape.dns.ttl / 1000),
  }
  return {
    name,
    service,
    forwarding: shape.forwarding,
    servers: shape.servers.map((server) => serverSpec(server, id)),
    checks: shape.check === undefined ? [] : checkSpecs(shape.check, id),
    onFailure: shape['on-failure'],
    ...given('fallback', fallbackOf(shape)),
    ...given('quorum', typeof quorum === 'number' ? { weight: quorum, hysteresis: 0 } : quorum),
    ...given('fallbackCommand', shape['fallback-command']),
    ...given('panicPercent', shape['panic-threshold']),
    ...given('slowStartMs', shape['slow-start']),
  }
}

function serviceId(name: string, { address, protocol, mark, family, dns }: ServiceShape): ServiceId {
  if (mark !== undefined) return { kind: 'fwmark', mark, family }
  if (address === undefined) return { kind: 'pool', name }
  if (dns !== undefined) return { kind: 'dns', name: dns.name, ...address }
  return { kind: 'address', protocol, ...address }
}

function persistenceOf({ persistence }: ServiceShape, id: ServiceId): Persistence | undefined {
  if (persistence === undefined) return undefined
  const family = id.kind === 'fwmark' ? id.family : 'address' in id ? familyOf(id.address) : 'ipv4'
  if (typeof persistence === 'number') return { timeoutSeconds: persistence / 1000, mask: maskText(undefined, family) }
  const { timeout, mask, engine } = persistence
  return { timeoutSeconds: timeout / 1000, mask: maskText(mask, family), ...given('engine', engine) }
}

/** IPv4: the mask itself; IPv6: the prefix length. Left out: each client by itself. */
export function maskText(mask: string | number | undefined, family: Family): string {
  if (family === 'ipv6') return String(mask ?? 128)
  if (typeof mask === 'string') return mask
  const bits = 0xffff_ffff_0000_0000n >> BigInt(mask ?? 32)
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.')
}

function applicationOf({ http, sni, tls }: ServiceShape, resolve: ResolveAt): Application | undefined {
  if (http !== undefined) {
    const certificates = http.certificates && certificatesOf(http.certificates, 'http', resolve)
    const rules = http.rules.map((rule) => ({ match: httpMatch(rule), pool: rule.to }))
    return { kind: 'http', rules, ...given('certificates', certificates), ...given('forwarded', http.forwarded) }
  }
  if (sni !== undefined) return { kind: 'sni', rules: sni.rules.map(hostRule) }
  if (tls === undefined) return undefined
  return { kind: 'tls', rules: tls.rules.map(hostRule), certificates: certificatesOf(tls.certificates, 'tls', resolve) }
}

type HttpRule = NonNullable<ServiceShape['http']>['rules'][number]
type HostRule = NonNullable<ServiceShape['sni']>['rules'][number]

function hostRule({ host, to }: HostRule): { match: ContentMatch; pool: string } {
  return { match: given('host', host?.toLowerCase()), pool: to }
}

function httpMatch({ host, path, exact, header, cookie }: HttpRule): ContentMatch {
  return {
    ...given('host', host?.toLowerCase()),
    ...given('path', path === undefined ? undefined : { value: path, exact }),
    // Cookies are told apart by case (RFC 6265), headers are not.
    ...given(
      'header',
      said(header, (name) => name.toLowerCase()),
    ),
    ...given(
      'cookie',
      said(cookie, (name) => name),
    ),
  }
}

function said(
  written: HttpRule['header'],
  fold: (name: string) => string,
): { name: string; value?: string } | undefined {
  if (written === undefined) return undefined
  if (typeof written === 'string') return { name: fold(written) }
  return { name: fold(written.name), ...given('value', written.value) }
}

function fallbackOf({ fallback }: ServiceShape): ServiceSpec['fallback'] {
  if (fallback === undefined || 'port' in fallback) return fallback
  const { address, forwarding, idle } = fallback
  return {
    ...address,
    ...given('forwarding', forwarding === 'masq' ? undefined : forwarding),
    ...given('idle', idle === 'remove' ? undefined : idle),
  }
}

function certificatesOf(written: readonly Certificate[], section: string, resolve: ResolveAt): readonly Certificate[] {
  return written.map(({ certificate, key }, index) => ({
    certificate: resolve(certificate, section, 'certificates', index, 'certificate'),
    key: resolve(key, section, 'certificates', index, 'key'),
  }))
}

function serverSpec(shape: ServiceShape['servers'][number], id: ServiceId): ServerSpec {
  const { guests, port, address, weight, forwarding, tunnel, check } = shape
  const [upper, lower] = [shape['upper-threshold'], shape['lower-threshold']]
  const common = {
    weight,
    ...(upper > 0 ? { upperThreshold: upper } : {}),
    ...(lower > 0 ? { lowerThreshold: lower } : {}),
    ...given('forwarding', forwarding),
    ...given('tunnel', tunnel === undefined ? undefined : tunnelOf(tunnel)),
    ...given('checks', check === undefined ? undefined : checkSpecs(check, id)),
    ...given('onFailure', shape['on-failure']),
  }
  if (address !== undefined) return { kind: 'address', endpoint: address, ...common }
  return { kind: 'guests', guests: guests ?? '', port: port ?? 0, ...common }
}

function tunnelOf({ type, port, checksum }: NonNullable<ServiceShape['servers'][number]['tunnel']>): Tunnel {
  if (type === 'ipip') return { type }
  if (type === 'gre') return { type, checksum: checksum === 'csum' ? 'csum' : 'nocsum' }
  return { type, port: port ?? 0, checksum }
}

export function settingsOf({ timeouts, sysctls }: FileShape['directors']): DirectorsSpec['settings'] {
  const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000)
  const times: Partial<Timeouts> = {
    ...given('tcp', seconds(timeouts?.tcp)),
    ...given('tcpFin', seconds(timeouts?.tcpfin)),
    ...given('udp', seconds(timeouts?.udp)),
  }
  const numbers = Object.fromEntries(
    Object.entries(sysctls ?? {}).filter(([, value]) => value !== undefined),
  ) as Partial<Sysctls>
  const hasTimes = Object.keys(times).length > 0
  const hasNumbers = Object.keys(numbers).length > 0
  if (!hasTimes && !hasNumbers) return undefined
  return { ...(hasTimes ? { timeouts: times } : {}), ...(hasNumbers ? { sysctls: numbers } : {}) }
}
