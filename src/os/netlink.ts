/** Netlink sockets, netlink(7): questions that the kernel answers at once, dumps in parts, and what it tells by itself. */
import { setImmediate } from 'node:timers/promises'
import { InfraError } from '../errors.ts'
import { turns } from '../turns.ts'
import {
  decodeErrno,
  decodeMessages,
  encodeMessage,
  messageFlags,
  messageTypes,
  type NetlinkMessage,
} from '../wire/netlink.ts'
import { errnoName } from './libc.ts'
import { watchReadable } from './readiness.ts'
import {
  EAGAIN,
  ENOBUFS,
  loadSocketCalls,
  type Pinned,
  pinned,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
  type SocketCalls,
} from './sockets.ts'

const AF_NETLINK = 16
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const SO_RCVBUFFORCE = 33
const MSG_DONTWAIT = 0x40
const addressBytes = 12
/** The kernel fills up to 32 KiB in a part of a dump. */
const receiveBytes = 64 * 1024
const eventBufferBytes = 4 * 1024 * 1024
/** A dump that changes meanwhile is begun anew so often. */
const dumpAttempts = 16

export const netlinkProtocols = { route: 0, netfilter: 12, generic: 16 } as const
export type NetlinkProtocol = keyof typeof netlinkProtocols

/** The kernel's refusal, by its errno's name. */
export class NetlinkError extends InfraError {
  readonly errno: string

  constructor(errno: string, verb: string, subject: string) {
    const code = errno === 'EPERM' ? 'permission' : 'failed'
    super(code, `${verb}: ${errno}`, {
      subject,
      ...(errno === 'EPERM' ? { hint: 'run as root, or with CAP_NET_ADMIN' } : {}),
    })
    this.errno = errno
  }
}

/** `verb` tells errors what was tried: "add an address". */
export type NetlinkRequest = {
  readonly type: number
  readonly flags?: number
  readonly payload: Uint8Array
  readonly verb: string
}

export class NetlinkSocket implements Disposable {
  readonly #protocol: NetlinkProtocol
  readonly #calls: SocketCalls = loadSocketCalls()
  readonly #buffer: Pinned = pinned(receiveBytes)
  readonly #fd: number
  /** The kernel does one dump of a socket at a time. */
  readonly #dumps = turns()
  #sequence = 0
  /** The dump that goes on, and what came of it while other questions were answered. */
  #dumping: { readonly sequence: number; readonly kept: NetlinkMessage[] } | undefined

  /** @throws InfraError */
  constructor(protocol: NetlinkProtocol) {
    this.#protocol = protocol
    this.#fd = openSocket(this.#calls, protocol)
  }

  /** The answers, without the acknowledgement that ends them; the kernel gives them at once. @throws NetlinkError */
  request({ type, flags = 0, payload, verb }: NetlinkRequest): NetlinkMessage[] {
    const sequence = this.#send(type, messageFlags.request | messageFlags.ack | flags, payload, verb)
    const answers: NetlinkMessage[] = []
    for (;;)
      for (const message of this.#receive(verb)) {
        if (message.sequence !== sequence) {
          // Else it is left over from a question that was given up.
          if (message.sequence === this.#dumping?.sequence) this.#dumping.kept.push(message)
          continue
        }
        if (message.type !== messageTypes.error) {
          answers.push(message)
          continue
        }
        this.#throwIfError(message, verb)
        return answers
      }
  }

  /**
   * All that there is, part by part, the event loop going on between them; begun anew while the kernel says that it has
   * changed meanwhile. @throws NetlinkError `EINTR` when it never stands still.
   */
  dump(request: NetlinkRequest): Promise<NetlinkMessage[]> {
    return this.#dumps.take(() => this.#dumpAll(request))
  }

  async #dumpAll({ type, flags = 0, payload, verb }: NetlinkRequest): Promise<NetlinkMessage[]> {
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      const sequence = this.#send(type, messageFlags.request | messageFlags.dump | flags, payload, verb)
      const answers = await this.#parts(sequence, verb)
      if (!answers.some((message) => (message.flags & messageFlags.interrupted) !== 0))
        return answers.filter((message) => message.type !== messageTypes.done)
    }
    throw new NetlinkError('EINTR', verb, this.#protocol)
  }

  [Symbol.dispose](): void {
    this.#calls.close(this.#fd)
  }

  /** The message that ends them included. */
  async #parts(sequence: number, verb: string): Promise<NetlinkMessage[]> {
    const answers: NetlinkMessage[] = []
    const kept: NetlinkMessage[] = []
    this.#dumping = { sequence, kept }
    try {
      for (;;) {
        for (const message of kept.length > 0 ? kept.splice(0) : this.#receive(verb)) {
          if (message.sequence !== sequence) continue
          if (message.type === messageTypes.error) this.#throwIfError(message, verb)
          answers.push(message)
          if (message.type !== messageTypes.done) continue
          this.#throwIfError(message, verb)
          return answers
        }
        await setImmediate()
      }
    } finally {
      this.#dumping = undefined
    }
  }

  #send(type: number, flags: number, payload: Uint8Array, verb: string): number {
    this.#sequence = (this.#sequence + 1) >>> 0
    const message = encodeMessage({ type, flags, sequence: this.#sequence, port: 0, payload })
    const { bytes, address } = pinned(message.length)
    bytes.set(message)
    if (this.#calls.send(this.#fd, address, bytes.length, 0) < 0)
      throw new NetlinkError(errnoName(), verb, this.#protocol)
    return this.#sequence
  }

  #receive(verb: string): NetlinkMessage[] {
    const length = this.#calls.recv(this.#fd, this.#buffer.address, receiveBytes, MSG_DONTWAIT)
    if (length < 0) throw new NetlinkError(errnoName(), verb, this.#protocol)
    // A copy: the next one comes into the same memory.
    return decodeMessages(Uint8Array.from(this.#buffer.bytes.subarray(0, length)))
  }

  #throwIfError({ payload }: NetlinkMessage, verb: string): void {
    const errno = payload.length < 4 ? 0 : decodeErrno(payload)
    if (errno !== 0) throw new NetlinkError(errnoName(errno), verb, this.#protocol)
  }
}

/** What was told, or that something was missed: then all must be asked for anew. */
export type NetlinkNews =
  | { readonly kind: 'messages'; readonly messages: readonly NetlinkMessage[] }
  | { readonly kind: 'missed' }

export type NetlinkFollower = Disposable & {
  /** Takes what has come, at once and without waiting. @throws NetlinkError */
  read(): void
}

/** Listens to groups of multicasts (RTNLGRP_…, by number) until it is disposed of. @throws InfraError */
export function followNetlink(
  protocol: NetlinkProtocol,
  groups: readonly number[],
  onNews: (news: NetlinkNews) => void,
): NetlinkFollower {
  const calls = loadSocketCalls()
  const fd = openSocket(calls, protocol)
  const buffer = pinned(receiveBytes)
  const setting = (level: number, name: number, value: number): number => {
    const { bytes, address } = pinned(4)
    bytes.writeInt32LE(value)
    return calls.setsockopt(fd, level, name, address, 4)
  }
  // Refused to all but root: then the usual one has to do.
  setting(SOL_SOCKET, SO_RCVBUFFORCE, eventBufferBytes)
  for (const group of groups)
    if (setting(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group) < 0) {
      const errno = errnoName()
      calls.close(fd)
      throw new NetlinkError(errno, `listen to group ${group}`, protocol)
    }
  const read = (): void => {
    for (;;) {
      const length = calls.recv(fd, buffer.address, receiveBytes, MSG_DONTWAIT)
      if (length >= 0) {
        onNews({ kind: 'messages', messages: decodeMessages(Uint8Array.from(buffer.bytes.subarray(0, length))) })
        continue
      }
      const errno = calls.errno()
      if (errno === EAGAIN) return
      if (errno !== ENOBUFS) throw new NetlinkError(errnoName(errno), 'listen', protocol)
      onNews({ kind: 'missed' })
    }
  }
  const watch = watchReadable(fd, read)
  return {
    read,
    [Symbol.dispose]: () => {
      watch[Symbol.dispose]()
      calls.close(fd)
    },
  }
}

function openSocket(calls: SocketCalls, protocol: NetlinkProtocol): number {
  const fd = calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, netlinkProtocols[protocol])
  if (fd < 0) throw new NetlinkError(errnoName(), 'open a socket', protocol)
  const { bytes, address } = pinned(addressBytes)
  bytes.writeUInt16LE(AF_NETLINK, 0)
  if (calls.bind(fd, address, addressBytes) < 0) {
    const errno = errnoName()
    calls.close(fd)
    throw new NetlinkError(errno, 'open a socket', protocol)
  }
  return fd
}
