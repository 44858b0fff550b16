/** The states of a connection, by the names that Linux prints in /proc/net/ip_vs_conn; how long each lasts, and which count as active. */
import type { Protocol } from './service.ts'
import type { Timeouts } from './settings.ts'

/** In kernel order: the position is the code. */
export const tcpStates = [
  'NONE', 'ESTABLISHED', 'SYN_SENT', 'SYN_RECV', 'FIN_WAIT', 'TIME_WAIT', 'CLOSE', 'CLOSE_WAIT', 'LAST_ACK', 'LISTEN', 'SYNACK',
] as const // biome-ignore format: a list to read at a glance
export const sctpStates = [
  'NONE', 'INIT1', 'INIT', 'C-SENT', 'C-REPLIED', 'C-WAIT', 'COOKIE', 'C-ECHOED', 'ESTABLISHED', 'S-SENT', 'S-RECEIVED', 'S-ACK-SENT', 'REJECTED', 'CLOSED',
] as const // biome-ignore format: a list to read at a glance
export const udpStates = ['UDP'] as const
/** Of a persistence template: whether a connection under it has been seen to work. */
export const templateStates = ['NONE', 'ASSURED'] as const

export type TcpState = (typeof tcpStates)[number]
export type SctpState = (typeof sctpStates)[number]
export type ConnectionState = TcpState | SctpState | (typeof udpStates)[number] | (typeof templateStates)[number]

/** Until its first packet has been looked at. */
export const firstTimeoutSeconds = 3

const tcpTimeouts: { readonly [State in TcpState]: number | keyof Timeouts } = {
  NONE: 2,
  ESTABLISHED: 'tcp',
  SYN_SENT: 120,
  SYN_RECV: 60,
  FIN_WAIT: 'tcpFin',
  TIME_WAIT: 120,
  CLOSE: 10,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  LISTEN: 120,
  SYNACK: 120,
}

/** `ipvsadm --set` leaves SCTP as it is. */
const sctpTimeouts: { readonly [State in SctpState]?: number } = { NONE: 2, INIT1: 4, REJECTED: 4, ESTABLISHED: 900 }

/** Seconds that an entry stands after each packet, by the state it is in then. Not for templates: theirs is the service's. */
export function stateTimeoutSeconds(protocol: Protocol, state: ConnectionState, timeouts: Timeouts): number {
  if (protocol === 'udp') return timeouts.udp
  if (protocol === 'sctp') return sctpTimeouts[state as SctpState] ?? 61
  const timeout = tcpTimeouts[state as TcpState]
  return typeof timeout === 'number' ? timeout : timeouts[timeout]
}

/** Whether it counts as ActiveConn; all others are InActConn. */
export function isActiveState(protocol: Protocol, state: ConnectionState): boolean {
  if (protocol === 'udp') return false
  if (state === 'ESTABLISHED') return true
  return protocol === 'tcp' && (state === 'SYN_SENT' || state === 'SYN_RECV' || state === 'SYNACK')
}
