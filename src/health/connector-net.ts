/** A connector on Node's sockets: for machines on which the C library cannot be called. */
import { connect } from 'node:net'
import { formatEndpoint } from '../lvs/service.ts'
import { failed, up } from './checks/verdict.ts'
import type { Connector } from './connector.ts'

export const netConnector: Connector = {
  kind: 'net',
  connect(target, listener) {
    const socket = connect({ host: target.address, port: target.port })
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
  },
  [Symbol.dispose]() {},
}
