/** Small datagrams, many to a system call (sendmmsg(2)), so that what is measured is what happens to them on the way. */
import { errnoName, libc } from '../../src/os/libc.ts'
import { writeSockaddr } from '../../src/os/socket-address.ts'
import { AF_INET, loadSocketCalls, pinned, SOCK_DGRAM } from '../../src/os/sockets.ts'

const payloadBytes = 64
/** struct mmsghdr: a msghdr, and the length that was sent. */
const messageBytes = 64
const messageAt = { vector: 16, vectors: 24, control: 32, controlBytes: 40 } as const
const vectorBytes = 16
/** struct cmsghdr and struct in_pktinfo (ip(7)), aligned to 8. */
const controlBytes = 32
const controlAt = { length: 0, level: 8, type: 12, source: 20 } as const
const IPPROTO_IP = 0
const IP_PKTINFO = 8

const passing = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENOBUFS', 'EAGAIN'])

export const datagramsPerCall = 64

export type Sender = {
  /** Of the datagram in that place of the next call, and all after: an address of this machine, as a number. */
  from(place: number, address: number): void
  /** How many of the first `count` were sent. */
  send(count?: number): number
}

/** `port`: to send from; any when left out. */
export function openSender(to: string, toPort: number, port = 0): Sender {
  const calls = loadSocketCalls()
  const sendMany = libc().func('int sendmmsg(int, int64_t, unsigned int, int)') as (...words: number[]) => number
  const fd = calls.socket(AF_INET, SOCK_DGRAM, 0)
  const address = pinned(28)
  if (port > 0 && calls.bind(fd, address.address, writeSockaddr(address.bytes, 0, [0], port)) < 0)
    throw new Error(`bind to port ${port}: ${calls.errno()}`)
  const words = [to.split('.').reduce((number, byte) => number * 256 + Number(byte), 0)]
  if (calls.connect(fd, address.address, writeSockaddr(address.bytes, 0, words, toPort)) < 0)
    throw new Error(`connect to ${to}: ${calls.errno()}`)

  // The messages, then what all of them carry.
  const messages = pinned(datagramsPerCall * messageBytes + vectorBytes + payloadBytes)
  const controls = pinned(datagramsPerCall * controlBytes)
  const vectorAt = datagramsPerCall * messageBytes
  messages.bytes.writeBigUInt64LE(BigInt(messages.address + vectorAt + vectorBytes), vectorAt)
  messages.bytes.writeBigUInt64LE(BigInt(payloadBytes), vectorAt + 8)
  for (let at = 0; at < vectorAt; at += messageBytes) {
    messages.bytes.writeBigUInt64LE(BigInt(messages.address + vectorAt), at + messageAt.vector)
    messages.bytes.writeBigUInt64LE(1n, at + messageAt.vectors)
  }
  return {
    from(place, source) {
      const control = place * controlBytes
      const message = place * messageBytes
      controls.bytes.writeBigUInt64LE(28n, control + controlAt.length)
      controls.bytes.writeUInt32LE(IPPROTO_IP, control + controlAt.level)
      controls.bytes.writeUInt32LE(IP_PKTINFO, control + controlAt.type)
      controls.bytes.writeUInt32BE(source, control + controlAt.source)
      messages.bytes.writeBigUInt64LE(BigInt(controls.address + control), message + messageAt.control)
      messages.bytes.writeBigUInt64LE(BigInt(controlBytes), message + messageAt.controlBytes)
    },
    send(count = datagramsPerCall) {
      const sent = sendMany(fd, messages.address, count, 0)
      if (sent >= 0) return sent
      // What the last ones met is told to the next call.
      const error = errnoName()
      if (passing.has(error)) return 0
      throw new Error(`send to ${to}: ${error}`)
    },
  }
}
