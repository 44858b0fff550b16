/** Many sockets in one process at the price of what the kernel takes: no objects, only descriptors and one epoll. */
import { sockaddrBytes, sockaddrPort, writeSockaddr } from '../../src/os/socket-address.ts'
import {
  AF_INET,
  EPOLL_CTL_ADD,
  epollEvent,
  loadSocketCalls,
  MSG_NOSIGNAL,
  pinned,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../../src/os/sockets.ts'

const eventsPerWait = 1024
/** ip(7): the port is chosen by connect, which may share it with connections to other places. */
const IPPROTO_IP = 0
const IP_BIND_ADDRESS_NO_PORT = 24

export type Place = { readonly address: string; readonly port: number }

export const placeOf = (text: string): Place => {
  const [address = '', port] = text.split(':')
  return { address, port: Number(port) }
}

export type Sockets = {
  listen(at: Place): { readonly fd: number; readonly port: number }
  accept(listener: number): number
  /** Begins to connect; -1 when that fails at once. */
  connect(from: string, to: Place): number
  watch(fd: number, events: number): void
  /** Calls `visit` for what has happened within so long. */
  wait(ms: number, visit: (fd: number, flags: number) => void): void
  sendByte(fd: number, byte: number): boolean
  /** The last byte of what has come; -1 for none. */
  receiveByte(fd: number): number
  close(fd: number): void
}

export function openSockets(): Sockets {
  const calls = loadSocketCalls()
  const epoll = calls.epollCreate(SOCK_CLOEXEC)
  const events = pinned(eventsPerWait * epollEvent.bytes)
  const small = pinned(64)
  const data = pinned(4096)
  const tcp = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC
  const write = ({ address, port }: Place): number => {
    const word = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
    return writeSockaddr(small.bytes, 0, [word], port)
  }
  return {
    listen(at) {
      const fd = calls.socket(AF_INET, tcp, 0)
      const length = write(at)
      if (calls.bind(fd, small.address, length) < 0 || calls.listen(fd, 4096) < 0)
        throw new Error(`cannot listen at ${at.address}:${at.port}: errno ${calls.errno()}`)
      small.bytes.writeInt32LE(sockaddrBytes, sockaddrBytes)
      calls.getsockname(fd, small.address, small.address + sockaddrBytes)
      return { fd, port: sockaddrPort(small.bytes, 0) }
    },
    accept: (listener) => calls.accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC),
    connect(from, to) {
      const fd = calls.socket(AF_INET, tcp, 0)
      if (fd < 0) return -1
      small.bytes.writeInt32LE(1, 0)
      calls.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, small.address, 4)
      calls.bind(fd, small.address, write({ address: from, port: 0 }))
      calls.connect(fd, small.address, write(to))
      return fd
    },
    watch(fd, wanted) {
      small.bytes.writeInt32LE(wanted | 0, 0)
      small.bytes.writeInt32LE(fd, epollEvent.data)
      calls.epollCtl(epoll, EPOLL_CTL_ADD, fd, small.address)
    },
    wait(ms, visit) {
      const count = calls.epollWait(epoll, events.address, eventsPerWait, ms)
      for (let at = 0; at < count; at++) {
        const flags = events.bytes.readInt32LE(at * epollEvent.bytes)
        visit(events.bytes.readInt32LE(at * epollEvent.bytes + epollEvent.data), flags)
      }
    },
    sendByte(fd, byte) {
      data.bytes[0] = byte
      return calls.send(fd, data.address, 1, MSG_NOSIGNAL) === 1
    },
    receiveByte(fd) {
      const length = calls.recv(fd, data.address, data.bytes.length, 0)
      return length > 0 ? (data.bytes[length - 1] ?? -1) : -1
    },
    close: (fd) => void calls.close(fd),
  }
}
