/** Made-up clients and servers that speak to the in-memory IPVS: whole connections where a test wants no packets. */

import type { TcpFlags, TransportPacket } from '../../lvs/packet.ts'
import { type Endpoint, type Protocol, realServerKey, type ServiceId, serviceKey } from '../../lvs/service.ts'
import { estimateMs } from '../estimator.ts'
import type { Entry } from './connections.ts'
import type { Ipvs } from './ipvs.ts'

/** A made-up connection. Each call after `close` does nothing. */
export type FakeConnection = {
  readonly server: Endpoint
  /** One packet each way, of so many bytes. */
  transfer(bytes: { readonly in: number; readonly out: number }): void
  /** The client has said goodbye: inactive from now on. */
  halfClose(): void
  /** It is over and forgotten. */
  close(): void
}

export type FakeTraffic = {
  /** A new connection, placed by the service's scheduler or on a named server; undefined when none is usable. */
  connect(
    id: ServiceId,
    options?: { readonly client?: Endpoint; readonly server?: Endpoint },
  ): FakeConnection | undefined
}

/** Of packets that carry nothing. */
const headerBytes = 40

export function fakeTraffic(ipvs: Ipvs): FakeTraffic {
  let port = 40_000
  const settle = (): void => ipvs.advanceTo(ipvs.nowMs + estimateMs)
  return {
    connect(id, { client: wanted, server } = {}) {
      const [protocol, service] = addressed(id)
      const client = wanted ?? { address: clientAddress(service), port: port++ }
      const mark = id.kind === 'fwmark' ? id.mark : 0
      const freeScheduler = server && only(ipvs, id, server)
      if (server !== undefined && freeScheduler === undefined) return undefined
      const packet = (flags: TcpFlags, bytes = headerBytes): TransportPacket => ({
        ...transport(protocol, flags),
        source: client,
        destination: service,
        bytes,
        mark,
      })
      const verdict = ipvs.receive(packet({ syn: true }))
      freeScheduler?.()
      const entry = ipvs.connections.find(protocol, client, service)
      if (verdict.kind !== 'forward' || entry === undefined) return undefined
      const answer = (flags: TcpFlags, bytes = headerBytes): void => {
        ipvs.receive({ ...transport(protocol, flags), source: entry.server, destination: client, bytes })
      }
      if (protocol === 'tcp') {
        answer({ syn: true, ack: true })
        ipvs.receive(packet({ ack: true }))
      }
      settle()
      return conversation(ipvs, entry, packet, answer, settle)
    },
  }
}

function conversation(
  ipvs: Ipvs,
  entry: Entry,
  packet: (flags: TcpFlags, bytes?: number) => TransportPacket,
  answer: (flags: TcpFlags, bytes: number) => void,
  settle: () => void,
): FakeConnection {
  const isOpen = (): boolean => ipvs.connections.all.has(entry)
  return {
    server: entry.server,
    transfer(bytes) {
      if (!isOpen()) return
      if (bytes.in > 0) ipvs.receive(packet({ ack: true }, bytes.in))
      if (bytes.out > 0) answer({ ack: true }, bytes.out)
      settle()
    },
    halfClose() {
      if (isOpen()) ipvs.receive(packet({ fin: true, ack: true }))
    },
    close() {
      if (isOpen()) ipvs.connections.drop(entry)
    },
  }
}

/** The service's scheduler knows this server only, until the returned function is called. */
function only(ipvs: Ipvs, id: ServiceId, wanted: Endpoint): (() => void) | undefined {
  const service = ipvs.services.byKey.get(serviceKey(id))
  const server = service?.byKey.get(realServerKey(wanted))
  if (service === undefined || server === undefined) return undefined
  const { scheduler } = service
  service.scheduler = { pick: () => server, added() {}, removed() {}, edited() {}, counted() {} }
  return () => {
    service.scheduler = scheduler
    scheduler.counted(server)
  }
}

function addressed(id: ServiceId): readonly [Protocol, Endpoint] {
  if (id.kind === 'address') return [id.protocol, { address: id.address, port: id.port }]
  const address = id.kind === 'fwmark' && id.family === 'ipv6' ? '2001:db8::80' : '192.0.2.80'
  return ['tcp', { address, port: 80 }]
}

function clientAddress({ address }: Endpoint): string {
  return address.includes(':') ? '2001:db8::1' : '198.51.100.1'
}

function transport(protocol: Protocol, flags: TcpFlags) {
  if (protocol === 'tcp') return { protocol, flags }
  return protocol === 'udp' ? { protocol } : { protocol, chunks: [flags.syn === true ? 'INIT' : 'DATA'] as const }
}
