/** Network interfaces of this namespace, as rtnetlink(7) tells of them: sysfs may be another namespace's. */
import { readFileSync } from 'node:fs'
import { addressFromBytes, type Cidr, isInNetwork } from '../lvs/address.ts'
import { familyOf } from '../lvs/service.ts'
import { decodeAttributes, encodeAttributes, readText, readU16, readU32, text } from '../wire/netlink.ts'
import { NetlinkError, NetlinkSocket } from './netlink.ts'

const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const IFF_UP = 1
const ARPHRD_ETHER = 1
const ARPHRD_LOOPBACK = 772
/** struct ifinfomsg: 0 family  2 type  4 index  8 flags  12 change */
const messageBytes = 16
const attributes = { address: 1, name: 3, linkInfo: 18, busName: 57 } as const
/** Inside of `linkInfo`: what the interface it is a port of is. */
const portKind = 4

export type Interface = {
  readonly name: string
  readonly index: number
  readonly isUp: boolean
  readonly kind: 'ethernet' | 'loopback' | 'other'
  /** Of what it is a port: "bridge", "bond", "team", "vrf"; undefined when of nothing. */
  readonly portOf: string | undefined
  /** Of Ethernet. */
  readonly address: Uint8Array
  /** Of the device that it drives: "pci", "virtio"; undefined where there is none. */
  readonly bus: string | undefined
}

/** @throws InfraError */
export function listInterfaces(): Interface[] {
  using socket = new NetlinkSocket('route')
  return interfaceNames().flatMap((name) => {
    const found = ask(socket, name)
    return found === undefined ? [] : [found]
  })
}

/** Undefined of one that went away meanwhile. */
function ask(socket: NetlinkSocket, name: string): Interface | undefined {
  const payload = Buffer.concat([Buffer.alloc(messageBytes), encodeAttributes([[attributes.name, text(name)]])])
  try {
    const answers = socket.request({ type: RTM_GETLINK, payload, verb: `ask for interface ${name}` })
    const answer = answers.find(({ type }) => type === RTM_NEWLINK)?.payload
    return answer && decodeInterface(name, answer)
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === 'ENODEV') return undefined
    throw error
  }
}

function decodeInterface(name: string, bytes: Uint8Array): Interface {
  const type = readU16(bytes.subarray(2))
  const about = decodeAttributes(bytes, messageBytes)
  const [info, bus] = [about.get(attributes.linkInfo), about.get(attributes.busName)]
  const port = info && decodeAttributes(info).get(portKind)
  return {
    name,
    index: readU32(bytes.subarray(4)),
    isUp: (readU32(bytes.subarray(8)) & IFF_UP) !== 0,
    kind: type === ARPHRD_ETHER ? 'ethernet' : type === ARPHRD_LOOPBACK ? 'loopback' : 'other',
    portOf: port && readText(port),
    address: about.get(attributes.address) ?? new Uint8Array(),
    bus: bus && readText(bus),
  }
}

function interfaceNames(): string[] {
  return lines('/proc/self/net/dev').flatMap((line) => /^\s*([^\s:]+):/u.exec(line)?.[1] ?? [])
}

/** fe80::/10 and ff00::/8, as /proc/net/ipv6_route writes them: every interface has these, also a port of a bridge. */
const ofEveryLink = /^(fe[89ab]|ff)/u

/** Names of those that a route of this namespace leads through, beyond what IPv6 has on every link. */
export function interfacesWithRoutes(): ReadonlySet<string> {
  const ipv4 = lines('/proc/self/net/route').slice(1)
  const ipv6 = lines('/proc/self/net/ipv6_route').filter((line) => !ofEveryLink.test(line))
  const names = [
    ...ipv4.map((line) => line.split(/\s+/u)[0] ?? ''),
    ...ipv6.map((line) => line.trim().split(/\s+/u).at(-1) ?? ''),
  ]
  return new Set(names.filter((name) => name !== ''))
}

/** Names of those that a route of the main table for this address leads through, however dear. */
export function interfacesTowards(address: string): ReadonlySet<string> {
  const routes =
    familyOf(address) === 'ipv4'
      ? ipv4Routes(lines('/proc/self/net/route'))
      : ipv6Routes(lines('/proc/self/net/ipv6_route'))
  return new Set(routes.filter(({ network }) => isInNetwork(address, network)).map(({ name }) => name))
}

type Route = { readonly name: string; readonly network: Cidr }

/** Words in the machine's own order: proc_pid_net(5). */
export function ipv4Routes([, ...rows]: readonly string[]): Route[] {
  return rows.flatMap((row) => {
    const [name = '', destination = '', , , , , , mask = ''] = row.split(/\s+/u)
    const [address, ones] = [destination, mask].map((word) => Buffer.from(word, 'hex').reverse())
    if (address?.length !== 4 || ones === undefined) return []
    return [{ name, network: { address: addressFromBytes(address, 'ipv4'), prefix: bitsIn(ones) } }]
  })
}

export function ipv6Routes(rows: readonly string[]): Route[] {
  return rows.flatMap((row) => {
    const [destination = '', prefix = '', ...rest] = row.trim().split(/\s+/u)
    const address = Buffer.from(destination, 'hex')
    if (address.length !== 16) return []
    return [
      {
        name: rest.at(-1) ?? '',
        network: { address: addressFromBytes(address, 'ipv6'), prefix: Number.parseInt(prefix, 16) },
      },
    ]
  })
}

function bitsIn(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    // Without IPv6 there is no such file.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
