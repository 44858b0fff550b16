/** Which way the kernel would send a packet: rtnetlink(7), RTM_GETROUTE. */

import { InfraError } from '../errors.ts'
import { addressNumber, addressText } from '../lvs/address.ts'
import { type Family, familyOf } from '../lvs/service.ts'
import { errnoName } from './libc.ts'
import { AF_INET, AF_INET6, loadSocketCalls, pinned, SOCK_CLOEXEC, type SocketCalls } from './sockets.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const RTM_NEWROUTE = 24
const RTM_GETROUTE = 26
const NLM_F_REQUEST = 1
const attributes = { destination: 1, interface: 4, preferredSource: 7 } as const
const headerBytes = 16
const routeBytes = 12

export type Way = {
  readonly interface: number
  /** The address that packets of this machine would have there. */
  readonly source: string | undefined
}

let calls: SocketCalls | undefined

/** Undefined when there is no way. Does not wait. @throws InfraError */
export function wayTo(address: string): Way | undefined {
  calls ??= loadSocketCalls()
  const fd = calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)
  if (fd < 0) throw new InfraError('failed', `ask for a route: ${errnoName()}`, { subject: address })
  try {
    const family = familyOf(address)
    const request = routeRequest(address, family)
    if (calls.send(fd, request.address, request.bytes.length, 0) < 0)
      throw new InfraError('failed', `ask for a route: ${errnoName()}`, { subject: address })
    // The answer is there when the question has been taken.
    const answer = pinned(4096)
    const length = calls.recv(fd, answer.address, answer.bytes.length, 0)
    return length < 0 ? undefined : decodeWay(answer.bytes.subarray(0, length), family)
  } finally {
    calls.close(fd)
  }
}

/** nlmsghdr, rtmsg, and the address as the only attribute. */
function routeRequest(address: string, family: Family) {
  const addressBytes = family === 'ipv6' ? 16 : 4
  const request = pinned(headerBytes + routeBytes + 4 + addressBytes)
  const { bytes } = request
  bytes.writeUInt32LE(bytes.length, 0)
  bytes.writeUInt16LE(RTM_GETROUTE, 4)
  bytes.writeUInt16LE(NLM_F_REQUEST, 6)
  bytes[headerBytes] = family === 'ipv6' ? AF_INET6 : AF_INET
  bytes[headerBytes + 1] = 8 * addressBytes
  bytes.writeUInt16LE(4 + addressBytes, headerBytes + routeBytes)
  bytes.writeUInt16LE(attributes.destination, headerBytes + routeBytes + 2)
  let rest = addressNumber(address) ?? 0n
  for (let at = bytes.length - 1; at >= headerBytes + routeBytes + 4; at--, rest >>= 8n) bytes[at] = Number(rest & 255n)
  return request
}

function decodeWay(bytes: Buffer, family: Family): Way | undefined {
  if (bytes.length < headerBytes + routeBytes || bytes.readUInt16LE(4) !== RTM_NEWROUTE) return undefined
  let index: number | undefined
  let source: string | undefined
  for (let at = headerBytes + routeBytes; at + 4 <= bytes.length; ) {
    const [length, type] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)]
    if (length < 4) break
    const value = bytes.subarray(at + 4, at + length)
    if (type === attributes.interface) index = value.readUInt32LE(0)
    if (type === attributes.preferredSource)
      source = addressText(
        value.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n),
        family,
      )
    at += Math.ceil(length / 4) * 4
  }
  return index === undefined ? undefined : { interface: index, source }
}
