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
  agent: async () => (await import('./agent.ts')).agentProbe,
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
  const first = async (...call: Parameters<Probe>): ReturnType<Probe> => {
    opened ??= (await load())(spec)
    return opened(...call)
  }
  return (target, options) => (opened === undefined ? first(target, options) : opened(target, options))
}
