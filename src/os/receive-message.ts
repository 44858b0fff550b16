/** recvmsg(2): a datagram, who sent it, and what the kernel tells beside it, cmsg(3). */
import { libc } from './libc.ts'
import { sockaddrBytes } from './socket-address.ts'
import { pinned } from './sockets.ts'

export type Beside = { readonly level: number; readonly type: number; readonly data: Uint8Array }
export type ReceivedMessage = {
  /** struct sockaddr. */
  readonly from: Uint8Array
  readonly payload: Uint8Array
  readonly beside: readonly Beside[]
}

const payloadBytes = 65_536
const besideBytes = 512
const MSG_DONTWAIT = 0x40
/** ```
 *  struct msghdr   0 address  8 its length  16 pieces  24 their number  32 beside  40 its length  48 flags
 *  struct iovec    0 where  8 length
 *  struct cmsghdr  0 length  8 level  12 type  16 data, the next one aligned to 8 bytes
 *  ``` */
const messageBytes = 56
const headerBytes = 16

type Call = (fd: number, message: number, flags: number) => number
let recvmsg: Call | undefined

const parts = {
  message: pinned(messageBytes),
  piece: pinned(16),
  from: pinned(sockaddrBytes),
  payload: pinned(payloadBytes),
  beside: pinned(besideBytes),
}

/**
 * undefined when there is none. Does not wait. Nor is there one where the kernel has an error to tell, of a packet that was
 * sent: who is told that there is something to read is told again.
 */
export function receiveMessage(fd: number): ReceivedMessage | undefined {
  recvmsg ??= libc().func('int recvmsg(int, int64_t, int)') as unknown as Call
  const { message, piece, from, payload, beside } = parts
  piece.bytes.writeBigUInt64LE(BigInt(payload.address), 0)
  piece.bytes.writeBigUInt64LE(BigInt(payloadBytes), 8)
  const words = [from.address, sockaddrBytes, piece.address, 1, beside.address, besideBytes, 0]
  for (const [at, word] of words.entries()) message.bytes.writeBigUInt64LE(BigInt(word), 8 * at)
  const length = recvmsg(fd, message.address, MSG_DONTWAIT)
  if (length < 0) return undefined
  return {
    from: Uint8Array.from(from.bytes),
    payload: Uint8Array.from(payload.bytes.subarray(0, length)),
    beside: besides(beside.bytes.subarray(0, Number(message.bytes.readBigUInt64LE(40)))),
  }
}

function besides(bytes: Buffer): Beside[] {
  const all: Beside[] = []
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at))
    if (length < headerBytes || at + length > bytes.length) break
    const data = Uint8Array.from(bytes.subarray(at + headerBytes, at + length))
    all.push({ level: bytes.readInt32LE(at + 8), type: bytes.readInt32LE(at + 12), data })
    at += Math.ceil(length / 8) * 8
  }
  return all
}
