/** The Linux Virtual Server model: virtual services and their real servers. Plain data; statistics are never part of it. */
import type { Application } from './application.ts'

export type Protocol = 'tcp' | 'udp' | 'sctp'
export type Family = 'ipv4' | 'ipv6'

/** In the order in which ipvsadm(8) names them. */
export const schedulerNames = [
  'rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'dh', 'sh', 'sed', 'nq', 'fo', 'ovf', 'mh', 'twos',
] as const // biome-ignore format: a list to read at a glance
export type SchedulerName = (typeof schedulerNames)[number]

/** How a packet reaches its real server: ipvsadm -m, -i, -g, and a server on the director itself. */
export type Forwarding = 'masq' | 'tunnel' | 'direct' | 'local'

/** `address` is canonical text: dotted IPv4, or RFC 5952 IPv6 without brackets. `port` is 0..65535. */
export type Endpoint = { readonly address: string; readonly port: number }

export type ServiceId =
  | { readonly kind: 'address'; readonly protocol: Protocol; readonly address: string; readonly port: number }
  | { readonly kind: 'fwmark'; readonly mark: number; readonly family: Family }
  /** DNS-based: answers to questions for a name, asked at this address and port over UDP and TCP. */
  | { readonly kind: 'dns'; readonly name: string; readonly address: string; readonly port: number }
  /** Reached through the content rules of other services only. */
  | { readonly kind: 'pool'; readonly name: string }

export type Persistence = {
  readonly timeoutSeconds: number
  /** IPv4: the mask as text (255.255.255.255 = each client by itself); IPv6: the prefix length as text. */
  readonly mask: string
  readonly engine?: 'sip'
}

export type Service = {
  readonly id: ServiceId
  /** `none`: nobody is picked, every client is refused (ipvsadm -s none). */
  readonly scheduler: SchedulerName | 'none'
  /** ipvsadm -b, by the names that fit the scheduler: sh-fallback sh-port, mh-fallback mh-port, else flag-1 flag-2 flag-3. */
  readonly schedulerFlags: readonly string[]
  readonly persistence?: Persistence
  /** ipvsadm --pe without -p: kept and saved, without effect. */
  readonly idlePersistenceEngine?: 'sip'
  /** ipvsadm -o: each UDP datagram is scheduled by itself. */
  readonly onePacket: boolean
  /** Closed after this long without a byte either way. Userspace only; the packet engines have LVS's own timeouts. */
  readonly idleTimeoutSeconds?: number
  /** Tells the real server who the client is (haproxy.org proxy-protocol.txt). Userspace only. */
  readonly proxyProtocol?: 'v1' | 'v2'
  /** Reads what the client says before it chooses. Only for tcp services with an address. */
  readonly application?: Application
  /** What a DNS answer may be kept for. Only for DNS-based services. */
  readonly ttlSeconds?: number
}

/** How packets are wrapped on their way to a real server of forwarding `tunnel`: ipvsadm --tun-type. */
export type Tunnel =
  | { readonly type: 'ipip' }
  | { readonly type: 'gre'; readonly checksum: 'nocsum' | 'csum' }
  | { readonly type: 'gue'; readonly port: number; readonly checksum: 'nocsum' | 'csum' | 'remcsum' }

export type RealServer = {
  readonly address: string
  readonly port: number
  readonly forwarding: Forwarding
  /** 0 = drained: no new connections, the existing ones finish. */
  readonly weight: number
  /** Connection thresholds of ipvsadm -x and -y; 0 = none. */
  readonly upperThreshold: number
  readonly lowerThreshold: number
  /** Left out: ipip. Only with forwarding `tunnel`. */
  readonly tunnel?: Tunnel
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The identity of a service as text: `tcp 10.0.0.1:80`, `fwmark 5 ipv6`, `dns www.shop 10.0.0.1:53`, `pool api`. */
export function serviceKey(id: ServiceId): string {
  switch (id.kind) {
    case 'address':
      return `${id.protocol} ${formatEndpoint(id)}`
    case 'fwmark':
      return `fwmark ${id.mark} ${id.family}`
    case 'dns':
      return `dns ${id.name} ${formatEndpoint(id)}`
    case 'pool':
      return `pool ${id.name}`
  }
}

/** The identity of a real server inside its service. */
export function realServerKey(server: Endpoint): string {
  return formatEndpoint(server)
}
