/** TCP through `node:net`: a listener per service, two sockets per connection. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Service } from '../../../lvs/service.ts'
import type { Connection } from '../../engine.ts'
import { flowBetween } from '../../flow.ts'
import { listenError } from '../../listen-error.ts'
import { encodeProxyHeader } from '../../proxy-protocol.ts'
import type { ServerRecord, ServiceRecord } from '../../records.ts'
import { errnoOf, type NetContext, noServers, nowMs } from './context.ts'

/** Bytes that may wait in this process for each side of a connection. */
const bufferBytes = 256 * 1024
const backlog = 4096

export type TcpListener = { readonly protocol: 'tcp'; record: ServiceRecord | undefined; close(): Promise<void> }

export type Relay = {
  readonly client: Socket
  readonly service: ServiceRecord
  server: Socket | undefined
  on: ServerRecord | undefined
  /** The slot of its persistence template, or 0. */
  template: number
  state: 'SYN_SENT' | 'ESTABLISHED' | 'FIN_WAIT' | 'CLOSE'
  lastMs: number
}

export type TcpContext = NetContext & { readonly relays: Set<Relay> }

/** @throws InfraError when the address cannot be taken. */
export async function listenTcp(context: TcpContext, service: Service): Promise<TcpListener> {
  const { id } = service
  const options = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true, highWaterMark: bufferBytes }
  const listener: TcpListener = { protocol: 'tcp', record: undefined, close: () => closeServer(server) }
  const server = createServer(options, (client) => {
    if (listener.record === undefined) client.resetAndDestroy()
    else openRelay(context, listener.record, client)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(service, errnoOf(error))))
    if (id.kind === 'address')
      server.listen({ host: id.address, port: id.port, backlog, ipv6Only: true, exclusive: true }, resolve)
  })
  // Out of file descriptors: the kernel's queue keeps the clients, and Node tries again with the next one.
  server.removeAllListeners('error').on('error', () => undefined)
  return listener
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Stops listening at once; the callback would wait for the last connection.
    server.close()
    setImmediate(resolve)
  })
}

function openRelay(context: TcpContext, service: ServiceRecord, client: Socket): void {
  const { remoteAddress, remotePort } = client
  // The client may be gone already.
  if (remoteAddress === undefined || remotePort === undefined) return void client.destroy()
  const relay: Relay = {
    client,
    service,
    server: undefined,
    on: undefined,
    template: 0,
    state: 'SYN_SENT',
    lastMs: nowMs(),
  }
  context.relays.add(relay)
  client.on('error', () => abort(context, relay))
  client.once('close', () => closed(context, relay))
  contained(context, relay, () => connectNext(context, relay, noServers))()
}

/** Asks the scheduler and connects; a server that cannot be reached gives way to the next, each tried once. */
function connectNext(context: TcpContext, relay: Relay, tried: readonly ServerRecord[]): void {
  const { templates } = context.scheduling
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = relay.client
  const [client, local] = [
    { address: remoteAddress, port: remotePort },
    { address: localAddress, port: localPort },
  ]
  const picked = templates.place(relay.service, flowBetween(client, local, nowMs), tried)
  if (picked === undefined) return abort(context, relay)

  relay.on = picked
  relay.template = templates.slot
  const socket = connect({ host: picked.server.address, port: picked.server.port, allowHalfOpen: true, noDelay: true })
  relay.server = socket
  const timer = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), context.settings.connectTimeoutMs)
  socket.once('close', () => clearTimeout(timer))
  const failed = (): void => {
    // The client left first: nothing is wrong with the server.
    if (!context.relays.has(relay)) return
    context.ledger.addFailure(picked.slot)
    context.ledger.addConnection(picked.slot, -1)
    context.ledger.addActive(picked.slot, -1)
    context.templates.release(relay.template)
    relay.template = 0
    relay.on = undefined
    relay.server = undefined
    connectNext(context, relay, [...tried, picked])
  }
  const connected = (): void => {
    clearTimeout(timer)
    if (!context.relays.has(relay)) return void socket.destroy()
    socket.removeAllListeners('error')
    establish(context, relay, socket, picked)
  }
  socket.once('error', contained(context, relay, failed))
  socket.once('connect', contained(context, relay, connected))
}

/** An exception ends this connection, and no other. */
function contained(context: TcpContext, relay: Relay, act: () => void): () => void {
  return () => {
    try {
      act()
    } catch (error) {
      context.onFault(error)
      abort(context, relay)
    }
  }
}

function establish(context: TcpContext, relay: Relay, server: Socket, on: ServerRecord): void {
  const { client, service } = relay
  const { ledger } = context
  relay.state = 'ESTABLISHED'
  relay.lastMs = nowMs()
  context.templates.assure(relay.template)
  server.on('error', () => abort(context, relay))
  server.once('close', () => closed(context, relay))
  const { proxyProtocol } = service.service
  if (proxyProtocol !== undefined) server.write(proxyHeader(client, proxyProtocol))
  pump(context, relay, client, server, (bytes) => ledger.addIn(on.slot, bytes))
  pump(context, relay, server, client, (bytes) => ledger.addOut(on.slot, bytes))
}

function pump(context: TcpContext, relay: Relay, from: Socket, to: Socket, count: (bytes: number) => void): void {
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    relay.lastMs = nowMs()
    to.write(chunk)
    if (to.writableLength >= bufferBytes) from.pause()
  })
  to.on('drain', () => {
    relay.lastMs = nowMs()
    from.resume()
  })
  from.once('end', () => {
    if (relay.state === 'ESTABLISHED' && relay.on !== undefined) {
      relay.state = 'FIN_WAIT'
      context.ledger.addActive(relay.on.slot, -1)
      context.ledger.addInactive(relay.on.slot, 1)
    } else relay.state = 'CLOSE'
    to.end()
  })
  from.resume()
}

function proxyHeader(client: Socket, version: 'v1' | 'v2'): Uint8Array {
  const source = { address: client.remoteAddress ?? '0.0.0.0', port: client.remotePort ?? 0 }
  const destination = { address: client.localAddress ?? '0.0.0.0', port: client.localPort ?? 0 }
  return encodeProxyHeader(version, source, destination)
}

/** A broken side breaks the other, so that a cut transfer never looks complete. */
export function abort(context: TcpContext, relay: Relay): void {
  release(context, relay)
  reset(relay.client)
  if (relay.server !== undefined) reset(relay.server)
}

/**
 * Node resets a socket only once all that it holds is written, and never one whose FIN is under way: such a one would
 * stay open for ever. It is closed instead.
 */
function reset(socket: Socket): void {
  const isBusy = socket.connecting || socket.writableLength > 0 || (socket.writableEnded && !socket.writableFinished)
  if (isBusy) socket.destroy()
  else socket.resetAndDestroy()
}

function closed(context: TcpContext, relay: Relay): void {
  if (!context.relays.has(relay)) return
  if (relay.client.closed && (relay.server === undefined || relay.server.closed)) release(context, relay)
  else if (relay.state === 'SYN_SENT') {
    release(context, relay)
    relay.server?.destroy()
  }
}

/** Both sides end in good order: nothing has moved for too long. */
export function expire(context: TcpContext, relay: Relay): void {
  release(context, relay)
  relay.client.destroy()
  relay.server?.destroy()
}

function release(context: TcpContext, relay: Relay): void {
  if (!context.relays.delete(relay) || relay.on === undefined) return
  const isActive = relay.state === 'ESTABLISHED' || relay.state === 'SYN_SENT'
  if (isActive) context.ledger.addActive(relay.on.slot, -1)
  else context.ledger.addInactive(relay.on.slot, -1)
  context.templates.release(relay.template)
}

/** Until it has been silent for too long. */
export function leftSeconds({ scheduling }: TcpContext, { service, state, lastMs }: Relay, now: number): number {
  const isHalfClosed = state === 'FIN_WAIT' || state === 'CLOSE'
  const allowed = isHalfClosed ? scheduling.finSeconds(service.service) : scheduling.idleSeconds(service.service)
  return allowed - (now - lastMs) / 1000
}

export function describeRelay(context: TcpContext, relay: Relay): Connection | undefined {
  const { client, on, service } = relay
  const { id } = service.service
  if (on === undefined || id.kind !== 'address') return undefined
  const { address, port } = on.server
  return {
    protocol: 'tcp',
    client: { address: client.remoteAddress ?? '0.0.0.0', port: client.remotePort ?? 0 },
    service: { address: id.address, port: id.port },
    server: { address, port },
    state: relay.state,
    expiresSeconds: Math.max(0, Math.round(leftSeconds(context, relay, nowMs()))),
  }
}
