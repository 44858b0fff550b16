/** A client's connection passed on as it is (inside of TLS, or TLS itself) to one real server. */
import { connect, type Socket } from 'node:net'
import type { Connection } from '../engine.ts'
import { encodeProxyHeader } from '../proxy-protocol.ts'
import type { ServerRecord, ServiceRecord } from '../records.ts'
import { type Context, letGo, place, takeBack } from './context.ts'
import { type Ends, nowMs } from './ends.ts'
import { begin, end, type Placement, type Running, type RunningKind } from './running.ts'
import { breakOff, splice } from './splice.ts'

export type RelayOptions = {
  readonly client: Socket
  readonly ends: Ends
  /** What the client reached, and the service whose servers it goes to. */
  readonly front: ServiceRecord
  readonly service: ServiceRecord
  /** Read from the client already, for the server. */
  readonly head: Uint8Array
  /** No server could be reached. */
  readonly refuse: () => void
}

type Relay = Running<Context> & {
  readonly options: RelayOptions
  state: 'SYN_SENT' | 'ESTABLISHED' | 'FIN_WAIT'
  lastMs: number
  server: Socket | undefined
}

const relays: RunningKind<Context> = { expire, describe, abort }

/** Asks the scheduler and connects; a server that cannot be reached gives way to the next, each tried once. */
export function openRelay(context: Context, options: RelayOptions): void {
  const relay: Relay = {
    at: -1,
    on: undefined,
    kind: relays,
    options,
    state: 'SYN_SENT',
    lastMs: nowMs(),
    server: undefined,
  }
  begin(context.running, relay)
  if (options.client.destroyed) return abort(context, relay)
  options.client.once('close', () => {
    if (relay.state === 'SYN_SENT') abort(context, relay)
  })
  options.client.on('error', () => abort(context, relay))
  connectNext(context, relay, [])
}

function connectNext(context: Context, relay: Relay, tried: readonly ServerRecord[]): void {
  const { client, ends, service } = relay.options
  const picked = place(context, service, ends, tried)
  if (picked === undefined) {
    end(context.running, relay)
    return relay.options.refuse()
  }
  relay.on = picked
  relay.lastMs = nowMs()
  const { address: host, port } = picked.server.server
  const server = connect({ host, port, allowHalfOpen: true, noDelay: true })
  relay.server = server
  server.once('error', () => {
    // The client left first: nothing is wrong with the server.
    if (relay.at < 0) return
    relay.on = undefined
    relay.server = undefined
    takeBack(context, picked)
    connectNext(context, relay, [...tried, picked.server])
  })
  server.once('connect', () => {
    if (relay.at < 0 || client.destroyed) return void server.destroy()
    server.removeAllListeners('error')
    establish(context, relay, server, picked)
  })
}

function establish(context: Context, relay: Relay, server: Socket, placed: Placement): void {
  const { client, ends, front, service, head } = relay.options
  const { ledger, templates } = context
  const on = placed.server
  templates.assure(placed.template)
  relay.state = 'ESTABLISHED'
  relay.lastMs = nowMs()
  const version = service.service.proxyProtocol ?? front.service.proxyProtocol
  if (version !== undefined) server.write(encodeProxyHeader(version, ends.client, ends.local))
  if (head.length > 0) {
    server.write(head)
    ledger.addIn(on.slot, head.length)
  }
  splice(client, server, {
    moved(from, bytes) {
      relay.lastMs = nowMs()
      if (from === 'a') ledger.addIn(on.slot, bytes)
      else ledger.addOut(on.slot, bytes)
    },
    halfClosed() {
      if (relay.state !== 'ESTABLISHED' || relay.at < 0) return
      relay.state = 'FIN_WAIT'
      ledger.addActive(on.slot, -1)
      ledger.addInactive(on.slot, 1)
    },
    ended: () => release(context, relay),
  })
}

function release(context: Context, relay: Relay): void {
  if (!end(context.running, relay) || relay.on === undefined) return
  letGo(context, relay.on, relay.state !== 'FIN_WAIT')
}

function abort(context: Context, relay: Relay): void {
  release(context, relay)
  breakOff(relay.options.client)
  if (relay.server !== undefined) breakOff(relay.server)
}

function limitMs(context: Context, { options, state }: Relay): number {
  if (state === 'SYN_SENT') return context.settings.connectTimeoutMs
  const { scheduling } = context
  const { service } = options.front.service.idleTimeoutSeconds === undefined ? options.service : options.front
  return 1000 * (state === 'FIN_WAIT' ? scheduling.finSeconds(service) : scheduling.idleSeconds(service))
}

function expire(context: Context, relay: Relay, now: number): void {
  if (now - relay.lastMs < limitMs(context, relay)) return
  if (relay.state === 'SYN_SENT') return void relay.server?.destroy(new Error('ETIMEDOUT'))
  // Both sides end in good order: nothing has moved for too long.
  release(context, relay)
  relay.options.client.destroy()
  relay.server?.destroy()
}

function describe(context: Context, relay: Relay, now: number): Connection | undefined {
  const { front, ends } = relay.options
  const { id } = front.service
  if (relay.on === undefined || id.kind !== 'address') return undefined
  const { address, port } = relay.on.server.server
  return {
    protocol: 'tcp',
    client: ends.client,
    service: { address: id.address, port: id.port },
    server: { address, port },
    state: relay.state,
    expiresSeconds: Math.max(0, Math.round((limitMs(context, relay) - (now - relay.lastMs)) / 1000)),
  }
}
