/** `baton trace`: the way of a packet, line by line. */
import type { TraceAnswer } from '../../engines/engine.ts'
import { formatEndpoint, serviceKey } from '../../lvs/service.ts'
import type { SeenFrame, SeenLayer } from '../../wire/balanced-packet.ts'
import type { Paint } from '../terminal/paint.ts'
import { fields } from './fields.ts'

export function traceView(answer: TraceAnswer, paint: Paint): string[] {
  const { service, server, connection, verdict, reason, before, after } = answer
  return fields(
    [
      ['comes in', `by ${answer.interface}: ${frameText(before)}`],
      ['service', service === undefined ? 'none' : `${serviceKey(service.id)}, scheduler ${service.scheduler}`],
      ['connection', connection],
      [
        'server',
        server === undefined ? 'none' : `${formatEndpoint(server)}, ${server.forwarding}, weight ${server.weight}`,
      ],
      ['verdict', `${verdict}: ${reason}`],
      ...(verdict === 'sent' || verdict === 'answered' ? [['goes on', frameText(after)] as const] : []),
    ],
    paint,
  )
}

function frameText({ fromMac, toMac, layers }: SeenFrame): string {
  return [`${fromMac} to ${toMac}`, ...layers.map(layerText)].join(', ')
}

function layerText({ protocol, from, to, fromPort, toPort, hops }: SeenLayer): string {
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : formatEndpoint({ address, port })
  const name = typeof protocol === 'number' ? `protocol ${protocol}` : protocol
  return `${name} ${end(from, fromPort)} to ${end(to, toPort)}, ${hops} hops left`
}
