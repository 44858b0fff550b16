/** From a service of the spec to what the file says of it: what the schema's defaults say is left out. */
import type { Application, ContentMatch, ContentRule } from '../../lvs/application.ts'
import {
  type Endpoint,
  familyOf,
  formatEndpoint,
  type Persistence,
  type ServiceId,
  type Tunnel,
} from '../../lvs/service.ts'
import type { SettingsChange } from '../../lvs/settings.ts'
import { checksText } from './check-print.ts'
import { formatDuration } from './duration.ts'
import type { ServerSpec, ServiceSpec } from './model.ts'
import { maskText } from './normalize-service.ts'
import { defaultService } from './schema.ts'
import { unless, type Written } from './written.ts'

export function serviceText({
  service,
  forwarding,
  servers,
  checks,
  onFailure,
  fallback,
  ...more
}: ServiceSpec): Written {
  const { id, scheduler, schedulerFlags, persistence, onePacket, idleTimeoutSeconds, proxyProtocol } = service
  return {
    ...idText(id, service.ttlSeconds),
    ...(service.application === undefined ? {} : applicationText(service.application)),
    scheduler: unless(defaultService.scheduler, scheduler),
    'scheduler-flags': schedulerFlags.length === 0 ? undefined : schedulerFlags,
    forwarding: unless(defaultService.forwarding, forwarding),
    persistence: persistence && persistenceText(persistence, id),
    'one-packet': unless(false, onePacket),
    servers: servers.map(serverText),
    check: checks.length === 0 ? undefined : checksText(checks),
    'on-failure': unless(defaultService['on-failure'], onFailure),
    fallback: fallback && fallbackText(fallback),
    quorum: more.quorum && quorumText(more.quorum),
    'fallback-command': more.fallbackCommand,
    'panic-threshold': more.panicPercent,
    'slow-start': more.slowStartMs === undefined ? undefined : formatDuration(more.slowStartMs),
    'idle-timeout': idleTimeoutSeconds === undefined ? undefined : formatDuration(idleTimeoutSeconds * 1000),
    'proxy-protocol': proxyProtocol,
  }
}

function idText(id: ServiceId, ttlSeconds: number | undefined): Written {
  switch (id.kind) {
    case 'address':
      return { address: formatEndpoint(id), protocol: unless<string>(defaultService.protocol, id.protocol) }
    case 'fwmark':
      return { mark: id.mark, family: unless<string>(defaultService.family, id.family) }
    case 'dns':
      return {
        address: formatEndpoint(id),
        dns: { name: id.name, ttl: ttlSeconds === undefined ? undefined : formatDuration(ttlSeconds * 1000) },
      }
    case 'pool':
      return {}
  }
}

function applicationText(application: Application): Written {
  const rules = application.rules.length === 0 ? undefined : application.rules.map(ruleText)
  switch (application.kind) {
    case 'http':
      return { http: { rules, certificates: application.certificates, forwarded: application.forwarded } }
    case 'sni':
      return { sni: { rules } }
    case 'tls':
      return { tls: { certificates: application.certificates, rules } }
  }
}

function ruleText({ match: { host, path, header, cookie }, pool }: ContentRule): Written {
  return {
    host,
    path: path?.value,
    exact: path?.exact === true ? true : undefined,
    header: saidText(header),
    cookie: saidText(cookie),
    to: pool,
  }
}

function saidText(said: ContentMatch['header']): unknown {
  return said === undefined || said.value !== undefined ? said : said.name
}

function persistenceText({ timeoutSeconds, mask, engine }: Persistence, id: ServiceId): unknown {
  const family = id.kind === 'fwmark' ? id.family : 'address' in id ? familyOf(id.address) : 'ipv4'
  const timeout = formatDuration(timeoutSeconds * 1000)
  const own = mask === maskText(undefined, family) ? undefined : family === 'ipv6' ? Number(mask) : mask
  return own === undefined && engine === undefined ? timeout : { timeout, mask: own, engine }
}

function serverText(server: ServerSpec): Written {
  const { upperThreshold, lowerThreshold, forwarding, tunnel, checks } = server
  const more = {
    weight: unless(1, server.weight),
    'upper-threshold': upperThreshold,
    'lower-threshold': lowerThreshold,
    forwarding,
    tunnel: tunnel && tunnelText(tunnel),
    check: checks && (checks.length === 0 ? 'none' : checksText(checks)),
    'on-failure': server.onFailure,
  }
  if (server.kind === 'guests') return { guests: server.guests, port: server.port, ...more }
  return { address: endpointText(server.endpoint), ...more }
}

function fallbackText({ forwarding = 'masq', idle, ...endpoint }: NonNullable<ServiceSpec['fallback']>): unknown {
  const address = endpointText(endpoint)
  return forwarding === 'masq' && idle === undefined
    ? address
    : { address, forwarding: unless('masq', forwarding), idle }
}

function quorumText({ weight, hysteresis }: NonNullable<ServiceSpec['quorum']>): unknown {
  return hysteresis === 0 ? weight : { weight, hysteresis }
}

function endpointText(endpoint: Endpoint): string {
  return endpoint.port === 0 ? endpoint.address : formatEndpoint(endpoint)
}

function tunnelText(tunnel: Tunnel): Written {
  if (tunnel.type === 'ipip') return { type: tunnel.type }
  const checksum = unless('nocsum', tunnel.checksum)
  return tunnel.type === 'gre' ? { type: tunnel.type, checksum } : { type: tunnel.type, port: tunnel.port, checksum }
}

export function settingsText(settings: SettingsChange | undefined): Written {
  const { tcp, tcpFin, udp } = settings?.timeouts ?? {}
  const text = (seconds: number | undefined): string | undefined =>
    seconds === undefined ? undefined : formatDuration(seconds * 1000)
  return {
    timeouts: settings?.timeouts && { tcp: text(tcp), tcpfin: text(tcpFin), udp: text(udp) },
    sysctls: settings?.sysctls,
  }
}
