/** Whole frames, sent as they are on an interface: packet(7). Nothing is received. */
import { InfraError } from '../errors.ts'
import { errnoName } from './libc.ts'
import { loadSocketCalls, pinned, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from './sockets.ts'

const AF_PACKET = 17
/** struct sockaddr_ll: 0 family, 2 protocol, 4 interface, 8 hardware, 10 kind, 11 length and 12 address of the receiver. */
const addressBytes = 20

export type PacketSocket = Disposable & {
  /** undefined, or why it could not be sent, by the errno's name. */
  send(interfaceIndex: number, frame: Uint8Array): string | undefined
}

/** @throws InfraError `permission` without CAP_NET_RAW. */
export function openPacketSocket(): PacketSocket {
  const calls = loadSocketCalls()
  // Protocol 0: it hears of no packet.
  const fd = calls.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) {
    const errno = errnoName()
    throw new InfraError(errno === 'EPERM' ? 'permission' : 'failed', `open a packet socket: ${errno}`, {
      subject: 'packet socket',
      hint: 'run as root, or with CAP_NET_RAW',
    })
  }
  const to = pinned(addressBytes)
  to.bytes.writeUInt16LE(AF_PACKET, 0)
  return {
    send(interfaceIndex, frame) {
      const { bytes, address } = pinned(frame.length)
      bytes.set(frame)
      to.bytes.writeInt32LE(interfaceIndex, 4)
      const sent = calls.sendto(fd, address, bytes.length, 0, to.address, addressBytes)
      return sent < 0 ? errnoName() : undefined
    },
    [Symbol.dispose]: () => void calls.close(fd),
  }
}
