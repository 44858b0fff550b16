/** The epoll plane: threads that sleep in the kernel and call it directly. Thread 0 accepts and schedules, all pump. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Service } from '../../../lvs/service.ts'
import { EFD_NONBLOCK, EPOLL_CTL_DEL, EPOLLET, EPOLLIN, loadSocketCalls, SOCK_CLOEXEC } from '../../../os/sockets.ts'
import type { Connection, TableChange } from '../../engine.ts'
import { Ledger } from '../../ledger.ts'
import { addressWords, type ServerRecord, type ServiceRecord } from '../../records.ts'
import { Table } from '../../table.ts'
import type { WorkerData } from '../plane.ts'
import { type Answer, type Call, type CallMessage, type ConnectionPage, type EpollMemory, pageSize } from '../plane.ts'
import { Acceptor, type TcpListener } from './acceptor.ts'
import { Buffers } from './buffers.ts'
import { handedBack, handedNew, openHandoffs, openPlaces, openThreads } from './memory.ts'
import type { Relay } from './relay.ts'
import { Relays } from './relays.ts'
import { closeDoomed, closeWithReset, openThread, runLoop, type Thread, watch } from './thread.ts'
import { UdpListener } from './udp.ts'

type Listener = TcpListener | UdpListener

/** What thread 0 has beyond a pump. */
type Director = {
  readonly table: Table
  readonly acceptor: Acceptor
  readonly listeners: Map<string, Listener>
  readonly retired: Map<string, UdpListener>
  /** By ledger slot, for clients that come back from a pump. */
  readonly services: Map<number, ServiceRecord>
}

export type EpollThread = {
  readonly wakeFd: number
  /** Answers calls and moves bytes until the call to close. */
  run(port: MessagePort, answer: (id: number, make: () => Answer) => void): Promise<void>
}

/** @throws Error when the FFI library or the C library cannot be loaded here. */
export function openEpollThread(data: WorkerData, memory: EpollMemory): EpollThread {
  const calls = loadSocketCalls()
  const thread = openThread({
    number: data.thread,
    calls,
    ledger: new Ledger(data.memory, data.thread),
    settings: data.settings,
    places: openPlaces(memory),
    handoffs: openHandoffs(memory),
    threads: openThreads(memory, data.threads),
  })
  const buffers = new Buffers()
  let director: Director | undefined
  const relays: Relays = new Relays(thread, buffers, (relay) => {
    if (director === undefined) handBack(thread, relays, relay)
    else director.acceptor.placeAgain(relay, director.services.get(relay.serviceSlot))
  })
  if (data.thread === 0) director = openDirector(thread, relays)

  const wakeFd = calls.eventfd(0, EFD_NONBLOCK | SOCK_CLOEXEC)
  watch(thread, thread.epoll, wakeFd, EPOLLIN | EPOLLET)
  let isRunning = true

  const respond = (call: Call): Answer => {
    switch (call.kind) {
      case 'apply':
        if (director !== undefined) applyChanges(thread, director, buffers, call.changes)
        return undefined
      case 'read':
        return director?.table.read() ?? []
      case 'connections':
        return page(relays, director, call.from)
      case 'stop':
        thread.threads.stop()
        if (director !== undefined) closeListeners(director)
        return undefined
      case 'close':
        isRunning = false
        return undefined
    }
  }

  return {
    wakeFd,
    async run(port, answer) {
      thread.handlers[wakeFd] = {
        onEvents() {
          for (;;) {
            const received: { message: CallMessage } | undefined = receiveMessageOnPort(port)
            if (received === undefined) return
            const { id, call } = received.message
            answer(id, () => respond(call))
          }
        },
      }
      try {
        await runLoop(thread, {
          onStranger: (fd, flags) => takeOver(thread, relays, director, fd, flags),
          onTick: () => tick(thread, relays, director),
          isRunning: () => isRunning,
        })
      } finally {
        // Nobody else would: these descriptors are the kernel's, not Node's.
        closeThread(thread, relays, director, wakeFd)
      }
    },
  }
}

function openDirector(thread: Thread, relays: Relays): Director {
  const table = new Table(thread.ledger)
  const acceptor = new Acceptor(thread, table, relays)
  return { table, acceptor, listeners: new Map(), retired: new Map(), services: new Map() }
}

/** All or nothing: what may fail, taking addresses, comes first. */
function applyChanges(thread: Thread, director: Director, buffers: Buffers, changes: readonly TableChange[]): void {
  const { table, listeners, retired, acceptor } = director
  const { added } = table.check(changes)
  const opened = new Map<string, Listener>()
  const listen = (service: Service): Listener =>
    service.id.kind === 'address' && service.id.protocol === 'udp'
      ? new UdpListener(thread, table, buffers, service)
      : acceptor.listen(service)
  try {
    for (const [key, service] of added) opened.set(key, retired.get(key) ?? listen(service))
  } catch (error) {
    for (const [key, listener] of opened) if (retired.get(key) !== listener) listener.close()
    throw error
  }
  table.commit(changes)
  for (const [key, listener] of opened) {
    listeners.set(key, listener)
    retired.delete(key)
    if (listener.protocol === 'udp') listener.revive()
  }
  publish(thread, director)
  for (const [key, listener] of listeners) {
    listener.record = table.services.get(key)
    if (listener.record !== undefined) continue
    listeners.delete(key)
    if (listener.protocol === 'tcp') listener.close()
    else {
      listener.retire()
      retired.set(key, listener)
      listener.sweep()
    }
  }
}

/** Writes where everything stands into the memory of all threads. */
function publish(thread: Thread, { table, services }: Director): void {
  const { places, settings } = thread
  services.clear()
  for (const record of table.services.values()) {
    const { id, idleTimeoutSeconds, proxyProtocol } = record.service
    if (id.kind !== 'address') continue
    services.set(record.slot, record)
    const idle = idleTimeoutSeconds ?? (id.protocol === 'udp' ? settings.udpIdleSeconds : settings.tcpIdleSeconds)
    const version = proxyProtocol === undefined ? 0 : proxyProtocol === 'v1' ? 1 : 2
    places.set(record.slot, addressWords(id.address) ?? [0], id.port, idle, version)
    for (const server of record.servers) publishServer(thread, server)
  }
}

function publishServer({ places }: Thread, { slot, address, port }: ServerRecord): void {
  places.set(slot, address, port, 0, 0)
}

/** A pump gives a client whose server cannot be reached back to the scheduler. */
function handBack(thread: Thread, relays: Relays, relay: Relay): void {
  const { threads, handoffs, calls } = thread
  const { fd } = relay.client
  if (threads.isStopping()) return relays.abort(relay)
  calls.epollCtl(thread.epoll, EPOLL_CTL_DEL, fd, thread.small.address)
  handoffs.put(fd, 0, handedBack, relay.serviceSlot, relay.serverSlot)
  if (watch(thread, threads.epoll(0), fd)) return relays.release(relay)
  handoffs.take(fd, 0)
  relays.abort(relay)
}

function takeOver(thread: Thread, relays: Relays, director: Director | undefined, fd: number, flags: number): void {
  const what = thread.handoffs.take(fd, thread.number)
  const serviceSlot = thread.handoffs.serviceSlot(fd)
  const serverSlot = thread.handoffs.serverSlot(fd)
  if (what === handedNew) relays.adopt(fd, serviceSlot, serverSlot, flags)
  else if (what === handedBack && director !== undefined) {
    const relay = relays.readopt(fd, serviceSlot, serverSlot, flags)
    director.acceptor.placeAgain(relay, director.services.get(serviceSlot))
  }
}

function tick({ nowMs }: Thread, relays: Relays, director: Director | undefined): void {
  relays.sweep()
  if (director === undefined) return
  for (const listener of director.listeners.values()) {
    if (listener.protocol === 'tcp') listener.tick()
    else listener.sweep()
  }
  for (const [key, listener] of director.retired) {
    listener.sweep()
    if (listener.isClosed) director.retired.delete(key)
  }
  director.table.sweep(nowMs)
}

function page(relays: Relays, director: Director | undefined, from: number): ConnectionPage {
  const end = Math.min(from + pageSize, relays.all.length)
  const connections: Connection[] = relays.all.slice(from, end).map((relay) => relays.describe(relay))
  if (end < relays.all.length) return { connections, next: end }
  // The UDP sessions make the last page: there are not so many of them.
  for (const listener of [...(director?.listeners.values() ?? []), ...(director?.retired.values() ?? [])])
    if (listener.protocol === 'udp') connections.push(...listener.connections())
  return { connections, next: undefined }
}

function closeListeners({ listeners, retired }: Director): void {
  for (const listener of [...listeners.values(), ...retired.values()]) listener.close()
  listeners.clear()
  retired.clear()
}

function closeThread(thread: Thread, relays: Relays, director: Director | undefined, wakeFd: number): void {
  const { calls } = thread
  if (director !== undefined) closeListeners(director)
  for (const relay of [...relays.all]) relays.abort(relay)
  // What was handed over and not yet taken.
  for (const fd of thread.handoffs.pending(thread.number)) closeWithReset(thread, fd)
  closeDoomed(thread)
  calls.close(wakeFd)
  calls.close(thread.epoll)
}
