/** A client's connection as schedulers and servers see it. */
import type { Socket } from 'node:net'
import type { Flow } from '../../lvs/schedulers/scheduler.ts'
import type { Endpoint } from '../../lvs/service.ts'
import { addressWords } from '../records.ts'

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

export function flowOf({ client, local }: Ends): Flow {
  return {
    get source() {
      return addressWords(client.address) ?? [0]
    },
    sourcePort: client.port,
    get destination() {
      return addressWords(local.address) ?? [0]
    },
    destinationPort: local.port,
    get atMs() {
      return nowMs()
    },
  }
}
