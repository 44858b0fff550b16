/** setsockopt(2), and the options of more than one kind of socket. */
import { InfraError } from '../errors.ts'
import { addressBytes } from '../lvs/address.ts'
import { familyOf } from '../lvs/service.ts'
import { errnoName } from './libc.ts'
import { IPPROTO_IPV6, loadSocketCalls, pinned, SOL_SOCKET } from './sockets.ts'

export const IPPROTO_IP = 0
export const SO_BINDTODEVICE = 25
const IP_ADD_MEMBERSHIP = 35
const IPV6_JOIN_GROUP = 20

/** `what`, and on what, are for the error. @throws InfraError `permission`, or `failed` */
export function setOption(
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  { what, subject }: { readonly what: string; readonly subject: string },
): void {
  const { bytes, address } = pinned(value.length)
  bytes.set(value)
  if (loadSocketCalls().setsockopt(fd, level, name, address, bytes.length) < 0)
    throw socketFailure(`${what} on ${subject}: ${errnoName()}`, subject)
}

/** Whatever else the machine has: this socket is of that interface only. @throws InfraError */
export function bindToInterface(fd: number, interfaceName: string, what: string): void {
  const name = new TextEncoder().encode(`${interfaceName}\0`)
  setOption(fd, SOL_SOCKET, SO_BINDTODEVICE, name, { what, subject: interfaceName })
}

type Interface = { readonly name: string; readonly index: number }

/** What comes to the multicast group on that interface comes to the socket. @throws InfraError */
export function joinGroup(fd: number, group: string, link: Interface): void {
  const [own, index] = [addressBytes(group), integer(link.index)]
  const told = { what: `join ${group}`, subject: link.name }
  // struct ip_mreqn: group, an address of ours, interface; struct ipv6_mreq without the address.
  if (familyOf(group) === 'ipv6') setOption(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, Uint8Array.of(...own, ...index), told)
  else setOption(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, Uint8Array.of(...own, 0, 0, 0, 0, ...index), told)
}

/** `message` ends with the errno's name. */
export function socketFailure(message: string, subject: string): InfraError {
  const isRefused = message.endsWith('EPERM')
  return new InfraError(isRefused ? 'permission' : 'failed', message, {
    subject,
    ...(isRefused ? { hint: 'run as root, or with CAP_NET_RAW' } : {}),
  })
}

/** An int, as options take it. */
export function integer(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer)
}
