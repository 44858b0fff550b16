/** Network interfaces of this namespace, as netdevice(7) tells of them: sysfs may be another namespace's. */
import { readFileSync } from 'node:fs'
import { InfraError } from '../errors.ts'
import { errnoName, libc } from './libc.ts'
import { AF_INET, loadSocketCalls, pinned, SOCK_CLOEXEC, SOCK_DGRAM, type SocketCalls } from './sockets.ts'

const SIOCGIFFLAGS = 0x8913
const SIOCGIFHWADDR = 0x8927
const SIOCGIFINDEX = 0x8933
const IFF_UP = 1
const ARPHRD_ETHER = 1
const ARPHRD_LOOPBACK = 772
/** struct ifreq: the name, then what was asked for. */
const requestBytes = 40
const nameBytes = 16

export type Interface = {
  readonly name: string
  readonly index: number
  readonly isUp: boolean
  readonly kind: 'ethernet' | 'loopback' | 'other'
}

let calls: SocketCalls | undefined
type Control = (fd: number, request: number, argument: number) => number
let control: Control | undefined

/** @throws InfraError */
export function listInterfaces(): Interface[] {
  calls ??= loadSocketCalls()
  control ??= libc().func('int ioctl(int, unsigned long, int64_t)') as Control
  const fd = calls.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw new InfraError('failed', `ask for interfaces: ${errnoName()}`, { subject: 'interfaces' })
  try {
    return interfaceNames().flatMap((name) => {
      const [index, flags, hardware] = [SIOCGIFINDEX, SIOCGIFFLAGS, SIOCGIFHWADDR].map((request) =>
        ask(fd, request, name),
      )
      // One that went away meanwhile.
      if (index === undefined || flags === undefined || hardware === undefined) return []
      const type = hardware.readUInt16LE(nameBytes)
      const kind = type === ARPHRD_ETHER ? 'ethernet' : type === ARPHRD_LOOPBACK ? 'loopback' : 'other'
      return [{ name, index: index.readInt32LE(nameBytes), isUp: (flags.readUInt16LE(nameBytes) & IFF_UP) !== 0, kind }]
    })
  } finally {
    calls.close(fd)
  }
}

function ask(fd: number, request: number, name: string): Buffer | undefined {
  const memory = pinned(requestBytes)
  memory.bytes.write(name)
  return control !== undefined && control(fd, request, memory.address) === 0 ? memory.bytes : undefined
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

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    // Without IPv6 there is no such file.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
