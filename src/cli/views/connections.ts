/** One connection as one line: who, by which service, to which server, how it stands and for how long. */
import type { Connection } from '../../engines/engine.ts'
import { formatEndpoint } from '../../lvs/service.ts'
import type { Paint } from '../terminal/paint.ts'
import { paintLine } from './line.ts'

/** `tcp ESTABLISHED 198.51.100.7:4000 → 10.0.0.1:80 → 10.0.1.2:8080 (899s)`. */
export function connectionLine(
  { protocol, state, client, service, server, expiresSeconds }: Connection,
  paint: Paint,
): string {
  return paintLine(
    [
      { text: `${protocol.padEnd(4)} ${state.padEnd(11)} `, style: 'dim' },
      `${formatEndpoint(client)} → ${formatEndpoint(service)} → `,
      { text: formatEndpoint(server), style: 'bold' },
      { text: ` (${expiresSeconds}s)`, style: 'dim' },
    ],
    paint,
  )
}
