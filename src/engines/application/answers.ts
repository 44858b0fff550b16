/** Answers that the balancer gives by itself: short, plain, and never with a word of what was sent. */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'

export type OwnStatus = 400 | 408 | 413 | 431 | 500 | 501 | 502 | 503 | 504 | 505

/** How long a client may take to read an answer while what it still sends is thrown away. */
const lingerMs = 1000

const textOf = (status: OwnStatus): string => `${status} ${STATUS_CODES[status]}\n`

/** `isLast`: the connection ends with it. */
export function answer(response: ServerResponse, status: OwnStatus, isLast: boolean): void {
  if (response.headersSent || response.destroyed) return
  const text = textOf(status)
  const head = ['Content-Type', 'text/plain', 'Content-Length', String(text.length), 'Cache-Control', 'no-store']
  if (isLast) head.push('Connection', 'close')
  response.writeHead(status, head)
  response.end(text)
}

/** On a connection that no parser looks after any more. */
export function closeWith(socket: Socket, status: OwnStatus): void {
  if (!socket.writable) return void socket.destroy()
  const text = textOf(status)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nDate: ${new Date().toUTCString()}\r\nContent-Type: text/plain\r\n`
  socket.end(`${head}Content-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`)
  linger(socket)
}

/** Reads on until the client closes: a socket closed with bytes unread is reset, and the answer may be lost with it. */
export function linger(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer)).resume()
}
