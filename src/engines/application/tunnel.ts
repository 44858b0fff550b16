/** WebSocket: after the server's 101 the two connections carry its frames, which are nobody's business here. */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Context } from './context.ts'
import { release } from './counting.ts'
import { nowMs } from './ends.ts'
import { switchingHeaders } from './headers.ts'
import type { Exchange } from './model.ts'
import { splice } from './splice.ts'

export function openTunnel(
  context: Context,
  exchange: Exchange,
  incoming: IncomingMessage,
  server: Socket,
  serverHead: Buffer,
): void {
  const { upgrade, on, response } = exchange
  if (upgrade === undefined || on === undefined || upgrade.socket.destroyed) return void server.destroy()
  const { socket: client, head: clientHead } = upgrade
  exchange.phase = 'tunnel'
  exchange.lastMs = nowMs()
  response.detachSocket(client)
  client.setTimeout(0)
  server.setTimeout(0)
  const headers = switchingHeaders(incoming.rawHeaders)
  const lines = headers.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${headers[at + 1]}`] : []))
  client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  if (serverHead.length > 0) client.write(serverHead)
  if (clientHead.length > 0) server.write(clientHead)
  splice(client, server, {
    moved() {
      exchange.lastMs = nowMs()
    },
    halfClosed: () => undefined,
    ended: () => release(context, exchange),
  })
}
