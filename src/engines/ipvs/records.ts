/** Services, real servers and daemons as the kernel's records, and back. Pure. */
import { addressBytes, addressFromBytes } from '../../lvs/address.ts'
import type { SyncDaemon } from '../../lvs/edit.ts'
import {
  type Endpoint,
  type Family,
  type Forwarding,
  familyOf,
  type Persistence,
  type Protocol,
  type RealServer,
  type SchedulerName,
  type Service,
  type ServiceId,
  schedulerNames,
  type Tunnel,
} from '../../lvs/service.ts'
import {
  addressFamilies,
  daemonStates,
  forwardingMethods,
  type IpvsDaemon,
  type IpvsServer,
  type IpvsServerId,
  type IpvsService,
  type IpvsServiceId,
  type IpvsStatistics,
  ipvsFlags,
  tunnelFlags,
  tunnelTypes,
} from '../../wire/ipvs.ts'
import type { Counters, Rates } from '../engine.ts'

const protocols: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 }
/** Of sh and mh the first two flags have names of their own. */
const flagBits = [ipvsFlags.scheduler1, ipvsFlags.scheduler2, ipvsFlags.scheduler3] as const
const wholeMask = 0xffff_ffff
const wholePrefix = 128

/** Those that the kernel can hold. */
export type KernelServiceId = Extract<ServiceId, { readonly kind: 'address' | 'fwmark' }>

export function isKernelService(id: ServiceId): id is KernelServiceId {
  return id.kind === 'address' || id.kind === 'fwmark'
}

export function familyOfService(id: KernelServiceId): Family {
  return id.kind === 'fwmark' ? id.family : familyOf(id.address)
}

export function serviceIdRecord(id: KernelServiceId): IpvsServiceId {
  const family = addressFamilies[familyOfService(id)]
  if (id.kind === 'fwmark') return { family, mark: id.mark }
  return { family, protocol: protocols[id.protocol], address: addressBytes(id.address), port: id.port }
}

/** undefined for a protocol that Baton does not know, and cannot have made. */
export function serviceIdOf(record: IpvsServiceId): KernelServiceId | undefined {
  const family = domainFamily(record.family)
  if ('mark' in record) return { kind: 'fwmark', mark: record.mark, family }
  const protocol = (Object.keys(protocols) as Protocol[]).find((name) => protocols[name] === record.protocol)
  if (protocol === undefined) return undefined
  return { kind: 'address', protocol, address: addressFromBytes(record.address, family), port: record.port }
}

export function serviceRecord(service: Service, id: KernelServiceId): Omit<IpvsService, 'id'> {
  const { persistence, scheduler, schedulerFlags, onePacket, idlePersistenceEngine } = service
  const engine = persistence?.engine ?? idlePersistenceEngine
  const names = flagNames(scheduler)
  const flags = flagBits.reduce(
    (sum, bit, at) => (schedulerFlags.includes(names[at] ?? '') ? sum | bit : sum),
    (persistence === undefined ? 0 : ipvsFlags.persistent) | (onePacket ? ipvsFlags.onePacket : 0),
  )
  return {
    scheduler,
    flags,
    timeout: persistence?.timeoutSeconds ?? 0,
    netmask: netmaskNumber(persistence?.mask, familyOfService(id)),
    ...(engine === undefined ? {} : { engine }),
  }
}

export function serviceOf({ scheduler, flags, timeout, netmask, engine }: IpvsService, id: KernelServiceId): Service {
  const known = schedulerNames.find((name) => name === scheduler) ?? 'none'
  const names = flagNames(known)
  const sip = engine === undefined ? {} : ({ engine: 'sip' } as const)
  const persistence: Persistence = {
    timeoutSeconds: timeout,
    mask: netmaskText(netmask, familyOfService(id)),
    ...sip,
  }
  const isPersistent = (flags & ipvsFlags.persistent) !== 0
  return {
    id,
    scheduler: known,
    schedulerFlags: flagBits.flatMap((bit, at) => ((flags & bit) === 0 ? [] : (names[at] ?? []))),
    ...(isPersistent ? { persistence } : {}),
    ...(!isPersistent && engine !== undefined ? { idlePersistenceEngine: 'sip' as const } : {}),
    onePacket: (flags & ipvsFlags.onePacket) !== 0,
  }
}

export function serverIdRecord({ address, port }: Endpoint): IpvsServerId {
  return { family: addressFamilies[familyOf(address)], address: addressBytes(address), port }
}

export function serverRecord(server: RealServer): Omit<IpvsServer, keyof IpvsServerId> {
  const { forwarding, weight, upperThreshold, lowerThreshold, tunnel } = server
  return {
    forwarding: forwardingMethods[forwarding],
    weight,
    upper: upperThreshold,
    lower: lowerThreshold,
    ...(tunnel === undefined ? {} : { tunnel: tunnelRecord(tunnel) }),
  }
}

export function serverOf(record: IpvsServer): RealServer {
  const forwarding = (Object.keys(forwardingMethods) as Forwarding[]).find(
    (name) => forwardingMethods[name] === record.forwarding,
  )
  const tunnel = forwarding === 'tunnel' ? tunnelOf(record.tunnel) : undefined
  return {
    address: addressFromBytes(record.address, domainFamily(record.family)),
    port: record.port,
    forwarding: forwarding ?? 'direct',
    weight: record.weight,
    upperThreshold: record.upper,
    lowerThreshold: record.lower,
    ...(tunnel === undefined ? {} : { tunnel }),
  }
}

export function daemonRecord({ role, interface: device, syncId, maxLength, group, port, ttl }: SyncDaemon): IpvsDaemon {
  return {
    state: daemonStates[role],
    interface: device,
    syncId,
    ...(maxLength === undefined ? {} : { maxLength }),
    group: addressBytes(group),
    port,
    ttl,
  }
}

export function daemonOf({ state, interface: device, syncId, ...rest }: IpvsDaemon): SyncDaemon {
  const { maxLength, group, port, ttl } = rest
  return {
    role: state === daemonStates.master ? 'master' : 'backup',
    interface: device,
    syncId,
    ...(maxLength === undefined ? {} : { maxLength }),
    group: group === undefined ? '224.0.0.81' : addressFromBytes(group, group.length === 16 ? 'ipv6' : 'ipv4'),
    port: port ?? 8848,
    ttl: ttl ?? 1,
  }
}

export function countersOf({ connections, packetsIn, packetsOut, bytesIn, bytesOut }: IpvsStatistics): Counters {
  return { connections, packetsIn, packetsOut, bytesIn, bytesOut }
}

export function ratesOf(statistics: IpvsStatistics): Rates {
  return {
    connections: statistics.connectionRate,
    packetsIn: statistics.packetInRate,
    packetsOut: statistics.packetOutRate,
    bytesIn: statistics.byteInRate,
    bytesOut: statistics.byteOutRate,
  }
}

function domainFamily(family: number): Family {
  return family === addressFamilies.ipv6 ? 'ipv6' : 'ipv4'
}

function flagNames(scheduler: SchedulerName | 'none'): readonly string[] {
  if (scheduler === 'sh' || scheduler === 'mh') return [`${scheduler}-fallback`, `${scheduler}-port`, 'flag-3']
  return ['flag-1', 'flag-2', 'flag-3']
}

function netmaskNumber(mask: string | undefined, family: Family): number {
  if (family === 'ipv6') return mask === undefined ? wholePrefix : Number(mask)
  if (mask === undefined) return wholeMask
  return addressBytes(mask).reduce((sum, byte) => sum * 256 + byte, 0)
}

function netmaskText(netmask: number, family: Family): string {
  if (family === 'ipv6') return String(netmask)
  return [24, 16, 8, 0].map((shift) => (netmask >>> shift) & 255).join('.')
}

function tunnelRecord(tunnel: Tunnel): NonNullable<IpvsServer['tunnel']> {
  if (tunnel.type === 'ipip') return { type: tunnelTypes.ipip, port: 0, flags: tunnelFlags.nocsum }
  const port = tunnel.type === 'gue' ? tunnel.port : 0
  return { type: tunnelTypes[tunnel.type], port, flags: tunnelFlags[tunnel.checksum] }
}

/** Plain IPIP is what is meant when nothing is said. */
function tunnelOf(record: IpvsServer['tunnel']): Tunnel | undefined {
  if (record === undefined || record.type === tunnelTypes.ipip) return undefined
  const hasChecksum = (record.flags & tunnelFlags.csum) !== 0
  if (record.type === tunnelTypes.gre) return { type: 'gre', checksum: hasChecksum ? 'csum' : 'nocsum' }
  const isRemote = (record.flags & tunnelFlags.remcsum) !== 0
  return { type: 'gue', port: record.port, checksum: hasChecksum ? 'csum' : isRemote ? 'remcsum' : 'nocsum' }
}
