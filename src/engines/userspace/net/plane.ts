/** The fallback plane: Node's public `net` and `dgram` only, in one worker thread. Works wherever Node works. */
import type { Service } from '../../../lvs/service.ts'
import type { Settings } from '../../../lvs/settings.ts'
import type { Connection, TableChange } from '../../engine.ts'
import { Ledger } from '../../ledger.ts'
import { Scheduling } from '../../scheduling.ts'
import { openTemplateUse } from '../../template-use.ts'
import { type ConnectionCursor, type ConnectionPage, connectionsPerPage, type WorkerData } from '../plane.ts'
import { nowMs } from './context.ts'
import { abort, describeRelay, expire, leftSeconds, listenTcp, type TcpContext, type TcpListener } from './tcp.ts'
import { listenUdp, type UdpListener } from './udp.ts'

type Listener = TcpListener | UdpListener
type Listeners = { readonly standing: Map<string, Listener>; readonly retired: Map<string, UdpListener> }

const tickMs = 250

export type NetPlane = {
  readonly scheduling: Scheduling
  /** All or nothing. */
  apply(changes: readonly TableChange[], settings: Settings | undefined): Promise<void>
  connections(from: ConnectionCursor): ConnectionPage
  close(): Promise<void>
}

export function openNetPlane(data: WorkerData, onFault: (error: unknown) => void): NetPlane {
  const ledger = new Ledger(data.memory, data.thread)
  const templates = openTemplateUse(data.templates)
  const scheduling = new Scheduling(ledger, templates, data.settings.templates)
  const context: TcpContext = { scheduling, ledger, templates, settings: data.settings, onFault, relays: new Set() }
  const listeners: Listeners = { standing: new Map(), retired: new Map() }
  const timer = setInterval(() => sweep(context, listeners), tickMs)
  const all = (): readonly Listener[] => [...listeners.standing.values(), ...listeners.retired.values()]

  return {
    scheduling,
    async apply(changes, settings) {
      const { added } = scheduling.table.check(changes)
      const opened = await openAll(context, listeners, added)
      const stale = scheduling.commit(changes, settings)
      for (const [key, listener] of opened) {
        listeners.retired.delete(key)
        if (listener.protocol === 'udp') listener.revive()
        listeners.standing.set(key, listener)
      }
      for (const key of stale) await refresh(context, listeners, key)
      if (scheduling.endsOrphans) endOrphans(context)
    },
    connections: (from) => page(context, all(), from),
    async close() {
      clearInterval(timer)
      for (const listener of all()) await listener.close()
      for (const relay of context.relays) abort(context, relay)
    },
  }
}

async function openAll(
  context: TcpContext,
  { retired }: Listeners,
  added: ReadonlyMap<string, Service>,
): Promise<ReadonlyMap<string, Listener>> {
  const opened = new Map<string, Listener>()
  try {
    for (const [key, service] of added) opened.set(key, retired.get(key) ?? (await listen(context, service)))
    return opened
  } catch (error) {
    for (const [key, listener] of opened) if (retired.get(key) !== listener) await listener.close()
    throw error
  }
}

function listen(context: TcpContext, service: Service): Promise<Listener> {
  const isUdp = service.id.kind === 'address' && service.id.protocol === 'udp'
  return isUdp ? listenUdp(context, service) : listenTcp(context, service)
}

async function refresh(context: TcpContext, { standing, retired }: Listeners, key: string): Promise<void> {
  const listener = standing.get(key)
  if (listener === undefined) return
  listener.record = context.scheduling.table.services.get(key)
  if (listener.record !== undefined) return
  standing.delete(key)
  if (listener.protocol === 'tcp') return await listener.close()
  listener.retire()
  retired.set(key, listener)
  listener.sweep(nowMs())
}

function endOrphans(context: TcpContext): void {
  for (const relay of context.relays) if (relay.on?.isRemoved === true) abort(context, relay)
}

function sweep(context: TcpContext, { standing, retired }: Listeners): void {
  const now = nowMs()
  for (const relay of context.relays)
    if (relay.state !== 'SYN_SENT' && leftSeconds(context, relay, now) <= 0) expire(context, relay)
  for (const listener of standing.values()) if (listener.protocol === 'udp') listener.sweep(now)
  for (const [key, listener] of retired) {
    listener.sweep(now)
    if (listener.isClosed()) retired.delete(key)
  }
  context.scheduling.tick(now)
}

function page(context: TcpContext, listeners: readonly Listener[], { part, at }: ConnectionCursor): ConnectionPage {
  if (part === 'templates') {
    const { connections, next } = context.scheduling.templates.list(at, connectionsPerPage, nowMs())
    return { connections, next: next === undefined ? undefined : { part, at: next } }
  }
  const connections: Connection[] = []
  let number = 0
  for (const connection of part === 'tcp' ? describeRelays(context) : describeSessions(listeners)) {
    if (number++ < at || connection === undefined) continue
    connections.push(connection)
    if (connections.length === connectionsPerPage) return { connections, next: { part, at: number } }
  }
  return { connections, next: { part: part === 'tcp' ? 'udp' : 'templates', at: 0 } }
}

function* describeRelays(context: TcpContext): Iterable<Connection | undefined> {
  for (const relay of context.relays) yield describeRelay(context, relay)
}

function* describeSessions(listeners: readonly Listener[]): Iterable<Connection | undefined> {
  for (const listener of listeners) {
    if (listener.protocol === 'udp') for (const session of listener.sessions) yield listener.describe(session)
  }
}
