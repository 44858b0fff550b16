/** How IPVS follows a TCP connection: the transition tables of ip_vs_proto_tcp.c, as the kernel decides by them. */
import { type TcpState, tcpStates } from './connection-state.ts'
import type { TcpFlags } from './packet.ts'

/** `in-only`: of a connection whose replies do not pass here (direct routing, tunnels). */
export type Direction = 'in' | 'out' | 'in-only'
type TcpEvent = 'syn' | 'fin' | 'ack' | 'rst'
type Tables = { readonly [D in Direction]: { readonly [E in TcpEvent]: string } }

/** Position: the state's code. Digit: the next state's code. */
const normal: Tables = {
  in: { syn: '31133333333', fin: '67255567895', ack: '11214567691', rst: '66636666893' },
  out: { syn: '21232222293', fin: '54254565895', ack: '11214567811', rst: '66266566666' },
  'in-only': { syn: '31133333333', fin: '64254567895', ack: '11214567691', rst: '66636666896' },
}

/** While secure_tcp is on: a SYN alone is not believed. */
const secure: Tables = {
  in: { syn: '3113333333a', fin: '6725556789a', ack: '1123456769a', rst: '66636666896' },
  out: { syn: '212a222229a', fin: '54254565895', ack: '11214567811', rst: '66266566666' },
  'in-only': { syn: 'a113aaaaaaa', fin: '64254567895', ack: '11214567691', rst: '66636666896' },
}

/** A packet with none of the four flags closes the connection. */
export function nextTcpState(state: TcpState, flags: TcpFlags, direction: Direction, isSecure: boolean): TcpState {
  const event = tcpEvent(flags)
  if (event === undefined) return 'CLOSE'
  const row = (isSecure ? secure : normal)[direction][event]
  return tcpStates[Number.parseInt(row[tcpStates.indexOf(state)] ?? '', 16)] ?? 'CLOSE'
}

function tcpEvent({ rst, syn, fin, ack }: TcpFlags): TcpEvent | undefined {
  if (rst === true) return 'rst'
  if (syn === true) return 'syn'
  if (fin === true) return 'fin'
  return ack === true ? 'ack' : undefined
}
