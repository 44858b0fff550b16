/**
 * Check `tcp`: the server takes a connection. It says nothing of what stands behind a proxy that takes connections for
 * others, as QEMU's user network does for a guest that has not booted yet: check `http` sees through it.
 */
import { connect } from 'node:net'
import { formatEndpoint } from '../../lvs/service.ts'
import type { Probe } from '../check.ts'
import { down, failureText, probing, up } from './verdict.ts'

export function tcpProbe(): Probe {
  return (target, { signal }) =>
    probing(
      signal,
      () => down(`no connection to ${formatEndpoint(target)} in time`),
      (end) => {
        const socket = connect({ host: target.address, port: target.port })
        socket.once('connect', () => end(up('connected')))
        socket.on('error', (error) => end(down(`${formatEndpoint(target)}: ${failureText(error)}`)))
        return () => socket.destroy()
      },
    )
}
