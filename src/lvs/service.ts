/** The Linux Virtual Server model: virtual services and their real servers. Plain data; statistics are never part of it. */

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

export type Persistence = {
  readonly timeoutSeconds: number
  /** IPv4: the mask as text (255.255.255.255 = each client by itself); IPv6: the prefix length as text. */
  readonly mask: string
  readonly engine?: 'sip'
}

export type Service = {
  readonly id: ServiceId
  readonly scheduler: SchedulerName
  /** ipvsadm -b: sh-port, sh-fallback, mh-port, mh-fallback, flag-1 … */
  readonly schedulerFlags: readonly string[]
  readonly persistence?: Persistence
  /** ipvsadm -o: each UDP datagram is scheduled by itself. */
  readonly onePacket: boolean
  /** Closed after this long without a byte either way. Userspace only; the packet engines have LVS's own timeouts. */
  readonly idleTimeoutSeconds?: number
  /** Tells the real server who the client is (haproxy.org proxy-protocol.txt). Userspace only. */
  readonly proxyProtocol?: 'v1' | 'v2'
}

export type RealServer = {
  readonly address: string
  readonly port: number
  readonly forwarding: Forwarding
  /** 0 = drained: no new connections, the existing ones finish. */
  readonly weight: number
  /** Connection thresholds of ipvsadm -x and -y; 0 = none. */
  readonly upperThreshold: number
  readonly lowerThreshold: number
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** The identity of a service as text: `tcp 10.0.0.1:80`, `fwmark 5 ipv6`. */
export function serviceKey(id: ServiceId): string {
  return id.kind === 'address' ? `${id.protocol} ${formatEndpoint(id)}` : `fwmark ${id.mark} ${id.family}`
}

/** The identity of a real server inside its service. */
export function realServerKey(server: Endpoint): string {
  return formatEndpoint(server)
}
