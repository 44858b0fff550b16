/** From a probe's spec to the probe. A kind's file, and the libraries it needs, are loaded at its first probe. */
import { Bug } from '../../errors.ts'
import type { Probe, ProbeKind, ProbeSpec } from '../check.ts'

type SpecOf<K extends ProbeKind> = ProbeSpec extends infer S
  ? S extends { readonly kind: infer Q }
    ? K extends Q
      ? S
      : never
    : never
  : never

type Opener<K extends ProbeKind> = (spec: SpecOf<K>) => Probe

const openers: { readonly [K in ProbeKind]?: () => Promise<Opener<K>> } = {
  tcp: async () => (await import('./tcp.ts')).tcpProbe,
  udp: async () => (await import('./udp.ts')).udpProbe,
  ping: async () => (await import('./ping.ts')).pingProbe,
  http: async () => (await import('./http.ts')).httpProbe,
  'http-proxy': async () => (await import('./http-proxy.ts')).httpProxyProbe,
  dns: async () => (await import('./dns.ts')).dnsProbe,
  tls: async () => (await import('./tls.ts')).tlsProbe,
  grpc: async () => (await import('./grpc.ts')).grpcProbe,
  external: async () => (await import('./external.ts')).externalProbe,
  file: async () => (await import('./file.ts')).fileProbe,
  agent: async () => (await import('./agent.ts')).agentProbe,
  smtp: async () => (await import('./smtp.ts')).smtpProbe,
  submission: async () => (await import('./smtp.ts')).smtpProbe,
  pop3: async () => (await import('./pop3.ts')).pop3Probe,
  imap: async () => (await import('./imap.ts')).imapProbe,
  nntp: async () => (await import('./nntp.ts')).nntpProbe,
  ftp: async () => (await import('./ftp.ts')).ftpProbe,
  ldap: async () => (await import('./ldap.ts')).ldapProbe,
  mysql: async () => (await import('./mysql.ts')).mysqlProbe,
  pgsql: async () => (await import('./pgsql.ts')).pgsqlProbe,
  redis: async () => (await import('./redis.ts')).redisProbe,
  sip: async () => (await import('./sip.ts')).sipProbe,
  radius: async () => (await import('./radius.ts')).radiusProbe,
  simpletcp: async () => (await import('./simpletcp.ts')).simpleTcpProbe,
}

/** Whether this version can run checks of this kind. */
export function isAvailableProbe(kind: ProbeKind): boolean {
  return Object.hasOwn(openers, kind)
}

/** @throws Bug for a kind that is not available: specs and the director's intent are checked before. */
export function openProbe(spec: ProbeSpec): Probe {
  const load = openers[spec.kind] as (() => Promise<(spec: ProbeSpec) => Probe>) | undefined
  if (load === undefined) throw new Bug(`checks of kind ${spec.kind} are not available`)
  let opened: Probe | undefined
  let loading: Promise<Probe> | undefined
  const first = async (...call: Parameters<Probe>): ReturnType<Probe> => {
    loading ??= load().then((open) => open(spec))
    opened = await loading
    return opened(...call)
  }
  return (target, options) => (opened === undefined ? first(target, options) : opened(target, options))
}
