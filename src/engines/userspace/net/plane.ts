/** The fallback plane: Node's public `net` and `dgram` only, in one worker thread. Works wherever Node works. */
import type { Connection, ServiceSnapshot, TableChange } from '../../engine.ts'
import { Ledger } from '../../ledger.ts'
import { Table } from '../../table.ts'
import type { ConnectionPage, WorkerData } from '../plane.ts'
import { pageSize } from '../plane.ts'
import { nowMs } from './context.ts'
import { abort, describeRelay, expire, idleSeconds, listenTcp, type TcpContext, type TcpListener } from './tcp.ts'
import { listenUdp, type UdpListener } from './udp.ts'

type Listener = TcpListener | UdpListener

export type NetPlane = {
  apply(changes: readonly TableChange[]): Promise<void>
  read(): ServiceSnapshot[]
  connections(from: number): ConnectionPage
  close(): Promise<void>
}

export function openNetPlane(data: WorkerData): NetPlane {
  const ledger = new Ledger(data.memory, data.thread)
  const table = new Table(ledger)
  const context: TcpContext = { table, ledger, settings: data.settings, relays: new Set() }
  const listeners = new Map<string, Listener>()
  const retired = new Map<string, UdpListener>()
  const timer = setInterval(() => sweep(context, listeners, retired), 500)

  return {
    async apply(changes) {
      const { added } = table.check(changes)
      const opened = new Map<string, Listener>()
      try {
        for (const [key, service] of added) opened.set(key, retired.get(key) ?? (await listen(context, service)))
      } catch (error) {
        for (const [key, listener] of opened) if (retired.get(key) !== listener) await listener.close()
        throw error
      }
      table.commit(changes)
      for (const [key, listener] of opened) {
        retired.delete(key)
        if (listener.protocol === 'udp') listener.revive()
        listeners.set(key, listener)
      }
      for (const [key, listener] of listeners) {
        listener.record = table.services.get(key)
        if (listener.record !== undefined) continue
        listeners.delete(key)
        if (listener.protocol === 'tcp') await listener.close()
        else {
          listener.retire()
          retired.set(key, listener)
          listener.sweep(nowMs())
        }
      }
    },
    read: () => table.read(),
    connections: (from) => page(context, [...listeners.values(), ...retired.values()], from),
    async close() {
      clearInterval(timer)
      for (const listener of [...listeners.values(), ...retired.values()]) await listener.close()
      for (const relay of context.relays) abort(context, relay)
    },
  }
}

function listen(context: TcpContext, service: Parameters<typeof listenTcp>[1]): Promise<Listener> {
  const isUdp = service.id.kind === 'address' && service.id.protocol === 'udp'
  return isUdp ? listenUdp(context, service) : listenTcp(context, service)
}

function sweep(context: TcpContext, listeners: Map<string, Listener>, retired: Map<string, UdpListener>): void {
  const now = nowMs()
  for (const relay of context.relays) {
    if (relay.state === 'SYN_SENT') continue
    if (now - relay.lastMs >= idleSeconds(context, relay.service.service) * 1000) expire(context, relay)
  }
  for (const listener of listeners.values()) if (listener.protocol === 'udp') listener.sweep(now)
  for (const [key, listener] of retired) {
    listener.sweep(now)
    if (listener.isClosed()) retired.delete(key)
  }
  context.table.sweep(now)
}

function page(context: TcpContext, listeners: readonly Listener[], from: number): ConnectionPage {
  const connections: Connection[] = []
  let at = 0
  for (const connection of describeAll(context, listeners)) {
    if (at++ < from || connection === undefined) continue
    connections.push(connection)
    if (connections.length === pageSize) return { connections, next: at }
  }
  return { connections, next: undefined }
}

function* describeAll(context: TcpContext, listeners: readonly Listener[]): Iterable<Connection | undefined> {
  for (const relay of context.relays) yield describeRelay(context, relay)
  for (const listener of listeners) {
    if (listener.protocol === 'udp') for (const session of listener.sessions) yield listener.describe(session)
  }
}
