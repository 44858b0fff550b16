/** A connector on Node's sockets: for machines on which the C library cannot be called. */
import { type Endpoint, formatEndpoint } from '../lvs/service.ts'
import type { Source } from '../os/bound-socket.ts'
import { connectFrom } from './checks/outgoing.ts'
import { failed, up } from './checks/verdict.ts'
import type { ConnectAttempt, ConnectListener, Connector } from './connector.ts'

export const netConnector: Connector = {
  kind: 'net',
  connect: (target, listener) => beginConnect(target, undefined, listener),
  [Symbol.dispose]() {},
}

/** @throws InfraError when it cannot go out from there */
export function beginConnect(target: Endpoint, from: Source | undefined, listener: ConnectListener): ConnectAttempt {
  const socket = connectFrom(target, from)
  let isOver = false
  socket.once('connect', () => {
    if (isOver) return
    isOver = true
    socket.resetAndDestroy()
    listener.onConnectEnd(up('connected'))
  })
  socket.on('error', (error) => {
    if (isOver) return
    isOver = true
    socket.destroy()
    listener.onConnectEnd(failed(formatEndpoint(target), error))
  })
  return {
    // Node looks by itself, in every turn of its loop.
    settle() {},
    cancel() {
      isOver = true
      socket.destroy()
    },
  }
}
