/** A connection to a libvirt daemon: many calls at once, streams, and messages that come unasked. */
import type { Duplex } from 'node:stream'
import { InfraError } from '../../errors.ts'
import { abortError } from '../../hosts/local/failures.ts'
import { decodeValues, encodeValues } from '../../wire/libvirt/notation.ts'
import {
  emptyPacketBuffer,
  encodePacket,
  feedPackets,
  keepaliveProcedures,
  type Packet,
  packetTypes,
  programs,
  statuses,
} from '../../wire/libvirt/packet.ts'
import {
  type Arguments,
  type ProcedureName,
  procedures,
  qemuProcedures,
  type Results,
} from '../../wire/libvirt/procedures.ts'
import type { CallOptions } from '../hypervisor.ts'
import { libvirtFailure } from './failures.ts'
import { callStream } from './stream.ts'

/** More than this many the daemon does not take from one client (libvirtd.conf: max_client_requests): the rest waits here. */
const callsAtOnce = 5
/** As libvirt's own client does it (virConnectSetKeepAlive): silence for this long is asked about, so many times. */
const keepaliveMs = 5_000
const keepaliveCount = 5

export type MessageListener = (procedure: number, payload: Uint8Array) => void

export type Connection = {
  /**
   * @throws InfraError by libvirt's error; `unreachable` when the connection is lost; `timeout`, `cancelled`. Each says what
   * was asked.
   */
  call<P extends ProcedureName>(name: P, args: Arguments<P>, options: CallOptions): Promise<Results<P>>
  /** A call that opens a stream of bytes; it ends with `destroy`, or when either side has said all. */
  stream<P extends ProcedureName>(name: P, args: Arguments<P>, options: CallOptions): Promise<Duplex>
  /** Messages from now on; the function given back ends it. */
  listen(listener: MessageListener): () => void
  /** Aborts when the connection is lost or closed, with the InfraError as its reason. */
  readonly lost: AbortSignal
  close(): void
}

/** Who waits for packets of one serial. */
type Waiter = { readonly take: (packet: Packet) => void; readonly fail: () => void }

/** `peer` names the daemon in errors. Opens nothing at the other end yet: see `open.ts`. */
export function libvirtConnection(socket: Duplex, peer: string): Connection {
  const lost = new AbortController()
  const waiters = new Map<number, Waiter>()
  const streams = new Map<number, Waiter>()
  const listeners = new Set<MessageListener>()
  const queue: (() => void)[] = []
  let calls = 0
  let lastSerial = 0
  let buffer = emptyPacketBuffer
  let silentFor = 0

  const send = (packet: Packet): boolean => socket.writable && socket.write(encodePacket(packet))
  const end = (error: InfraError): void => {
    if (lost.signal.aborted) return
    clearInterval(pinging)
    lost.abort(error)
    socket.destroy()
    for (const { fail } of [...waiters.values(), ...streams.values()]) fail()
    for (const begin of queue.splice(0)) begin()
  }
  const gone = (cause?: unknown): void =>
    end(new InfraError('unreachable', `${peer} closed the connection`, { subject: peer, cause, retryable: true }))
  const receive = (packet: Packet): void => {
    if (packet.program === programs.keepalive) {
      if (packet.procedure === keepaliveProcedures.ping) send(keepalive(keepaliveProcedures.pong))
    } else if (packet.type === packetTypes.message)
      for (const listener of listeners) listener(packet.procedure, packet.payload)
    else (packet.type === packetTypes.stream ? streams : waiters).get(packet.serial)?.take(packet)
  }
  socket.on('data', (chunk: Buffer) => {
    silentFor = 0
    try {
      const fed = feedPackets(buffer, chunk)
      buffer = fed.buffer
      for (const packet of fed.packets) receive(packet)
    } catch (cause) {
      end(new InfraError('failed', `${peer} does not speak libvirt's protocol`, { subject: peer, cause }))
    }
  })
  socket
    .on('error', gone)
    .on('end', () => gone())
    .on('close', () => gone())
  // A daemon that hangs, or a machine that went away, closes nothing: it is asked whether it is there.
  const pinging = setInterval(() => {
    if (waiters.size + streams.size + listeners.size === 0) return
    silentFor += 1
    if (silentFor > keepaliveCount)
      end(new InfraError('unreachable', `${peer} does not answer any more`, { subject: peer, retryable: true }))
    else send(keepalive(keepaliveProcedures.ping))
  }, keepaliveMs).unref()
  /** The process may end while nothing is asked. */
  const hold = (): void => {
    const busy = waiters.size + streams.size + listeners.size > 0
    if ('ref' in socket && 'unref' in socket) (socket as unknown as Holdable)[busy ? 'ref' : 'unref']()
  }
  hold()

  /** A place among the calls at once. */
  const turn = async (what: string, signal: AbortSignal): Promise<void> => {
    if (calls < callsAtOnce) {
      calls += 1
      return
    }
    await new Promise<void>((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = (): void => {
        queue.splice(queue.indexOf(begin), 1)
        reject(abortError(signal, what, peer))
      }
      queue.push(begin)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }
  /** The place goes to who waits longest. */
  const done = (): void => {
    const next = queue.shift()
    if (next === undefined) calls -= 1
    else next()
  }

  /** Sends a call and waits for its reply. An answer to a call that was given up is dropped when it comes. */
  const ask = async (name: ProcedureName, args: unknown, { signal }: CallOptions, serial: number): Promise<Packet> => {
    const what = `ask libvirt ${name}`
    if (signal.aborted) throw abortError(signal, what, peer)
    await turn(what, signal)
    try {
      if (lost.signal.aborted) throw lossOf(lost.signal, what)
      return await new Promise<Packet>((resolve, reject) => {
        const settle = (act: () => void): void => {
          signal.removeEventListener('abort', giveUp)
          waiters.delete(serial)
          hold()
          act()
        }
        const giveUp = (): void => settle(() => reject(abortError(signal, what, peer)))
        waiters.set(serial, {
          take: (packet) => settle(() => resolve(packet)),
          fail: () => settle(() => reject(lossOf(lost.signal, what))),
        })
        hold()
        signal.addEventListener('abort', giveUp, { once: true })
        send({
          ...addressOf(name),
          type: packetTypes.call,
          serial,
          status: statuses.ok,
          payload: encodeArguments(name, args),
        })
      })
    } finally {
      done()
    }
  }
  const call: Connection['call'] = async (name, args, options) => {
    lastSerial += 1
    const reply = await ask(name, args, options, lastSerial)
    if (reply.status !== statuses.ok) throw failureOf(reply, name, args, peer)
    return decodeValues(definitionOf(name)[2], reply.payload) as never
  }
  const stream: Connection['stream'] = async (name, args, options) => {
    lastSerial += 1
    const serial = lastSerial
    const address = { ...addressOf(name), type: packetTypes.stream, serial }
    const { duplex, take } = callStream({
      send: (status, payload) => send({ ...address, status, payload }),
      drained: (then) => socket.once('drain', then),
      failure: (packet) => failureOf(packet, name, args, peer),
      ended: () => {
        streams.delete(serial)
        hold()
      },
    })
    // Data may come in the same piece as the reply.
    streams.set(serial, { take, fail: () => duplex.destroy(lossOf(lost.signal, `read libvirt's ${name}`)) })
    try {
      const reply = await ask(name, args, options, serial)
      if (reply.status !== statuses.ok) throw failureOf(reply, name, args, peer)
      return duplex
    } catch (error) {
      streams.delete(serial)
      hold()
      throw error
    }
  }
  return {
    call,
    stream,
    listen(listener) {
      listeners.add(listener)
      hold()
      return () => {
        listeners.delete(listener)
        hold()
      }
    },
    lost: lost.signal,
    close: () => end(new InfraError('cancelled', `the connection to ${peer} was closed`, { subject: peer })),
  }
}

/** The loss of a connection, to whom it kept from `what`. `lost`: aborted. */
export function lossOf(lost: AbortSignal, what: string): InfraError {
  const { code, message, subject, retryable } = lost.reason as InfraError
  return new InfraError(code, `${what}: ${message}`, { subject, retryable, cause: lost.reason })
}

type Holdable = { ref(): void; unref(): void }

function keepalive(procedure: number): Packet {
  const { keepalive: program } = programs
  return { program, procedure, type: packetTypes.message, serial: 0, status: statuses.ok, payload: new Uint8Array(0) }
}

function definitionOf(name: ProcedureName): readonly [number: number, args: string, results: string] {
  return { ...procedures, ...qemuProcedures }[name]
}

function addressOf(name: ProcedureName): { readonly program: number; readonly procedure: number } {
  const program = name in qemuProcedures ? programs.qemu : programs.remote
  return { program, procedure: definitionOf(name)[0] }
}

function encodeArguments(name: ProcedureName, args: unknown): Uint8Array {
  return encodeValues(definitionOf(name)[1], args as never)
}

function failureOf({ payload }: Packet, name: ProcedureName, args: readonly unknown[], peer: string): InfraError {
  const [error] = decodeValues('error', payload)
  const named = args.find((value) => typeof value === 'object' && value !== null && 'name' in value)
  return libvirtFailure(error, name, (named as { readonly name: string } | undefined)?.name ?? peer)
}
