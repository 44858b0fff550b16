/** Bodies of requests and answers, passed on piece by piece with back-pressure, with their trailers. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import { closeWith } from './answers.ts'
import { nowMs } from './ends.ts'
import { responseHeaders, trailers } from './headers.ts'
import type { Exchange } from './model.ts'

/** Of a request whose server has answered already and closed: read and thrown away up to so much. */
const leftoverBytes = 16 * 1024 * 1024

export function pumpRequest(exchange: Exchange, upstream: ClientRequest): void {
  const { request } = exchange
  let leftover = 0
  request.on('data', (chunk: Buffer) => {
    exchange.isBodyBegun = true
    exchange.lastMs = nowMs()
    if (upstream.destroyed || upstream.writableEnded) {
      leftover += chunk.length
      if (leftover > leftoverBytes) exchange.client.socket.destroy()
    } else if (!upstream.write(chunk)) request.pause()
  })
  upstream.on('drain', () => {
    exchange.lastMs = nowMs()
    request.resume()
  })
  // Without a server that listens, the rest only has to be out of the way.
  upstream.once('close', () => request.resume())
  request.once('end', () => {
    if (upstream.destroyed) return
    const last = trailers(request.rawTrailers)
    if (last.length > 0 && upstream.getHeader('content-length') === undefined) upstream.addTrailers(last)
    upstream.end()
    if (exchange.phase === 'sending') exchange.phase = 'waiting'
    exchange.lastMs = nowMs()
  })
}

/** Passes the answer on; `done` when all of it is on its way to the client. */
export function relayAnswer(exchange: Exchange, incoming: IncomingMessage, done: () => void): void {
  const { request, response, client } = exchange
  const { statusCode: status = 502, statusMessage = '' } = incoming
  exchange.phase = 'answering'
  exchange.lastMs = nowMs()
  const isBodiless = request.method === 'HEAD' || status === 204 || status === 304
  const isChunked = !isBodiless && request.httpVersion === '1.1' && incoming.headers['content-length'] === undefined
  const headers = responseHeaders(incoming.rawHeaders, isChunked)
  if (client.listener.record === undefined) headers.push('Connection', 'close')
  try {
    response.writeHead(status, statusMessage, headers)
  } catch {
    // A head that Node will not write.
    exchange.upstream?.destroy()
    incoming.destroy()
    done()
    return closeWith(client.socket, 502)
  }
  if (isBodiless) {
    incoming.resume().once('end', done)
    response.end()
    return
  }
  pumpAnswer(exchange, incoming, isChunked, done)
}

function pumpAnswer(exchange: Exchange, incoming: IncomingMessage, isChunked: boolean, done: () => void): void {
  const { response, client } = exchange
  let isFlushed = false
  incoming.on('data', (chunk: Buffer) => {
    isFlushed = true
    exchange.lastMs = nowMs()
    if (!response.write(chunk)) incoming.pause()
  })
  response.on('drain', () => {
    exchange.lastMs = nowMs()
    incoming.resume()
  })
  incoming.once('end', () => {
    isFlushed = true
    const last = isChunked ? trailers(incoming.rawTrailers) : []
    if (last.length > 0) response.addTrailers(last)
    done()
    response.end()
  })
  // Cut short: the client must see that this is not all.
  incoming.on('error', () => {
    done()
    client.socket.destroy()
  })
  // A head whose body takes its time goes ahead alone.
  setImmediate(() => {
    if (!isFlushed && !response.destroyed) response.flushHeaders()
  })
}
