/**
 * Check `tcp`: the server takes a connection. It says nothing of what stands behind a proxy that takes connections for
 * others, as QEMU's user network does for a guest that has not booted yet: check `http` sees through it.
 */
import { formatEndpoint } from '../../lvs/service.ts'
import type { Probe } from '../check.ts'
import { beginConnect } from '../connector-net.ts'
import { down, probing } from './verdict.ts'

/** By itself; of many servers at once the checker asks its connector. */
export function tcpProbe(): Probe {
  return (target, { signal, from }) =>
    probing(
      signal,
      () => down(`no connection to ${formatEndpoint(target)} in time`),
      (end) => {
        const attempt = beginConnect(target, from, { onConnectEnd: end })
        return () => attempt.cancel()
      },
    )
}
