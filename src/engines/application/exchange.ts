/** One request and its answer: chosen, sent to a server, passed on in both directions, and counted. */
import { type ClientRequest, request as openRequest } from 'node:http'
import { defaultForwardedHeaders } from '../../lvs/application.ts'
import type { Connection } from '../engine.ts'
import type { ServerRecord } from '../records.ts'
import { answer, closeWith, type OwnStatus } from './answers.ts'
import { pumpRequest, relayAnswer } from './bodies.ts'
import { type Context, place, poolRecord, takeBack } from './context.ts'
import { release, settle } from './counting.ts'
import { nowMs } from './ends.ts'
import { requestHeaders } from './headers.ts'
import type { Client, Exchange } from './model.ts'
import { bodyLength, type CheckedRequest, checkRequest, hostName, valuesOf } from './request-check.ts'
import { afterFailure } from './retry.ts'
import { begin, type Placement, type RunningKind } from './running.ts'
import { connectWithHeader } from './server-connections.ts'
import { openTunnel } from './tunnel.ts'

type Arrival = Pick<Exchange, 'request' | 'response' | 'upgrade'>
type Accepted = Extract<CheckedRequest, { ok: true }>

const requests: RunningKind<Context> = { expire, describe, abort }

export function startExchange(context: Context, client: Client, { request, response, upgrade }: Arrival): Exchange {
  const exchange: Exchange = {
    at: -1,
    on: undefined,
    kind: requests,
    client,
    request,
    response,
    upgrade,
    phase: 'connecting',
    lastMs: nowMs(),
    front: undefined,
    service: undefined,
    upstream: undefined,
    counted: { in: 0, out: 0 },
    tried: none,
    resent: 0,
    isBodyBegun: false,
    isTimedOut: false,
  }
  begin(context.running, exchange)
  // A body only when all that has come with its head is read: should it be misread, no server must see anything of it.
  // A tick is too early: Node runs its ticks between two callbacks of its parser.
  if (bodyLength(request) === 0) process.nextTick(chooseUnlessOver, context, exchange)
  else setImmediate(chooseUnlessOver, context, exchange)
  return exchange
}

const none: readonly ServerRecord[] = []

function chooseUnlessOver(context: Context, exchange: Exchange): void {
  if (exchange.phase === 'connecting') choose(context, exchange)
}

/** The client's body was misread: neither side may take what came for a whole request. */
export function spoil(context: Context, exchange: Exchange, status: OwnStatus): void {
  refuse(context, exchange, status)
}

/** The client is gone, or has all. */
export function over(context: Context, exchange: Exchange): void {
  if (exchange.phase !== 'tunnel') abort(context, exchange)
}

function choose(context: Context, exchange: Exchange): void {
  const { client, request } = exchange
  const { method = '', url: target = '', httpVersion: version, rawHeaders } = request
  const checked = checkRequest({ method, target, version, rawHeaders })
  if (!checked.ok) return refuse(context, exchange, checked.status)
  const front = client.listener.record
  const application = front?.service.application
  if (front === undefined || application === undefined) return refuse(context, exchange, 503)
  exchange.front = front
  const choice = client.listener.choose(application)({
    host: hostName(checked.authority),
    target: checked.target,
    header: (name) => valuesOf(rawHeaders, name),
  })
  if (choice.kind === 'refuse') return refuse(context, exchange, 400)
  exchange.service = choice.kind === 'pool' ? poolRecord(context, choice.pool) : front
  if (exchange.service === undefined) return giveUp(context, exchange, 503)
  tryNext(context, exchange, checked)
}

/** Asks the scheduler; each server that cannot be reached gives way to the next. */
function tryNext(context: Context, exchange: Exchange, checked: Accepted): void {
  const { client, service, tried } = exchange
  if (service === undefined) return
  const picked = place(context, service, client.ends, tried)
  if (picked !== undefined) return send(context, exchange, checked, picked)
  giveUp(context, exchange, tried.length === 0 ? 503 : exchange.isTimedOut ? 504 : 502)
}

function send(context: Context, exchange: Exchange, checked: Accepted, placed: Placement): void {
  const { server } = placed
  const { client, request, service, front } = exchange
  const length = bodyLength(request)
  const proxy = service?.service.proxyProtocol ?? front?.service.proxyProtocol
  exchange.on = placed
  exchange.phase = 'connecting'
  exchange.lastMs = nowMs()
  let upstream: ClientRequest
  try {
    upstream = openRequest({
      host: server.server.address,
      port: server.server.port,
      method: request.method,
      path: checked.target,
      headers: headersFor(exchange, checked, length) as never,
      setHost: false,
      maxHeaderSize: context.settings.headBytes,
      insecureHTTPParser: false,
      ...(proxy === undefined
        ? { agent: context.servers.agent(server) }
        : { createConnection: () => connectWithHeader(server, proxy, client.ends) }),
    })
  } catch {
    // What Node will not write is nothing that a server should see.
    return refuse(context, exchange, 400)
  }
  upstream.maxHeadersCount = 0
  exchange.upstream = upstream
  let isConnected = false
  const connected = (): void => {
    isConnected = true
    context.templates.assure(placed.template)
    exchange.lastMs = nowMs()
    if (exchange.phase !== 'connecting') return
    exchange.phase = length === 0 ? 'waiting' : 'sending'
    if (length !== 0) pumpRequest(exchange, upstream)
  }
  upstream.once('socket', (socket) => {
    exchange.counted = upstream.reusedSocket ? { in: socket.bytesWritten, out: socket.bytesRead } : { in: 0, out: 0 }
    if (socket.connecting) socket.once('connect', connected)
    else connected()
  })
  upstream.on('information', ({ statusCode }) => inform(exchange, statusCode))
  upstream.on('response', (incoming) => {
    if (exchange.phase === 'done') return void upstream.destroy()
    relayAnswer(exchange, incoming, () => release(context, exchange))
  })
  upstream.on('upgrade', (incoming, socket, head) => {
    if (!checked.isWebSocket || exchange.upgrade === undefined) {
      socket.destroy()
      return giveUp(context, exchange, 502)
    }
    openTunnel(context, exchange, incoming, socket, head)
  })
  upstream.on('error', () => failed(context, exchange, checked, isConnected))
  if (length === 0) upstream.end()
  else upstream.flushHeaders()
}

function headersFor(exchange: Exchange, checked: Accepted, length: number | undefined): string[] {
  const { client, request, front } = exchange
  const application = front?.service.application
  const forwarded = application?.kind === 'http' ? application.forwarded : undefined
  return requestHeaders(
    request.rawHeaders,
    {
      client: client.ends.client.address,
      local: client.ends.local.address,
      proto: client.proto,
      version: request.httpVersion,
      forwarded: forwarded ?? defaultForwardedHeaders,
    },
    {
      authority: checked.authority,
      method: request.method ?? '',
      bodyLength: length,
      isWebSocket: checked.isWebSocket,
    },
  )
}

/** RFC 9110 §15.2: passed on to those who can read it; 101 is none of these. */
function inform({ request, response, phase }: Exchange, status: number): void {
  if (phase === 'done' || request.httpVersion !== '1.1' || response.headersSent) return
  if (status === 100 && request.headers.expect !== undefined) response.writeContinue()
  else if (status === 102) response.writeProcessing()
}

function failed(context: Context, exchange: Exchange, checked: Accepted, isConnected: boolean): void {
  const { on, upstream, response, phase } = exchange
  if (phase === 'done' || phase === 'tunnel' || on === undefined || upstream === undefined) return
  const next = afterFailure({
    method: exchange.request.method ?? '',
    isReused: upstream.reusedSocket,
    isUnsent: !isConnected,
    isUnanswered: phase !== 'answering',
    isBodyBegun: exchange.isBodyBegun,
    resent: exchange.resent,
  })
  if (next === 'give-up') {
    if (phase === 'answering' || response.headersSent) return abort(context, exchange)
    return giveUp(context, exchange, exchange.isTimedOut ? 504 : 502)
  }
  settle(context, exchange)
  takeBack(context, on)
  exchange.on = undefined
  exchange.upstream = undefined
  if (isConnected) exchange.resent += 1
  if (next === 'another-server') exchange.tried = [...exchange.tried, on.server]
  // It has closed one of the connections that were kept: the others have most likely gone the same way.
  else context.servers.dropIdle(on.server)
  tryNext(context, exchange, checked)
}

/** Cut off on both sides, so that nobody takes what came for the whole. */
function abort(context: Context, exchange: Exchange): void {
  if (exchange.at < 0) return
  release(context, exchange)
  exchange.upstream?.destroy()
  if (!exchange.response.writableFinished) exchange.client.socket.destroy()
}

/** An answer of our own; the connection stays when the request has come as a whole. */
function giveUp(context: Context, exchange: Exchange, status: OwnStatus): void {
  const { request, response, client, upstream } = exchange
  release(context, exchange)
  upstream?.destroy()
  if (!request.complete || client.listener.record === undefined) return close(exchange, status)
  request.resume()
  answer(response, status, false)
}

function refuse(context: Context, exchange: Exchange, status: OwnStatus): void {
  release(context, exchange)
  exchange.upstream?.destroy()
  close(exchange, status)
}

function close({ client, response, request }: Exchange, status: OwnStatus): void {
  client.refusal = status
  request.resume()
  if (response.headersSent) client.socket.destroy()
  else closeWith(client.socket, status)
}

function idleMs({ front, service }: Exchange): number | undefined {
  const seconds = front?.service.idleTimeoutSeconds ?? service?.service.idleTimeoutSeconds
  return seconds === undefined ? undefined : seconds * 1000
}

function limitMs(context: Context, exchange: Exchange): number {
  const { settings, scheduling } = context
  switch (exchange.phase) {
    case 'connecting':
      return settings.connectTimeoutMs
    case 'sending':
      return idleMs(exchange) ?? settings.bodyTimeoutMs
    case 'waiting':
      return idleMs(exchange) ?? settings.answerTimeoutMs
    case 'answering':
    case 'tunnel':
    case 'done':
      return idleMs(exchange) ?? scheduling.settings.timeouts.tcp * 1000
  }
}

function expire(context: Context, exchange: Exchange, now: number): void {
  const { phase, upstream, client } = exchange
  settle(context, exchange)
  if (now - exchange.lastMs < limitMs(context, exchange)) return
  exchange.isTimedOut = true
  if (phase === 'connecting') return void upstream?.destroy(new Error('ETIMEDOUT'))
  // Either the client does not send on, or the server does not take it.
  if (phase === 'sending') return refuse(context, exchange, upstream?.writableNeedDrain === true ? 504 : 408)
  if (phase === 'waiting') return giveUp(context, exchange, 504)
  abort(context, exchange)
  client.socket.destroy()
}

function describe(context: Context, exchange: Exchange, now: number): Connection | undefined {
  const { client, on, phase, front } = exchange
  const id = front?.service.id
  if (on === undefined || id?.kind !== 'address') return undefined
  const { address, port } = on.server.server
  return {
    protocol: 'tcp',
    client: client.ends.client,
    service: { address: id.address, port: id.port },
    server: { address, port },
    state: phase === 'connecting' ? 'SYN_SENT' : 'ESTABLISHED',
    expiresSeconds: Math.max(0, Math.round((limitMs(context, exchange) - (now - exchange.lastMs)) / 1000)),
  }
}
