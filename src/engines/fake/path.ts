/** The way of a packet through the in-memory IPVS, in the order of ip_vs_core.c: replies, connections that stand, new ones. */
import type { Cidr } from '../../lvs/address.ts'
import { callIdOf } from '../../lvs/call-id.ts'
import { type SctpState, stateTimeoutSeconds, type TcpState } from '../../lvs/connection-state.ts'
import { isBeginning, isReuse, mayBegin } from '../../lvs/new-connection.ts'
import type { IcmpPacket, Packet, TransportPacket, Verdict } from '../../lvs/packet.ts'
import { ftpPort, templateKey } from '../../lvs/persistence.ts'
import { nextSctpState } from '../../lvs/sctp-states.ts'
import { type Endpoint, familyOf, type Tunnel } from '../../lvs/service.ts'
import type { Settings } from '../../lvs/settings.ts'
import { type Direction, nextTcpState } from '../../lvs/tcp-states.ts'
import { isUnicast } from '../../lvs/unicast.ts'
import { assure, type Connections, type Entry } from './connections.ts'
import { schedule } from './schedule.ts'
import type { InstalledService, Services } from './services.ts'

export type Path = {
  readonly services: Services
  readonly connections: Connections
  /** The machine's own addresses. */
  readonly addresses: readonly Cidr[]
  settings: Settings
  nowMs: number
  /** secure_tcp is on now. */
  securesTcp: boolean
  isBackup: boolean
  /** Whether drop_packet takes the packet that is about to be scheduled. */
  isDropped(): boolean
  /** After a packet of a client's: backups may have to be told. */
  carried(entry: Entry): void
}

const accept = { kind: 'accept' } as const
const drop = { kind: 'drop' } as const
const unreachable = { kind: 'unreachable' } as const

export function receive(path: Path, packet: Packet): Verdict {
  const destination = packet.protocol === 'icmp' ? packet.destination : packet.destination.address
  if (!path.services.hasFamily(familyOf(destination))) return accept
  if (packet.protocol === 'icmp') return icmp(path, packet)
  return replied(path, packet) ?? incoming(path, packet)
}

/** What a real server sends back to its client, or undefined when it is no such packet. */
function replied(path: Path, packet: TransportPacket): Verdict | undefined {
  const { services, connections, settings } = path
  const { protocol, source, destination } = packet
  const entry = connections.findReply(protocol, source, destination) ?? called(path, packet)
  if (entry !== undefined) {
    countOut(entry, packet.bytes)
    follow(path, entry, packet, 'out')
    connections.restart(entry, path.nowMs)
    return { kind: 'reply', from: entry.service, to: entry.client }
  }
  if (settings.sysctls.nat_icmp_send === 0 || services.findServer(protocol, source) === undefined) return undefined
  const isReset =
    (packet.protocol === 'tcp' && packet.flags.rst === true) ||
    (packet.protocol === 'sctp' && packet.chunks[0] === 'ABORT')
  return isReset ? undefined : unreachable
}

/** A call that a real server begins: with the persistence engine sip its packets come from the service, too. */
function called({ services, connections, nowMs }: Path, packet: TransportPacket): Entry | undefined {
  if (packet.protocol !== 'udp' || packet.payload === undefined || !services.hasSip) return undefined
  const server = services.findServer('udp', packet.source)
  const { id, persistence, onePacket } = server?.service.service ?? {}
  if (server === undefined || id?.kind !== 'address' || persistence?.engine !== 'sip') return undefined
  const callId = callIdOf(packet.payload)
  if (callId === undefined) return undefined
  const vip: Endpoint = { address: id.address, port: id.port }
  const parts = {
    protocol: 'udp',
    service: vip,
    server: packet.source,
    on: server,
    by: server.server.forwarding,
  } as const
  const key = templateKey(server.service.service, 'udp', packet.destination.address, vip)
  let template = connections.findTemplate(key, callId)
  if (template !== undefined && template.on !== server) {
    connections.invalidate(template)
    template = undefined
  }
  if (template === undefined) {
    template = connections.open({ ...parts, client: { address: key.client, port: 0 }, kind: 'template', callId })
    template.timeoutMs = persistence.timeoutSeconds * 1000
  }
  const kind = onePacket === true ? 'one-packet' : 'connection'
  const entry = connections.open({ ...parts, client: packet.destination, kind })
  connections.control(entry, template)
  connections.restart(template, nowMs)
  countConnection(entry, server.service)
  return entry
}

function incoming(path: Path, packet: TransportPacket): Verdict {
  const { connections, settings } = path
  if (path.isBackup && settings.sysctls.backup_only !== 0) return accept
  let entry = connections.find(packet.protocol, packet.source, packet.destination)
  if (entry !== undefined && isBeginning(packet) && isOver(path, entry)) {
    if (entry.controls === 0) connections.expireNow(entry, path.nowMs)
    entry = undefined
  }
  if (entry?.on?.isAvailable === false) {
    if (settings.sysctls.expire_nodest_conn === 0) return drop
    connections.expireNow(entry, path.nowMs)
    entry = undefined
  }
  if (entry !== undefined) return carry(path, entry, packet, false)
  if (!mayBegin(packet, settings.sysctls)) return accept
  const begun = begin(path, packet, packet)
  return begun.kind === 'entry' ? carry(path, begun.entry, packet, true) : begun
}

/** Whether the entry in the way of a packet that begins a connection is to give way. */
function isOver({ settings: { sysctls } }: Path, entry: Entry): boolean {
  if (sysctls.expire_nodest_conn !== 0 && entry.on?.weight === 0) return true
  const { protocol, state, control, isInputOnly } = entry
  if (protocol === 'ip') return false
  return isReuse(sysctls.conn_reuse_mode, { protocol, state, isControlled: control !== undefined, isInputOnly })
}

/** On to its real server, or where cache_bypass lets it go. */
function carry(path: Path, entry: Entry, packet: TransportPacket, isNew: boolean): Verdict {
  countIn(entry, packet.bytes)
  follow(path, entry, packet, 'in')
  countPacket(entry)
  path.connections.restart(entry, path.nowMs)
  path.carried(entry)
  return onward(entry, isNew)
}

type Begun = { readonly kind: 'entry'; readonly entry: Entry } | Exclude<Verdict, { kind: 'forward' }>

/** A new connection for a packet; `cause` is the ICMP error that it was found in, or the packet itself. */
function begin(path: Path, packet: TransportPacket, cause: Packet): Begun {
  const service = path.services.find(packet.protocol, packet.destination, cause.mark ?? 0)
  if (service === undefined) return accept
  if (path.isDropped()) return drop
  const scheduled = schedule(path, service, packet)
  if (scheduled === 'not-ours') return accept
  if (scheduled === 'unusable') return drop
  if (scheduled === 'nobody') return leave(path, service, packet, cause)
  countConnection(scheduled, service)
  return { kind: 'entry', entry: scheduled }
}

/** No real server is to be had. */
function leave(path: Path, { service }: InstalledService, packet: TransportPacket, cause: Packet): Begun {
  const { id } = service
  if (cause.protocol !== 'icmp' && id.kind === 'fwmark' && isBypassed(path, packet.destination.address)) {
    const entry = path.connections.open({
      protocol: packet.protocol,
      client: packet.source,
      service: packet.destination,
      server: { address: id.family === 'ipv6' ? '::' : '0.0.0.0', port: 0 },
      on: undefined,
      by: 'bypass',
      kind: service.onePacket && packet.protocol === 'udp' ? 'one-packet' : 'connection',
    })
    return { kind: 'entry', entry }
  }
  // Other ports of an address that has FTP.
  if (id.kind === 'address' && id.port === ftpPort && packet.destination.port !== ftpPort) return accept
  return cause.protocol === 'icmp' ? drop : unreachable
}

function isBypassed({ settings, addresses }: Path, address: string): boolean {
  if (settings.sysctls.cache_bypass === 0 || !isUnicast(address, addresses)) return false
  return familyOf(address) === 'ipv6' || !addresses.some((own) => own.address === address)
}

/** An ICMP error goes where the packet it tells of came from. */
function icmp(path: Path, packet: IcmpPacket): Verdict {
  const { connections, settings } = path
  const { about } = packet
  const reply = connections.findReply(about.protocol, about.destination, about.source)
  if (reply !== undefined) {
    countOut(reply, packet.bytes)
    const [from, to] = [reply.service.address, reply.client.address]
    return { kind: 'reply', from: { address: from, port: 0 }, to: { address: to, port: 0 } }
  }
  const inverse = { ...about, source: about.destination, destination: about.source }
  const standing = connections.find(about.protocol, inverse.source, inverse.destination)
  if (standing !== undefined) {
    countIn(standing, packet.bytes)
    countPacket(standing)
    return onward(standing, false)
  }
  if (settings.sysctls.schedule_icmp === 0) return accept
  const begun = begin(path, inverse, packet)
  if (begun.kind !== 'entry') return begun
  countIn(begun.entry, packet.bytes)
  countPacket(begun.entry)
  connections.restart(begun.entry, path.nowMs)
  return onward(begun.entry, true)
}

/** The packet's effect on the connection's state and on how long it stands. */
function follow(path: Path, entry: Entry, packet: TransportPacket, direction: 'in' | 'out'): void {
  const { connections } = path
  if (direction === 'out') entry.isInputOnly = false
  const seen: Direction = entry.isInputOnly ? 'in-only' : direction
  if (packet.protocol === 'tcp')
    connections.become(entry, nextTcpState(entry.state as TcpState, packet.flags, seen, path.securesTcp))
  else if (packet.protocol === 'sctp')
    connections.become(entry, nextSctpState(entry.state as SctpState, packet.chunks, seen))
  else if (direction === 'out') assure(entry)
  entry.timeoutMs = stateTimeoutSeconds(packet.protocol, entry.state, path.settings.timeouts) * 1000
}

function onward({ by, server, on }: Entry, isNew: boolean): Verdict {
  if (by === 'bypass') return { kind: 'bypass', isNew }
  if (on !== undefined && by !== 'local') on.route ??= by === 'direct' ? 'direct' : 'other'
  if (by === 'direct' && on?.route === 'other') return drop
  const ipip: Tunnel = { type: 'ipip' }
  const verdict = { kind: 'forward', by, to: server, isNew } as const
  return by === 'tunnel' ? { ...verdict, tunnel: on?.server.tunnel ?? ipip } : verdict
}

/** Nothing is counted for a server that has been deleted. */
function countIn({ on }: Entry, bytes: number): void {
  if (on?.isAvailable !== true) return
  on.statistics.in(bytes)
  on.service.statistics.in(bytes)
}

function countOut({ on }: Entry, bytes: number): void {
  if (on?.isAvailable !== true) return
  on.statistics.out(bytes)
  on.service.statistics.out(bytes)
}

/** A template shared by two services may lead to a server of the other: the connection counts on the one that was asked. */
function countConnection({ on }: Entry, service: InstalledService): void {
  on?.statistics.connection()
  service.statistics.connection()
}

/** One-packet connections count on their template. */
function countPacket(entry: Entry): void {
  const counted = entry.kind === 'one-packet' ? entry.control : entry
  if (counted !== undefined) counted.packets += 1
}
