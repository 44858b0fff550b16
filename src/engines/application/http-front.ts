/** The HTTP side towards clients: Node's parser in strict mode, requests of one connection one after the other. */
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { closeWith, linger, type OwnStatus } from './answers.ts'
import type { Context } from './context.ts'
import { over, spoil, startExchange } from './exchange.ts'
import type { Client, Exchange, HttpFront } from './model.ts'

/** Requests that a client may send ahead of its answers. */
const mostWaiting = 128

export function openHttpFront(context: Context): HttpFront {
  const { settings } = context
  const clients = new Map<Socket, Client>()
  const server = createServer({
    // The strict parser; anything lenient would read what others read differently.
    insecureHTTPParser: false,
    maxHeaderSize: settings.headBytes,
    headersTimeout: settings.headTimeoutMs,
    // Bodies have a time-out of their own, between two pieces.
    requestTimeout: 0,
    keepAliveTimeout: settings.keepAliveMs,
    connectionsCheckingInterval: Math.min(1000, settings.headTimeoutMs),
    // Node would answer by itself, before the request is seen.
    requireHostHeader: false,
    noDelay: true,
  })
  // No limit but the head's size: what is beyond one, Node passes over in silence, though its parser goes by it.
  server.maxHeadersCount = 0
  const arrived = (request: IncomingMessage, response: ServerResponse): void => {
    const client = clients.get(request.socket)
    if (client === undefined) return void request.socket.destroy()
    enqueue(context, client, { request, response, upgrade: undefined })
  }
  server.on('request', arrived)
  server.on('checkContinue', arrived)
  server.on('connect', (request: IncomingMessage, socket: Socket) => refuse(clients.get(request.socket), socket, 501))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const client = clients.get(socket)
    // An upgrade that was sent ahead of an answer: nobody does that in good faith.
    if (client === undefined || client.current !== undefined) return void socket.destroy()
    enqueue(context, client, { request, response: detached(request, socket), upgrade: { socket, head } })
  })
  server.on('clientError', (error, socket) => misread(context, clients.get(socket as Socket), socket as Socket, error))
  // Node looks after slow heads only in servers that listen: this one is handed its clients.
  server.emit('listening')
  return {
    take(fresh) {
      const client: Client = { ...fresh, current: undefined, waiting: [], refusal: undefined }
      clients.set(fresh.socket, client)
      fresh.socket.once('close', () => clients.delete(fresh.socket))
      server.emit('connection', fresh.socket)
    },
    sweep() {
      for (const { socket, listener, current } of clients.values())
        if (listener.record === undefined && current === undefined) socket.destroy()
    },
    close: () => closeAll(server, clients),
  }
}

function closeAll(server: Server, clients: ReadonlyMap<Socket, Client>): void {
  // Ends the looking after slow heads, too.
  server.close()
  for (const socket of clients.keys()) socket.destroy()
}

/** An answer to a request whose connection Node has let go of, because it may become another protocol. */
function detached(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  socket.on('error', () => socket.destroy())
  response.once('finish', () => {
    socket.end()
    linger(socket)
  })
  return response
}

type Arrival = Pick<Exchange, 'request' | 'response' | 'upgrade'>

function enqueue(context: Context, client: Client, arrival: Arrival): void {
  if (client.refusal !== undefined) return
  if (client.waiting.length >= mostWaiting) return void client.socket.destroy()
  if (client.current !== undefined) return void client.waiting.push(arrival)
  begin(context, client, arrival)
}

function begin(context: Context, client: Client, arrival: Arrival): void {
  const exchange = startExchange(context, client, arrival)
  client.current = exchange
  arrival.response.once('close', () => {
    over(context, exchange)
    client.current = undefined
    const next = client.waiting.shift()
    if (client.socket.destroyed) return
    // Answered before it has come as a whole: what is left of it may not take for ever.
    if (!arrival.request.complete) limitRest(context, client, arrival.request)
    if (next !== undefined) begin(context, client, next)
    else if (client.refusal !== undefined) refuse(client, client.socket, client.refusal)
  })
}

function limitRest({ settings }: Context, { socket }: Client, request: IncomingMessage): void {
  const timer = setTimeout(() => socket.destroy(), settings.bodyTimeoutMs)
  request.once('close', () => clearTimeout(timer))
}

/** What came is no HTTP, too long or too late. */
function misread(context: Context, client: Client | undefined, socket: Socket, error: Error): void {
  const code = 'code' in error ? String(error.code) : ''
  const status = statusOf(code)
  // Nobody has asked anything: there is nobody to be told.
  const isSilent = status === 408 && socket.bytesRead === 0
  if (client === undefined || status === undefined || isSilent) return void socket.destroy()
  if (client.refusal !== undefined) return
  client.refusal = status
  const { current } = client
  if (current === undefined) return refuse(client, socket, status)
  // Bad bytes inside of the request under way: it is not finished, and never will be.
  if (!current.request.complete) spoil(context, current, status)
}

function statusOf(code: string): OwnStatus | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return 431
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  return code.startsWith('HPE_') ? 400 : undefined
}

function refuse(client: Client | undefined, socket: Socket, status: OwnStatus): void {
  if (client !== undefined) client.refusal = status
  closeWith(socket, status)
}
