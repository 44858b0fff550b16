/**
 * The generic netlink family IPVS, version 1 (include/uapi/linux/ip_vs.h): services, real servers, daemons and settings as
 * attributes. What the kernel takes and what it tells are one shape; statistics come beside it.
 */
import {
  type Attribute,
  type Attributes,
  be16,
  be32,
  decodeAttributes,
  readBe16,
  readText,
  readU16,
  readU32,
  readU64,
  text,
  u8,
  u16,
  u32,
} from './netlink.ts'
import { WireError } from './wire-error.ts'

export const ipvsFamily = { name: 'IPVS', version: 1 } as const

export const ipvsCommands = {
  newService: 1, setService: 2, deleteService: 3, getService: 4, newServer: 5, setServer: 6, deleteServer: 7, getServer: 8,
  newDaemon: 9, deleteDaemon: 10, getDaemon: 11, setConfig: 12, getConfig: 13, setInfo: 14, getInfo: 15, zero: 16, flush: 17,
} as const // biome-ignore format: a list to read at a glance
export type IpvsCommand = (typeof ipvsCommands)[keyof typeof ipvsCommands]

const top = { service: 1, server: 2, daemon: 3, tcp: 4, tcpFin: 5, udp: 6 } as const
const serviceTypes = {
  family: 1, protocol: 2, address: 3, port: 4, mark: 5, scheduler: 6, flags: 7, timeout: 8, netmask: 9, statistics: 10,
  engine: 11, statistics64: 12,
} as const // biome-ignore format: a list to read at a glance
const serverTypes = {
  address: 1, port: 2, forwarding: 3, weight: 4, upper: 5, lower: 6, active: 7, inactive: 8, persistent: 9, statistics: 10,
  family: 11, statistics64: 12, tunnel: 13, tunnelPort: 14, tunnelFlags: 15,
} as const // biome-ignore format: a list to read at a glance
const daemonTypes = {
  state: 1, interface: 2, syncId: 3, maxLength: 4, group: 5, group6: 6, port: 7, ttl: 8,
} as const // biome-ignore format: a list to read at a glance
/** In the order of the attributes, from 1 on. */
const statisticNames = [
  'connections', 'packetsIn', 'packetsOut', 'bytesIn', 'bytesOut',
  'connectionRate', 'packetInRate', 'packetOutRate', 'byteInRate', 'byteOutRate',
] as const // biome-ignore format: a list to read at a glance

export const addressFamilies = { ipv4: 2, ipv6: 10 } as const
export const ipvsFlags = {
  persistent: 1,
  hashed: 2,
  onePacket: 4,
  scheduler1: 8,
  scheduler2: 16,
  scheduler3: 32,
} as const
export const forwardingMethods = { masq: 0, local: 1, tunnel: 2, direct: 3 } as const
export const tunnelTypes = { ipip: 0, gue: 1, gre: 2 } as const
export const tunnelFlags = { nocsum: 0, csum: 1, remcsum: 2 } as const
export const daemonStates = { master: 1, backup: 2 } as const
/** IP_VS_CONN_F_FWD_MASK: the rest of the attribute is the kernel's own. */
const forwardingMask = 7
const ports = 2 ** 16

/** `address`: 4 or 16 bytes in network order. */
export type IpvsServiceId = { readonly family: number } & (
  | { readonly mark: number }
  | { readonly protocol: number; readonly address: Uint8Array; readonly port: number }
)

export type IpvsService = {
  readonly id: IpvsServiceId
  readonly scheduler: string
  readonly flags: number
  /** Of persistence, in seconds. */
  readonly timeout: number
  /** IPv4: a mask in network order. IPv6: a prefix length. */
  readonly netmask: number
  readonly engine?: string
}

export type IpvsServerId = { readonly family: number; readonly address: Uint8Array; readonly port: number }

export type IpvsServer = IpvsServerId & {
  readonly forwarding: number
  readonly weight: number
  readonly upper: number
  readonly lower: number
  /** Left out: of the kernel's default, IPIP; kernels before 5.3 know no other. */
  readonly tunnel?: { readonly type: number; readonly port: number; readonly flags: number }
}

export type IpvsStatistics = { readonly [Name in (typeof statisticNames)[number]]: number }
export type IpvsServerCounts = { readonly active: number; readonly inactive: number; readonly persistent: number }

/** `group`: 4 or 16 bytes in network order. What is left out is the kernel's to choose. */
export type IpvsDaemon = {
  readonly state: number
  readonly interface: string
  readonly syncId: number
  readonly maxLength?: number
  readonly group?: Uint8Array
  readonly port?: number
  readonly ttl?: number
}

/** Seconds; 0 keeps what is. */
export type IpvsTimeouts = { readonly tcp: number; readonly tcpFin: number; readonly udp: number }

/** All of a service, or only what tells it from others. */
export function serviceAttribute(id: IpvsServiceId, service?: Omit<IpvsService, 'id'>): Attribute {
  const { family, protocol, address, port, mark, scheduler, flags, timeout, netmask, engine } = serviceTypes
  const own: Attribute[] = [[family, u16(id.family)]]
  if ('mark' in id) own.push([mark, u32(id.mark)])
  else own.push([protocol, u16(id.protocol)], [address, padded(id.address)], [port, be16(id.port)])
  if (service === undefined) return [top.service, own]
  own.push([scheduler, text(service.scheduler)])
  if (service.engine !== undefined) own.push([engine, text(service.engine)])
  // Of all flags but those that are the kernel's.
  own.push([flags, Uint8Array.from([...u32(service.flags), ...u32(~ipvsFlags.hashed >>> 0)])])
  own.push([timeout, u32(service.timeout)])
  own.push([netmask, id.family === addressFamilies.ipv6 ? u32(service.netmask) : be32(service.netmask)])
  return [top.service, own]
}

/** All of a real server, or only what tells it from others. */
export function serverAttribute(id: IpvsServerId, server?: Omit<IpvsServer, keyof IpvsServerId>): Attribute {
  const types = serverTypes
  const own: Attribute[] = [
    [types.address, padded(id.address)],
    [types.port, be16(id.port)],
    [types.family, u16(id.family)],
  ]
  if (server === undefined) return [top.server, own]
  const { forwarding, weight, upper, lower, tunnel } = server
  own.push([types.forwarding, u32(forwarding)], [types.weight, u32(weight)])
  own.push([types.upper, u32(upper)], [types.lower, u32(lower)])
  if (tunnel !== undefined)
    own.push(
      [types.tunnel, u8(tunnel.type)],
      [types.tunnelPort, be16(tunnel.port)],
      [types.tunnelFlags, u16(tunnel.flags)],
    )
  return [top.server, own]
}

export function daemonAttribute(daemon: IpvsDaemon): Attribute {
  const types = daemonTypes
  const own: Attribute[] = [
    [types.state, u32(daemon.state)],
    [types.interface, text(daemon.interface)],
    [types.syncId, u32(daemon.syncId)],
  ]
  if (daemon.maxLength !== undefined) own.push([types.maxLength, u16(daemon.maxLength)])
  if (daemon.group !== undefined) own.push([daemon.group.length === 16 ? types.group6 : types.group, daemon.group])
  if (daemon.port !== undefined) own.push([types.port, u16(daemon.port)])
  if (daemon.ttl !== undefined) own.push([types.ttl, u8(daemon.ttl)])
  return [top.daemon, own]
}

/** Whose daemon is to stop. */
export function daemonStateAttribute(state: number): Attribute {
  return [top.daemon, [[daemonTypes.state, u32(state)]]]
}

export function timeoutAttributes({ tcp, tcpFin, udp }: IpvsTimeouts): Attribute[] {
  return [
    [top.tcp, u32(tcp)],
    [top.tcpFin, u32(tcpFin)],
    [top.udp, u32(udp)],
  ]
}

/** @throws WireError */
export function decodeService(payload: Uint8Array): IpvsService & { readonly statistics: IpvsStatistics } {
  const own = decodeAttributes(must(decodeAttributes(payload), top.service, 'a service'))
  const types = serviceTypes
  const family = readU16(must(own, types.family, 'the family of a service'))
  const mark = own.get(types.mark)
  const netmask = must(own, types.netmask, 'the netmask of a service')
  const engine = own.get(types.engine)
  return {
    id:
      mark === undefined
        ? {
            family,
            protocol: readU16(must(own, types.protocol, 'the protocol of a service')),
            address: decodedAddress(must(own, types.address, 'the address of a service'), family),
            port: readBe16(must(own, types.port, 'the port of a service')),
          }
        : { family, mark: readU32(mark) },
    scheduler: readText(must(own, types.scheduler, 'the scheduler of a service')),
    flags: readU32(must(own, types.flags, 'the flags of a service')),
    timeout: readU32(must(own, types.timeout, 'the timeout of a service')),
    netmask: family === addressFamilies.ipv6 ? readU32(netmask) : readBe32(netmask),
    ...(engine === undefined ? {} : { engine: readText(engine) }),
    statistics: decodeStatistics(own.get(types.statistics64), own.get(types.statistics)),
  }
}

/** `serviceFamily`: what kernels before 3.18 leave out. @throws WireError */
export function decodeServer(
  payload: Uint8Array,
  serviceFamily: number,
): IpvsServer & IpvsServerCounts & { readonly statistics: IpvsStatistics } {
  const own = decodeAttributes(must(decodeAttributes(payload), top.server, 'a real server'))
  const types = serverTypes
  const number = (type: number): number => {
    const value = own.get(type)
    return value === undefined ? 0 : readU32(value)
  }
  const ownFamily = own.get(types.family)
  const family = ownFamily === undefined ? serviceFamily : readU16(ownFamily)
  const [tunnel, tunnelPort, flags] = [types.tunnel, types.tunnelPort, types.tunnelFlags].map((type) => own.get(type))
  return {
    family,
    address: decodedAddress(must(own, types.address, 'the address of a real server'), family),
    port: readBe16(must(own, types.port, 'the port of a real server')),
    forwarding: number(types.forwarding) & forwardingMask,
    weight: number(types.weight),
    upper: number(types.upper),
    lower: number(types.lower),
    ...(tunnel === undefined
      ? {}
      : {
          tunnel: {
            type: tunnel[0] ?? 0,
            port: tunnelPort === undefined ? 0 : readBe16(tunnelPort),
            flags: flags === undefined ? 0 : readU16(flags),
          },
        }),
    active: number(types.active),
    inactive: number(types.inactive),
    persistent: number(types.persistent),
    statistics: decodeStatistics(own.get(types.statistics64), own.get(types.statistics)),
  }
}

/** @throws WireError */
export function decodeDaemon(payload: Uint8Array): IpvsDaemon {
  const own = decodeAttributes(must(decodeAttributes(payload), top.daemon, 'a daemon'))
  const types = daemonTypes
  const [maxLength, port, ttl] = [types.maxLength, types.port, types.ttl].map((type) => own.get(type))
  const group = own.get(types.group6) ?? own.get(types.group)
  return {
    state: readU32(must(own, types.state, 'the state of a daemon')),
    interface: readText(must(own, types.interface, 'the interface of a daemon')),
    syncId: readU32(must(own, types.syncId, 'the id of a daemon')),
    ...(maxLength === undefined ? {} : { maxLength: readU16(maxLength) }),
    ...(group === undefined ? {} : { group: Uint8Array.from(group) }),
    ...(port === undefined ? {} : { port: readU16(port) }),
    ...(ttl === undefined ? {} : { ttl: ttl[0] ?? 0 }),
  }
}

/** @throws WireError */
export function decodeTimeouts(payload: Uint8Array): IpvsTimeouts {
  const own = decodeAttributes(payload)
  return {
    tcp: readU32(must(own, top.tcp, 'a timeout')),
    tcpFin: readU32(must(own, top.tcpFin, 'a timeout')),
    udp: readU32(must(own, top.udp, 'a timeout')),
  }
}

/** `version`: 0x010201 is 1.2.1. @throws WireError */
export function decodeInfo(payload: Uint8Array): { readonly version: number; readonly tableSize: number } {
  const own = decodeAttributes(payload)
  return { version: readU32(must(own, 1, 'the version')), tableSize: readU32(must(own, 2, 'the size of the table')) }
}

/** 64 bits wide since 4.1; before that connections, packets and rates have 32. */
function decodeStatistics(wide: Uint8Array | undefined, narrow: Uint8Array | undefined): IpvsStatistics {
  const own = decodeAttributes(wide ?? narrow ?? new Uint8Array())
  const value = (index: number): number => {
    const bytes = own.get(index + 1)
    if (bytes === undefined) return 0
    return bytes.length >= 8 ? readU64(bytes) : readU32(bytes)
  }
  return Object.fromEntries(statisticNames.map((name, index) => [name, value(index)])) as IpvsStatistics
}

function must(attributes: Attributes, type: number, what: string): Uint8Array {
  const value = attributes.get(type)
  if (value === undefined) throw new WireError(0, what)
  return value
}

function decodedAddress(bytes: Uint8Array, family: number): Uint8Array {
  return Uint8Array.from(bytes.subarray(0, family === addressFamilies.ipv6 ? 16 : 4))
}

/** union nf_inet_addr. */
function padded(address: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes.set(address)
  return bytes
}

function readBe32(bytes: Uint8Array): number {
  return readBe16(bytes) * ports + readBe16(bytes.subarray(2))
}
