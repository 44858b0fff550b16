/** Questions and answers over TCP (RFC 7766): many in one connection, few connections, none of them idle for long. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { Endpoint } from '../../lvs/service.ts'
import { Frames, frame } from './frames.ts'
import type { Client } from './respond.ts'
import { type Responder, serveTcp } from './serve.ts'

export type TcpLimits = {
  /** Beyond it the connection that has asked nothing for the longest time is closed. */
  readonly connections: number
  /** Without a whole question for so long. */
  readonly idleMs: number
}

/** Answers that the client has not taken yet: no more questions are read meanwhile. */
const mostWaitingBytes = 65_536
/** Then others have their turn. */
const questionsAtOnce = 32

/** @throws Error with Node's `code` when the address cannot be taken. */
export async function listenTcp(place: Endpoint, responder: Responder, limits: TcpLimits): Promise<AsyncDisposable> {
  /** The one that has been silent for the longest time first. */
  const connections = new Set<Socket>()
  const heard = (socket: Socket): void => {
    connections.delete(socket)
    connections.add(socket)
  }
  // A client may close its side when it has asked all: it still gets its answers.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const [oldest] = connections
    if (connections.size >= limits.connections) oldest?.destroy()
    heard(socket)
    socket.once('close', () => connections.delete(socket))
    converse(socket, responder, limits.idleMs, () => heard(socket))
  })
  const listening = once(server, 'listening')
  server.listen({ host: place.address, port: place.port, ipv6Only: true, exclusive: true })
  await listening
  // What fails to be accepted is the client's loss (it closed, or descriptors ran out).
  server.on('error', () => undefined)
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of connections) socket.destroy()
      await closed
    },
  }
}

function converse(socket: Socket, responder: Responder, idleMs: number, heard: () => void): void {
  const client: Client = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 }
  const frames = new Frames()
  const idle = setTimeout(() => socket.destroy(), idleMs)
  let isEnded = false

  const serve = (): void => {
    for (let count = 0; !socket.destroyed; count++) {
      if (socket.writableLength > mostWaitingBytes) return void socket.pause()
      const message = frames.next()
      if (message === undefined) break
      const answer = serveTcp(responder, message, client, performance.now())
      if (answer === undefined) return void socket.destroy()
      idle.refresh()
      heard()
      socket.write(frame(answer))
      if (count + 1 < questionsAtOnce) continue
      socket.pause()
      return void setImmediate(serve)
    }
    if (isEnded) socket.end()
    else socket.resume()
  }

  socket.on('data', (bytes) => {
    frames.push(bytes)
    serve()
  })
  socket.on('drain', serve)
  socket.on('end', () => {
    isEnded = true
    serve()
  })
  // A client that breaks off: 'close' follows.
  socket.on('error', () => undefined)
  socket.on('close', () => clearTimeout(idle))
}
