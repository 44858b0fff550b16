/** The states of a connection, by the names that Linux prints in /proc/net/ip_vs_conn. */

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
