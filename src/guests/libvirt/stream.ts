/** One stream of libvirt's RPC as a Duplex: a console, an upload, a download (libvirt, docs/kbase/internals/rpc). */
import { Duplex } from 'node:stream'
import { InfraError } from '../../errors.ts'
import { maxStreamBytes, type Packet, statuses } from '../../wire/libvirt/packet.ts'

/** What a reader may leave unread: the connection is shared, so one slow reader must not hold up the others. */
const maxUnreadBytes = 16 * 1024 * 1024

const nothing = new Uint8Array(0)

export type StreamPort = {
  /** false: the connection is full, `drained` tells when it takes more. */
  send(status: number, payload: Uint8Array): boolean
  drained(then: () => void): void
  failure(packet: Packet): InfraError
  /** Nothing comes for this stream any more. */
  ended(): void
}

/** `take` is given each packet of the stream. Ending the writing side finishes it; destroying it before aborts it. */
export function callStream(port: StreamPort): { readonly duplex: Duplex; readonly take: (packet: Packet) => void } {
  // Both sides confirm the end: until then the other one may still be sending.
  let closed = false
  let told = false
  const tell = (status: number): void => {
    if (told) return
    told = true
    port.send(status, nothing)
  }
  const close = (): void => {
    if (closed) return
    closed = true
    port.ended()
  }
  const duplex = new Duplex({
    read: () => {},
    write(chunk: Buffer, _encoding, callback) {
      let room = true
      for (let at = 0; at < chunk.length; at += maxStreamBytes)
        room = port.send(statuses.continue, chunk.subarray(at, at + maxStreamBytes))
      if (room || closed) callback()
      else port.drained(callback)
    },
    final(callback) {
      tell(statuses.ok)
      callback()
    },
    destroy(error, callback) {
      if (!closed) tell(statuses.error)
      close()
      callback(error)
    },
  })
  const take = (packet: Packet): void => {
    if (packet.status === statuses.error) {
      told = true
      close()
      duplex.destroy(port.failure(packet))
      return
    }
    if (packet.status === statuses.ok) {
      close()
      duplex.push(null)
      return
    }
    if (packet.payload.length === 0) {
      // The other side has said all; it waits to be told that this was understood.
      tell(statuses.ok)
      return
    }
    duplex.push(packet.payload)
    if (duplex.readableLength > maxUnreadBytes)
      duplex.destroy(new InfraError('busy', 'a stream from libvirt was read too slowly', { subject: 'libvirt' }))
  }
  return { duplex, take }
}
