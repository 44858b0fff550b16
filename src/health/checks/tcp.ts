/**
 * Check `tcp`: the server takes a connection. It says nothing of what stands behind a proxy that takes connections for
 * others, as QEMU's user network does for a guest that has not booted yet: check `http` sees through it.
 */
import { connect } from 'node:net'
import { formatEndpoint } from '../../lvs/service.ts'
import type { Probe } from '../check.ts'

export function tcpProbe(): Probe {
  return (target, { signal }) =>
    new Promise((resolve) => {
      const begun = performance.now()
      const socket = connect({ host: target.address, port: target.port })
      const end = (healthy: boolean, detail: string): void => {
        signal.removeEventListener('abort', onAbort)
        socket.destroy()
        resolve({ healthy, detail, tookMs: performance.now() - begun })
      }
      const onAbort = (): void => end(false, `no connection to ${formatEndpoint(target)} in time`)
      signal.addEventListener('abort', onAbort, { once: true })
      socket.once('connect', () => end(true, 'connected'))
      socket.on('error', (error: NodeJS.ErrnoException) =>
        end(false, `${formatEndpoint(target)}: ${error.code ?? error.message}`),
      )
      if (signal.aborted) onAbort()
    })
}
