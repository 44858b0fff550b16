/** An in-memory IPVS with one service and its real servers, and packets in few words: for tests. */
import { Ipvs, type IpvsOptions } from '../../src/engines/fake/ipvs.ts'
import type { SctpChunk, TransportPacket, Verdict } from '../../src/lvs/packet.ts'
import { type Endpoint, formatEndpoint, type RealServer, type Service, type ServiceId } from '../../src/lvs/service.ts'
import type { SettingsChange, Sysctls } from '../../src/lvs/settings.ts'

export const vip = '10.50.0.1'
export const tcpService = (port = 80): ServiceId => ({ kind: 'address', protocol: 'tcp', address: vip, port })
export const udpService = (port = 53): ServiceId => ({ kind: 'address', protocol: 'udp', address: vip, port })
export const sctpService = (port = 99): ServiceId => ({ kind: 'address', protocol: 'sctp', address: vip, port })

export function ipvsServer(last: number, changes: Partial<RealServer> = {}): RealServer {
  const server = { address: `10.9.0.${last}`, port: 8080, forwarding: 'masq', weight: 1 } as const
  return { ...server, upperThreshold: 0, lowerThreshold: 0, ...changes }
}

export class IpvsWorld {
  readonly ipvs: Ipvs

  constructor(options: IpvsOptions = {}) {
    this.ipvs = new Ipvs(options)
  }

  add(id: ServiceId, servers: readonly RealServer[], changes: Partial<Service> = {}): this {
    const service: Service = { id, scheduler: 'rr', schedulerFlags: [], onePacket: false, ...changes }
    this.ipvs.apply({ kind: 'service.add', service })
    for (const server of servers) this.ipvs.apply({ kind: 'server.add', id, server })
    return this
  }

  sysctls(sysctls: Partial<Sysctls>): this {
    return this.set({ sysctls })
  }

  set(settings: SettingsChange): this {
    this.ipvs.apply({ kind: 'settings', settings })
    return this
  }

  advance(seconds: number): this {
    this.ipvs.advanceTo(this.ipvs.nowMs + seconds * 1000)
    return this
  }

  /** What becomes of it, in a word: `masq 10.9.0.2:8080`, `reply 10.50.0.1:80`, `drop`, … */
  receive(packet: TransportPacket): string {
    const verdict = this.ipvs.receive(packet)
    this.advance(0)
    return inWords(verdict)
  }

  /** As `ipvsadm -Lnc` prints them, in the order in which they began. */
  list(): string[] {
    return [...this.ipvs.connections.all].map((entry) => {
      const { protocol, state, client, service, server, expiresSeconds, persistenceData } = this.ipvs.describe(entry)
      const ends = [client, service, server].map(formatEndpoint).join(' ')
      const call = persistenceData === undefined ? '' : ` ${persistenceData.engine} ${persistenceData.data}`
      return `${protocol} ${expiresSeconds} ${state} ${ends}${call}`
    })
  }

  /** `10.9.0.2 1/0/0`: active, inactive, persistent of each server, in scheduler order. */
  counts(): string[] {
    return this.ipvs
      .read()
      .flatMap(({ servers }) =>
        servers.map(
          ({ server, active, inactive, persistent }) => `${server.address} ${active}/${inactive}/${persistent}`,
        ),
      )
  }
}

function inWords(verdict: Verdict): string {
  if (verdict.kind === 'forward') return `${verdict.by} ${formatEndpoint(verdict.to)}`
  return verdict.kind === 'reply' ? `reply ${formatEndpoint(verdict.from)}` : verdict.kind
}

export type PacketOver = { readonly bytes?: number; readonly mark?: number; readonly payload?: Uint8Array }

/** TCP, by the first letters of its flags: `S`, `SA`, `FA`, `R`; empty for none. */
export function tcp(from: string, to: string, flags: string, over: PacketOver = {}): TransportPacket {
  const has = (flag: string): boolean => flags.includes(flag)
  const bits = { syn: has('S'), ack: has('A'), fin: has('F'), rst: has('R') }
  return { protocol: 'tcp', flags: bits, source: endpoint(from), destination: endpoint(to), bytes: 40, ...over }
}

export function udp(from: string, to: string, over: PacketOver = {}): TransportPacket {
  return { protocol: 'udp', source: endpoint(from), destination: endpoint(to), bytes: 33, ...over }
}

export function sctp(from: string, to: string, ...chunks: SctpChunk[]): TransportPacket {
  return { protocol: 'sctp', chunks, source: endpoint(from), destination: endpoint(to), bytes: 48 }
}

export const text = (characters: string): Uint8Array =>
  Uint8Array.from(characters, (character) => character.charCodeAt(0))

function endpoint(words: string): Endpoint {
  const at = words.lastIndexOf(':')
  return { address: words.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(words.slice(at + 1)) }
}
