/** Which way the kernel would send a packet: rtnetlink(7), RTM_GETROUTE. */
import { addressBytes, addressFromBytes } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import { joined } from '../wire/joined.ts'
import { decodeAttributes, encodeAttributes, readU32 } from '../wire/netlink.ts'
import { NetlinkError, NetlinkSocket } from './netlink.ts'
import { AF_INET, AF_INET6 } from './sockets.ts'

const RTM_NEWROUTE = 24
const RTM_GETROUTE = 26
const attributes = { destination: 1, interface: 4, preferredSource: 7 } as const
/** struct rtmsg: family and the length of the destination in bits, then what is left at zero. */
const routeBytes = 12

export type Way = {
  readonly interface: number
  /** The address that packets of this machine would have there. */
  readonly source: string | undefined
}

/** Of addresses that there is a way to. Does not wait. @throws InfraError */
export function waysTo(addresses: Iterable<string>): ReadonlyMap<string, Way> {
  const ways = new Map<string, Way>()
  using socket = new NetlinkSocket('route')
  for (const address of new Set(addresses)) {
    const way = askedWay(socket, address)
    if (way !== undefined) ways.set(address, way)
  }
  return ways
}

function askedWay(socket: NetlinkSocket, address: string): Way | undefined {
  const family = familyOf(address)
  try {
    const answers = socket.request({
      type: RTM_GETROUTE,
      payload: encodeQuestion(address, family),
      verb: `ask for the way to ${address}`,
    })
    const route = answers.find(({ type }) => type === RTM_NEWROUTE)
    return route && decodeWay(route.payload, family)
  } catch (error) {
    if (error instanceof NetlinkError && unreachable.includes(error.errno)) return undefined
    throw error
  }
}

/** How the kernel says that there is no way: no route, or one of type unreachable, prohibit or blackhole; no such family. */
const unreachable = ['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL', 'EAFNOSUPPORT', 'EOPNOTSUPP']

function encodeQuestion(address: string, family: Family): Uint8Array {
  const destination = addressBytes(address)
  const header = new Uint8Array(routeBytes)
  header[0] = family === 'ipv6' ? AF_INET6 : AF_INET
  header[1] = 8 * destination.length
  return joined([header, encodeAttributes([[attributes.destination, destination]])])
}

function decodeWay(payload: Uint8Array, family: Family): Way | undefined {
  const found = decodeAttributes(payload, routeBytes)
  const index = found.get(attributes.interface)
  const source = found.get(attributes.preferredSource)
  if (index === undefined) return undefined
  return { interface: readU32(index), source: source && addressFromBytes(source, family) }
}
