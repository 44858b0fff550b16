/** How IPVS follows an SCTP association: the transition tables of ip_vs_proto_sctp.c. */
import { type SctpState, sctpStates } from './connection-state.ts'
import type { SctpChunk } from './packet.ts'
import type { Direction } from './tcp-states.ts'

/** Position: the state's code. Digit: the next state's code. */
const tables: { readonly [C in SctpChunk]: { readonly [D in Direction]: string } } = {
  DATA: { in: '8123456789abcd', out: '8123456789abcd', 'in-only': '8123486789abcd' },
  INIT: { in: '1223456789ab22', out: '55555555855555', 'in-only': '1222226789ab22' },
  INIT_ACK: { in: '5553466789abcd', out: '3333456789abcd', 'in-only': '7777776789abcd' },
  COOKIE_ECHO: { in: '4224456789abcd', out: '7777777789abcd', 'in-only': '8888886789abcd' },
  COOKIE_ACK: { in: '8123456889abcd', out: '8888888889abcd', 'in-only': '8128858889abcd' },
  SHUTDOWN: { in: 'a1234567a9abcd', out: '9999999999abcd', 'in-only': 'a1234567a9abcd' },
  SHUTDOWN_ACK: { in: 'd22345678dadcd', out: 'bbbbb5678bbbcd', 'in-only': 'd2234567ddadcd' },
  SHUTDOWN_COMPLETE: { in: 'ddd3456789adcd', out: 'd123456789abcd', 'in-only': 'ddddd56789ddcd' },
  ERROR: { in: 'd123456d89abcd', out: 'ddddd56789abcd', 'in-only': 'd123456789abcd' },
  ABORT: { in: 'dddddcdddddddd', out: 'dcdddddddddddd', 'in-only': 'dddddcdddddddd' },
}

export function nextSctpState(state: SctpState, chunks: readonly SctpChunk[], direction: Direction): SctpState {
  const row = tables[decidingChunk(chunks)][direction]
  return sctpStates[Number.parseInt(row[sctpStates.indexOf(state)] ?? '', 16)] ?? state
}

/** The first chunk decides; an ABORT may hide behind a COOKIE_ECHO or COOKIE_ACK (RFC 9260 §3.3.7). */
function decidingChunk([first = 'DATA', second]: readonly SctpChunk[]): SctpChunk {
  const isCookie = first === 'COOKIE_ECHO' || first === 'COOKIE_ACK'
  return isCookie && second === 'ABORT' ? 'ABORT' : first
}
