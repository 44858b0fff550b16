/** libvirt's networks: a bridge that is there by another name, and bridges of its own with an address, leases and NAT. */
import { InfraError, isInfraError } from '../../errors.ts'
import { elementsAt, formatXml, newElement, parseXml, setAt, valueAt } from '../../formats/domain-xml/document.ts'
import type { Value } from '../../wire/libvirt/notation.ts'
import type { CallOptions } from '../hypervisor.ts'
import type { Connection } from './connection.ts'
import { checkName } from './names.ts'
import { overlaps, parseSubnet, placeIn, type Subnet } from './subnet.ts'

type Network = Value<'net'>

export type NetworkPlace =
  /** A bridge of the host. */
  | { readonly kind: 'bridge'; readonly bridge: string }
  /** A bridge that libvirt makes, with the host's address (CIDR). `nat`: its guests reach what the host reaches. */
  | {
      readonly kind: 'nat' | 'isolated'
      readonly address: string
      /** Left out: no leases are given. */
      readonly leases?: { readonly from: string; readonly to: string }
    }

export type NetworkState = {
  readonly name: string
  /** `bridge`, `nat`, `isolated`, or what else others have made. */
  readonly kind: string
  readonly bridge?: string
  readonly address?: string
  readonly isActive: boolean
  readonly autostart: boolean
}

export type Lease = {
  readonly address: string
  readonly mac: string
  readonly hostname?: string
  /** Seconds since 1970. */
  readonly expires: number
}

/** virConnectListAllNetworksFlags. */
const listFlags = { active: 2, autostart: 16 } as const

/** All, sorted by name. */
export async function listNetworks(connection: Connection, options: CallOptions): Promise<readonly NetworkState[]> {
  const [[all], [active], [marked]] = await Promise.all([
    connection.call('connectListAllNetworks', [1, 0], options),
    connection.call('connectListAllNetworks', [1, listFlags.active], options),
    connection.call('connectListAllNetworks', [1, listFlags.autostart], options),
  ])
  const has = (networks: readonly Network[], { uuid }: Network): boolean => networks.some((one) => one.uuid === uuid)
  const states = all.map(async (network) => {
    const [xml] = await connection.call('networkGetXmlDesc', [network, 0], options)
    return { ...readNetwork(xml), isActive: has(active, network), autostart: has(marked, network) }
  })
  return (await Promise.all(states)).sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function readNetwork(xml: string): Omit<NetworkState, 'isActive' | 'autostart'> {
  const network = parseXml(xml)
  const forward = elementsAt(network, './forward')[0]
  const bridge = valueAt(network, './bridge/@name')
  const [address, mask] = [valueAt(network, './ip/@address'), valueAt(network, './ip/@netmask')]
  const prefix = valueAt(network, './ip/@prefix') ?? (mask === undefined ? undefined : String(prefixOf(mask)))
  return {
    name: valueAt(network, './name') ?? '',
    // A <forward> without a mode is NAT.
    kind: forward === undefined ? 'isolated' : (forward.getAttribute('mode') ?? 'nat'),
    ...(bridge === undefined ? {} : { bridge }),
    ...(address === undefined ? {} : { address: prefix === undefined ? address : `${address}/${prefix}` }),
  }
}

function prefixOf(mask: string): number {
  const bits = mask.split('.').map((byte) => Number(byte).toString(2))
  return bits.join('').replaceAll('0', '').length
}

async function networkNamed(connection: Connection, name: string, options: CallOptions): Promise<Network> {
  try {
    return (await connection.call('networkLookupByName', [name], options))[0]
  } catch (error) {
    if (!isInfraError(error, 'not-found')) throw error
    const names = (await listNetworks(connection, options)).map((network) => network.name)
    throw new InfraError('not-found', `there is no network ${name}`, {
      subject: name,
      hint: names.length === 0 ? 'there is none at all: see baton network create' : `there is ${names.join(', ')}`,
    })
  }
}

/**
 * Defined, and active. A network that cannot be started is forgotten again. `bridges`: those of the host.
 * @throws InfraError `already-exists`, `invalid`, `not-found`; nothing has changed then
 */
export async function createNetwork(
  connection: Connection,
  {
    name,
    place,
    autostart,
    bridges,
  }: {
    readonly name: string
    readonly place: NetworkPlace
    readonly autostart: boolean
    readonly bridges: readonly string[]
  },
  options: CallOptions,
): Promise<void> {
  checkName('network', name)
  const standing = await listNetworks(connection, options)
  if (standing.some((network) => network.name === name))
    throw new InfraError('already-exists', `there is a network ${name}`, { subject: name })
  if (place.kind === 'bridge') mustBeBridge(name, place.bridge, bridges)
  else mustBeFree(name, checkPlace(name, place), standing)
  const [network] = await connection.call('networkDefineXml', [networkXml(name, place)], options)
  try {
    await connection.call('networkCreate', [network], options)
    await connection.call('networkSetAutostart', [network, autostart ? 1 : 0], options)
  } catch (error) {
    const sweep = { signal: AbortSignal.timeout(10_000) }
    await connection.call('networkDestroy', [network], sweep).catch(() => {})
    await connection.call('networkUndefine', [network], sweep).catch(() => {})
    throw error
  }
}

function mustBeBridge(name: string, bridge: string, bridges: readonly string[]): void {
  if (bridges.includes(bridge)) return
  throw new InfraError('not-found', `network ${name}: the host has no bridge ${bridge}`, {
    subject: name,
    hint: bridges.length === 0 ? 'it has none at all: baton host prepare makes one' : `it has ${bridges.join(', ')}`,
  })
}

/** @throws InfraError `invalid` */
function checkPlace(name: string, { address, leases }: Exclude<NetworkPlace, { kind: 'bridge' }>): Subnet {
  const invalid = (why: string, hint: string): never => {
    throw new InfraError('invalid', `network ${name}: ${why}`, { subject: name, hint })
  }
  const subnet = parseSubnet(address) ?? invalid(`${address} is no address with its prefix`, 'write 192.168.150.1/24')
  if (subnet.prefix > 30 || subnet.prefix < 8)
    invalid(`a network of /${subnet.prefix} has no place for guests, or too much`, 'choose a prefix from 8 to 30')
  const own = placeIn(subnet, address.split('/')[0] ?? '')
  if (own === undefined)
    invalid(`${address} is the network itself, or its broadcast`, 'write an address of a host in it')
  if (leases === undefined) return subnet
  const [from, to] = [placeIn(subnet, leases.from), placeIn(subnet, leases.to)]
  if (from === undefined || to === undefined || from > to)
    return invalid(
      `${leases.from}-${leases.to} is no range of addresses in ${address}`,
      'write FROM-TO, the lower first',
    )
  if (own !== undefined && from <= own && own <= to)
    invalid(`${leases.from}-${leases.to} holds the host's own address`, 'leave it out of the range')
  return subnet
}

function mustBeFree(name: string, subnet: Subnet, standing: readonly NetworkState[]): void {
  for (const other of standing) {
    const theirs = other.address === undefined ? undefined : parseSubnet(other.address)
    if (theirs !== undefined && overlaps(theirs, subnet))
      throw new InfraError('already-exists', `network ${name}: its addresses are those of the network ${other.name}`, {
        subject: name,
        hint: `${other.name} has ${other.address}`,
      })
  }
}

export function networkXml(name: string, place: NetworkPlace): string {
  const network = newElement('network')
  setAt(network, './name', name)
  if (place.kind === 'bridge') {
    setAt(network, './forward/@mode', 'bridge')
    setAt(network, './bridge/@name', place.bridge)
    return formatXml(network)
  }
  if (place.kind === 'nat') setAt(network, './forward/@mode', 'nat')
  setAt(network, './bridge/@stp', 'on')
  setAt(network, './bridge/@delay', '0')
  const [address = '', prefix = ''] = place.address.split('/')
  setAt(network, './ip/@address', address)
  setAt(network, './ip/@prefix', prefix)
  if (place.leases !== undefined) {
    setAt(network, './ip/dhcp/range/@start', place.leases.from)
    setAt(network, './ip/dhcp/range/@end', place.leases.to)
  }
  return formatXml(network)
}

/** One that is active already, or not any more, is as it should be. */
export async function switchNetwork(
  connection: Connection,
  name: string,
  wanted: 'active' | 'inactive',
  options: CallOptions,
): Promise<void> {
  const network = await networkNamed(connection, name, options)
  await connection
    .call(wanted === 'active' ? 'networkCreate' : 'networkDestroy', [network], options)
    .catch((error: unknown) => {
      if (!isInfraError(error, 'invalid')) throw error
    })
}

export async function autostartNetwork(
  connection: Connection,
  name: string,
  isWanted: boolean,
  options: CallOptions,
): Promise<void> {
  const network = await networkNamed(connection, name, options)
  await connection.call('networkSetAutostart', [network, isWanted ? 1 : 0], options)
}

/** @throws InfraError `busy` while a guest that runs has a card on it */
export async function deleteNetwork(connection: Connection, name: string, options: CallOptions): Promise<void> {
  const network = await networkNamed(connection, name, options)
  const [running] = await connection.call('connectListAllDomains', [1, 1], options)
  for (const domain of running) {
    const [xml] = await connection.call('domainGetXmlDesc', [domain, 0], options)
    const sources = elementsAt(parseXml(xml), './devices/interface/source')
    if (sources.some((source) => source.getAttribute('network') === name))
      throw new InfraError('busy', `delete network ${name}: the guest ${domain.name} has a card on it`, {
        subject: name,
        hint: `shut ${domain.name} down first, or detach its card`,
      })
  }
  await switchNetwork(connection, name, 'inactive', options)
  await connection.call('networkUndefine', [network], options)
}

/** Who has which address of a network now. */
export async function networkLeases(
  connection: Connection,
  name: string,
  options: CallOptions,
): Promise<readonly Lease[]> {
  const network = await networkNamed(connection, name, options)
  const [leases] = await connection.call('networkGetDhcpLeases', [network, undefined, 1, 0], options)
  return leases
    .map(({ address, prefix, mac, hostname, expiry }) => ({
      address: `${address}/${prefix}`,
      mac: mac ?? '',
      ...(hostname === undefined || hostname === null ? {} : { hostname }),
      expires: Number(expiry),
    }))
    .sort((a, b) => (a.address < b.address ? -1 : 1))
}
