/** Which packets may begin a connection, and which begin one anew in the place of an old one (ip_vs_core.c, ip_vs_proto_*.c). */
import type { ConnectionState } from './connection-state.ts'
import type { TransportPacket } from './packet.ts'
import type { Protocol } from './service.ts'
import type { Sysctls } from './settings.ts'

/** Whether a packet of no connection is scheduled: a SYN, an INIT, any datagram; with sloppy_* all but resets. */
export function mayBegin(packet: TransportPacket, sysctls: Pick<Sysctls, 'sloppy_tcp' | 'sloppy_sctp'>): boolean {
  switch (packet.protocol) {
    case 'tcp':
      return packet.flags.rst !== true && (packet.flags.syn === true || sysctls.sloppy_tcp !== 0)
    case 'udp':
      return true
    case 'sctp': {
      const [first] = packet.chunks
      return first === 'INIT' || (first !== undefined && first !== 'ABORT' && sysctls.sloppy_sctp !== 0)
    }
  }
}

/** Whether its sender means to begin: such a packet may find an old entry in its way. */
export function isBeginning(packet: TransportPacket): boolean {
  if (packet.protocol === 'tcp') return packet.flags.syn === true
  return packet.protocol === 'sctp' && packet.chunks[0] === 'INIT'
}

/**
 * conn_reuse_mode: whether an entry is over for its client, who begins anew from the same port. 1: after both sides
 * said goodbye or a reset; 2 also when the client did, where replies do not pass here; 0: never.
 */
export function isReuse(
  mode: number,
  entry: {
    readonly protocol: Protocol
    readonly state: ConnectionState
    readonly isControlled: boolean
    readonly isInputOnly: boolean
  },
): boolean {
  if (mode === 0 || entry.isControlled) return false
  if (entry.protocol === 'sctp') return entry.state === 'CLOSED'
  if (entry.protocol !== 'tcp') return false
  if (entry.state === 'TIME_WAIT' || entry.state === 'CLOSE') return true
  return (mode & 2) !== 0 && entry.state === 'FIN_WAIT' && entry.isInputOnly
}
