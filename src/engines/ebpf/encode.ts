/** Services, real servers and connections as the program's keys and values, and back. */
import { addressNumber, addressText } from '../../lvs/address.ts'
import { tcpStates } from '../../lvs/connection-state.ts'
import {
  type Endpoint,
  type Family,
  type Forwarding,
  familyOf,
  type RealServer,
  type SchedulerName,
  type Service,
  type ServiceId,
  type Tunnel,
} from '../../lvs/service.ts'
import type { Connection } from '../engine.ts'
import { families, forwardings, layouts, protocols, rules, serviceFlags, tunnels } from './layout.ts'

export type AddressServiceId = Extract<ServiceId, { readonly kind: 'address' }>

const forwardingNumbers: Readonly<Record<Forwarding, number>> = {
  masq: forwardings.FORWARD_MASQ,
  local: forwardings.FORWARD_LOCAL,
  tunnel: forwardings.FORWARD_TUNNEL,
  direct: forwardings.FORWARD_DIRECT,
}
const forwardingNames = Object.keys(forwardingNumbers) as Forwarding[]

const ruleNumbers = {
  none: rules.RULE_NONE, rr: rules.RULE_RR, wrr: rules.RULE_WRR, lc: rules.RULE_LC, wlc: rules.RULE_WLC, sed: rules.RULE_SED,
  nq: rules.RULE_NQ, fo: rules.RULE_FO, ovf: rules.RULE_OVF, sh: rules.RULE_SH, mh: rules.RULE_MH, dh: rules.RULE_DH,
} as const // biome-ignore format: a list to read at a glance

export function ruleOf(scheduler: SchedulerName | 'none'): number {
  return (ruleNumbers as Readonly<Partial<Record<string, number>>>)[scheduler] ?? rules.RULE_NONE
}

/** ipvsadm -b, one bit each; the last is a persistence engine without persistence. */
const keptFlags = ['flag-1', 'flag-2', 'flag-3', 'sh-fallback', 'sh-port', 'mh-fallback', 'mh-port'] as const
const keptEngine = 1 << keptFlags.length

export function putAddress(bytes: Buffer, at: number, address: string): void {
  const isIpv6 = address.includes(':')
  let rest = addressNumber(address) ?? 0n
  bytes.fill(0, at, at + 16)
  for (let index = isIpv6 ? 15 : 3; index >= 0; index--, rest >>= 8n) bytes[at + index] = Number(rest & 255n)
}

export function addressAt(bytes: Buffer, at: number, family: Family): string {
  if (family === 'ipv4') return bytes.subarray(at, at + 4).join('.')
  const number = (bytes.readBigUInt64BE(at) << 64n) | bytes.readBigUInt64BE(at + 8)
  return addressText(number, family)
}

export function familyAt(bytes: Buffer, at: number): Family {
  return bytes[at] === families.ipv6 ? 'ipv6' : 'ipv4'
}

export function encodeServiceKey({ address, port, protocol }: AddressServiceId): Buffer {
  const { bytes, at } = layouts.service_key
  const key = Buffer.alloc(bytes)
  putAddress(key, at.address, address)
  key.writeUInt16BE(port, at.port)
  key[at.protocol] = protocol === 'udp' ? protocols.udp : protocols.tcp
  key[at.family] = families[familyOf(address)]
  return key
}

export function decodeServiceKey(key: Buffer): AddressServiceId {
  const { at } = layouts.service_key
  return {
    kind: 'address',
    protocol: key[at.protocol] === protocols.udp ? 'udp' : 'tcp',
    address: addressAt(key, at.address, familyAt(key, at.family)),
    port: key.readUInt16BE(at.port),
  }
}

/** A service as the program sees it, and what the director keeps with it. */
export type ServiceValue = {
  readonly slot: number
  readonly generation: number
  readonly members: number
  readonly count: number
  readonly table: number
  readonly tableSize: number
  readonly last: number
  readonly bar: number
  readonly highest: number
  readonly step: number
  readonly order: number
}

export function encodeService(service: Service, value: ServiceValue): Buffer {
  const { bytes, at } = layouts.service
  const { schedulerFlags, scheduler } = service
  const target = Buffer.alloc(bytes)
  target.writeUInt32LE(value.slot, at.slot)
  target.writeUInt32LE(value.generation, at.generation)
  target.writeUInt32LE(value.members, at.members)
  target.writeUInt32LE(value.count, at.count)
  target.writeUInt32LE(value.table, at.table)
  target.writeUInt32LE(value.tableSize, at.table_size)
  target.writeInt32LE(value.last, at.last)
  target.writeUInt32LE(value.bar, at.bar)
  target.writeUInt32LE(value.highest, at.highest)
  target.writeUInt32LE(value.step, at.step)
  target.writeUInt32LE(value.order, at.order)
  target[at.rule] = ruleOf(scheduler)
  target[at.flags] =
    (schedulerFlags.includes(`${scheduler}-fallback`) ? serviceFlags.fallback : 0) |
    (schedulerFlags.includes(`${scheduler}-port`) ? serviceFlags.port : 0)
  const bits = keptFlags.reduce((sum, flag, bit) => (schedulerFlags.includes(flag) ? sum | (1 << bit) : sum), 0)
  target.writeUInt16LE(bits | (service.idlePersistenceEngine === undefined ? 0 : keptEngine), at.kept)
  return target
}

export function decodeService(
  key: Buffer,
  bytes: Buffer,
): { readonly id: AddressServiceId; readonly service: Service; readonly value: ServiceValue } {
  const { at } = layouts.service
  const id = decodeServiceKey(key)
  const kept = bytes.readUInt16LE(at.kept)
  const rule = bytes[at.rule] ?? 0
  const scheduler = (Object.keys(ruleNumbers) as (keyof typeof ruleNumbers)[]).find(
    (name) => ruleNumbers[name] === rule,
  )
  const service: Service = {
    id,
    scheduler: scheduler ?? 'none',
    schedulerFlags: keptFlags.filter((_, bit) => (kept & (1 << bit)) !== 0),
    onePacket: false,
    ...((kept & keptEngine) === 0 ? {} : { idlePersistenceEngine: 'sip' }),
  }
  const word = (offset: number): number => bytes.readUInt32LE(offset)
  const value: ServiceValue = {
    slot: word(at.slot),
    generation: word(at.generation),
    members: word(at.members),
    count: word(at.count),
    table: word(at.table),
    tableSize: word(at.table_size),
    last: bytes.readInt32LE(at.last),
    bar: word(at.bar),
    highest: word(at.highest),
    step: word(at.step),
    order: word(at.order),
  }
  return { id, service, value }
}

/** Only what the director says of a server: its counts are the program's. */
export function putServer(bytes: Buffer, start: number, server: RealServer, lastWeight: number): void {
  const { at } = layouts.server
  putAddress(bytes, start + at.address, server.address)
  bytes.writeUInt16BE(server.port, start + at.port)
  bytes[start + at.family] = families[familyOf(server.address)]
  bytes[start + at.forwarding] = forwardingNumbers[server.forwarding]
  bytes[start + at.tunnel] = tunnelNumber(server.tunnel)
  bytes.writeUInt16BE(server.tunnel?.type === 'gue' ? server.tunnel.port : 0, start + at.tunnel_port)
  bytes.writeUInt32LE(server.weight, start + at.weight)
  bytes.writeUInt32LE(lastWeight, start + at.last_weight)
  bytes.writeUInt32LE(server.upperThreshold, start + at.upper)
  bytes.writeUInt32LE(server.lowerThreshold, start + at.lower)
}

export function serverAt(bytes: Buffer, start: number): { readonly server: RealServer; readonly lastWeight: number } {
  const { at } = layouts.server
  const server: RealServer = {
    address: addressAt(bytes, start + at.address, familyAt(bytes, start + at.family)),
    port: bytes.readUInt16BE(start + at.port),
    forwarding: forwardingNames.find((name) => forwardingNumbers[name] === bytes[start + at.forwarding]) ?? 'masq',
    weight: bytes.readUInt32LE(start + at.weight),
    upperThreshold: bytes.readUInt32LE(start + at.upper),
    lowerThreshold: bytes.readUInt32LE(start + at.lower),
    ...tunnelAt(bytes, start),
  }
  return { server, lastWeight: bytes.readUInt32LE(start + at.last_weight) }
}

function tunnelNumber(tunnel: Tunnel | undefined): number {
  switch (tunnel?.type) {
    case undefined:
      return tunnels.TUNNEL_PLAIN
    case 'ipip':
      return tunnels.TUNNEL_IPIP
    case 'gue':
      return tunnels.TUNNEL_GUE
    case 'gre':
      return tunnels.TUNNEL_GRE
  }
}

function tunnelAt(bytes: Buffer, start: number): { readonly tunnel?: Tunnel } {
  const { at } = layouts.server
  const checksum = 'nocsum'
  switch (bytes[start + at.tunnel]) {
    case tunnels.TUNNEL_IPIP:
      return { tunnel: { type: 'ipip' } }
    case tunnels.TUNNEL_GUE:
      return { tunnel: { type: 'gue', port: bytes.readUInt16BE(start + at.tunnel_port), checksum } }
    case tunnels.TUNNEL_GRE:
      return { tunnel: { type: 'gre', checksum } }
    default:
      return {}
  }
}

/** A connection of the table; `nowNs` is CLOCK_MONOTONIC. */
export function decodeConnection(key: Buffer, flow: Buffer, nowNs: bigint): Connection {
  const { at } = layouts.flow_key
  const { word, expires, other } = layouts.flow.at
  const end = (bytes: Buffer, address: number, port: number, family: Family): Endpoint => ({
    address: addressAt(bytes, address, family),
    port: bytes.readUInt16BE(port),
  })
  const family = familyAt(key, at.family)
  const protocol = key[at.protocol] === protocols.udp ? 'udp' : 'tcp'
  const left = flow.readBigUInt64LE(expires) - nowNs
  return {
    protocol,
    client: end(key, at.source, at.source_port, family),
    service: end(key, at.destination, at.destination_port, family),
    server: end(flow, other + at.source, other + at.source_port, familyAt(flow, other + at.family)),
    state: protocol === 'udp' ? 'UDP' : (tcpStates[flow[word] ?? 0] ?? 'NONE'),
    expiresSeconds: left > 0n ? Number(left / 1_000_000_000n) : 0,
  }
}
