/** A client's connection as schedulers and servers see it. */
import type { Socket } from 'node:net'
import type { Endpoint } from '../../lvs/service.ts'

/** The two ends of a client's connection, as they were when it was accepted. */
export type Ends = { readonly client: Endpoint; readonly local: Endpoint }

export const nowMs = (): number => performance.now()

/** Undefined when the client is gone already. */
export function endsOf(socket: Socket): Ends | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  return {
    client: { address: remoteAddress, port: remotePort },
    local: { address: localAddress ?? '0.0.0.0', port: localPort ?? 0 },
  }
}
