/** The connections and datagrams of a check, from where it says. */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { connect, Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { type Endpoint, familyOf } from '../../lvs/service.ts'
import { openBoundSocket, type Source } from '../../os/bound-socket.ts'

/** Begins to connect. @throws InfraError when it cannot go out from there */
export function connectFrom({ address, port }: Endpoint, from: Source | undefined): Socket {
  if (from === undefined) return connect({ host: address, port })
  const socket = new Socket({ fd: openBoundSocket(from, familyOf(address), 'stream') })
  return socket.connect({ host: address, port })
}

/** @throws InfraError when it cannot go out from there */
export function connectTlsFrom(target: Endpoint, from: Source | undefined, options: ConnectionOptions): TLSSocket {
  if (from === undefined) return connectTls({ host: target.address, port: target.port, ...options })
  return connectTls({ socket: connectFrom(target, from), ...options })
}

/** For node:http; nothing where it is as usual. */
export function connectionFrom(
  target: Endpoint,
  from: Source | undefined,
  tls: ConnectionOptions | undefined,
): { createConnection?: () => Socket } {
  if (from === undefined) return {}
  return {
    createConnection: () => (tls === undefined ? connectFrom(target, from) : connectTlsFrom(target, from, tls)),
  }
}

/** Bound already, where it goes out from somewhere. @throws InfraError when it cannot */
export function datagramSocketFrom({ address }: Endpoint, from: Source | undefined): DatagramSocket {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  if (from !== undefined) socket.bind({ fd: openBoundSocket(from, familyOf(address), 'datagram') })
  return socket
}
