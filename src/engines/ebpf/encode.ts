/** Services and real servers as the program's keys and values, and back. */
import { addressBytes, addressNumber, addressText } from '../../lvs/address.ts'
import {
  type Family,
  type Forwarding,
  familyOf,
  type Persistence,
  type RealServer,
  type SchedulerName,
  type Service,
  type ServiceId,
  type Tunnel,
} from '../../lvs/service.ts'
import { families, forwardings, layouts, protocols, rules, serviceFlags, tunnels } from './layout.ts'

/** Of services that packets can be for. */
export type PacketServiceId = Extract<ServiceId, { readonly kind: 'address' | 'fwmark' }>

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
  twos: rules.RULE_TWOS, lblc: rules.RULE_LBLC, lblcr: rules.RULE_LBLCR,
} as const // biome-ignore format: a list to read at a glance

export function ruleOf(scheduler: SchedulerName | 'none'): number {
  return (ruleNumbers as Readonly<Partial<Record<string, number>>>)[scheduler] ?? rules.RULE_NONE
}

/** ipvsadm -b, one bit each; the last is a persistence engine without persistence. */
const keptFlags = ['flag-1', 'flag-2', 'flag-3', 'sh-fallback', 'sh-port', 'mh-fallback', 'mh-port'] as const
const keptEngine = 1 << keptFlags.length

export function putAddress(bytes: Buffer, at: number, address: string): void {
  bytes.fill(0, at, at + 16).set(addressBytes(address), at)
}

export function addressAt(bytes: Buffer, at: number, family: Family): string {
  if (family === 'ipv4') return bytes.subarray(at, at + 4).join('.')
  const number = (bytes.readBigUInt64BE(at) << 64n) | bytes.readBigUInt64BE(at + 8)
  return addressText(number, family)
}

export function familyAt(bytes: Buffer, at: number): Family {
  return bytes[at] === families.ipv6 ? 'ipv6' : 'ipv4'
}

export function encodeServiceKey(id: PacketServiceId): Buffer {
  const { bytes, at } = layouts.service_key
  const key = Buffer.alloc(bytes)
  if (id.kind === 'fwmark') {
    key.writeUInt32LE(id.mark, at.address)
    key[at.family] = families[id.family]
    return key
  }
  putAddress(key, at.address, id.address)
  key.writeUInt16BE(id.port, at.port)
  key[at.protocol] = id.protocol === 'udp' ? protocols.udp : protocols.tcp
  key[at.family] = families[familyOf(id.address)]
  return key
}

export function decodeServiceKey(key: Buffer): PacketServiceId {
  const { at } = layouts.service_key
  const family = familyAt(key, at.family)
  if (key[at.protocol] === protocols.any) return { kind: 'fwmark', mark: key.readUInt32LE(at.address), family }
  return {
    kind: 'address',
    protocol: key[at.protocol] === protocols.udp ? 'udp' : 'tcp',
    address: addressAt(key, at.address, family),
    port: key.readUInt16BE(at.port),
  }
}

/** The family of a service's packets. */
export function packetFamily(id: PacketServiceId): Family {
  return id.kind === 'fwmark' ? id.family : familyOf(id.address)
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
  readonly locality: number
}

export function encodeService(service: Service, value: ServiceValue): Buffer {
  const { bytes, at } = layouts.service
  const { id, schedulerFlags, scheduler, persistence } = service
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
  target.writeUInt32LE(value.locality, at.locality)
  target[at.rule] = ruleOf(scheduler)
  target[at.flags] =
    (schedulerFlags.includes(`${scheduler}-fallback`) ? serviceFlags.fallback : 0) |
    (schedulerFlags.includes(`${scheduler}-port`) ? serviceFlags.port : 0) |
    (service.onePacket ? serviceFlags.onePacket : 0) |
    (id.kind === 'fwmark' ? serviceFlags.mark : 0)
  const bits = keptFlags.reduce((sum, flag, bit) => (schedulerFlags.includes(flag) ? sum | (1 << bit) : sum), 0)
  target.writeUInt16LE(bits | (service.idlePersistenceEngine === undefined ? 0 : keptEngine), at.kept)
  if (id.kind === 'address') target.writeUInt16BE(id.port, at.port)
  if (persistence !== undefined) {
    target.writeUInt32LE(persistence.timeoutSeconds, at.timeout)
    putMask(target, at.mask, persistence)
  }
  return target
}

export function decodeService(
  key: Buffer,
  bytes: Buffer,
): { readonly id: PacketServiceId; readonly service: Service; readonly value: ServiceValue } {
  const { at } = layouts.service
  const id = decodeServiceKey(key)
  const kept = bytes.readUInt16LE(at.kept)
  const rule = bytes[at.rule] ?? 0
  const scheduler = (Object.keys(ruleNumbers) as (keyof typeof ruleNumbers)[]).find(
    (name) => ruleNumbers[name] === rule,
  )
  const timeoutSeconds = bytes.readUInt32LE(at.timeout)
  const service: Service = {
    id,
    scheduler: scheduler ?? 'none',
    schedulerFlags: keptFlags.filter((_, bit) => (kept & (1 << bit)) !== 0),
    onePacket: ((bytes[at.flags] ?? 0) & serviceFlags.onePacket) !== 0,
    ...(timeoutSeconds === 0
      ? {}
      : { persistence: { timeoutSeconds, mask: maskAt(bytes, at.mask, packetFamily(id)) } }),
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
    locality: word(at.locality),
  }
  return { id, service, value }
}

/** A dotted mask, or the prefix length of IPv6, as the bits that count. */
function putMask(bytes: Buffer, at: number, { mask }: Persistence): void {
  if (mask.includes('.')) return putAddress(bytes, at, mask)
  for (let bit = 0; bit < Number(mask); bit++)
    bytes[at + (bit >> 3)] = (bytes[at + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7))
}

function maskAt(bytes: Buffer, at: number, family: Family): string {
  if (family === 'ipv4') return addressAt(bytes, at, family)
  const bits = addressNumber(addressAt(bytes, at, family)) ?? 0n
  return String(bits.toString(2).replaceAll('0', '').length)
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

/** Of an interface that sends and takes frames ahead of the stack. */
export function encodePort(address: Uint8Array): Buffer {
  const { bytes, at } = layouts.port
  const port = Buffer.alloc(bytes)
  port.set(address.subarray(0, 6), at.address)
  return port
}
