/** The epoll plane: threads that sleep in the kernel and call it directly. Thread 0 accepts and schedules, all pump. */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { EFD_NONBLOCK, EPOLL_CTL_DEL, EPOLLET, EPOLLIN, loadSocketCalls, SOCK_CLOEXEC } from '../../../os/sockets.ts'
import type { Connection } from '../../engine.ts'
import { Ledger } from '../../ledger.ts'
import { openTemplateUse } from '../../template-use.ts'
import type { CallMessage } from '../../thread-messages.ts'
import type { WorkerData } from '../plane.ts'
import {
  type Answer,
  type Call,
  type ConnectionCursor,
  type ConnectionPage,
  connectionsPerPage,
  type EpollMemory,
  templatesPerPage,
} from '../plane.ts'
import { Buffers } from './buffers.ts'
import { Director } from './director.ts'
import { handedBack, handedNew, openHandoffs, openPlaces, openThreads } from './memory.ts'
import type { Relay } from './relay.ts'
import { Relays } from './relays.ts'
import { closeDoomed, closeWithReset, openThread, runLoop, setHandler, type Thread, watch } from './thread.ts'

export type EpollThread = {
  readonly wakeFd: number
  /** Answers calls and moves bytes until the call to close. */
  run(port: MessagePort, answer: (id: number, make: () => Answer) => void): Promise<void>
}

/** `onFault`: an exception that cost a connection. @throws Error when the FFI or C library cannot be loaded here. */
export function openEpollThread(data: WorkerData, memory: EpollMemory, onFault: (error: unknown) => void): EpollThread {
  const calls = loadSocketCalls()
  const thread = openThread({
    number: data.thread,
    calls,
    ledger: new Ledger(data.memory, data.thread),
    settings: data.settings,
    places: openPlaces(memory),
    handoffs: openHandoffs(memory),
    threads: openThreads(memory, data.threads),
    templates: openTemplateUse(data.templates),
    onFault,
  })
  const buffers = new Buffers()
  let director: Director | undefined
  const relays: Relays = new Relays(thread, buffers, (relay) => {
    if (director === undefined) handBack(thread, relays, relay)
    else director.placeAgain(relay)
  })
  if (data.thread === 0) director = new Director(thread, buffers, relays)

  const wakeFd = calls.eventfd(0, EFD_NONBLOCK | SOCK_CLOEXEC)
  watch(thread, thread.epoll, wakeFd, EPOLLIN | EPOLLET)
  let isRunning = true

  const respond = (call: Call): Answer => {
    switch (call.kind) {
      case 'apply':
        director?.apply(call.changes, call.settings)
        return undefined
      case 'read':
        return director?.scheduling.read(call)
      case 'zero':
        director?.scheduling.table.zero(call.id)
        return undefined
      case 'connections':
        return page(thread, relays, director, call.from)
      case 'changed-templates':
        return director?.scheduling.templates.changed(call.from, templatesPerPage, thread.nowMs)
      case 'take-templates':
        return director?.scheduling.takeTemplates(call.connections, thread.nowMs)
      case 'stop':
        thread.threads.stop()
        director?.close()
        return undefined
      case 'close':
        isRunning = false
        return undefined
    }
  }

  return {
    wakeFd,
    async run(port, answer) {
      setHandler(thread, wakeFd, {
        onEvents() {
          for (;;) {
            const received: { message: CallMessage<Call> } | undefined = receiveMessageOnPort(port)
            if (received === undefined) return
            const { id, call } = received.message
            answer(id, () => respond(call))
          }
        },
      })
      try {
        await runLoop(thread, {
          onStranger: (fd, flags) => takeOver(thread, relays, director, fd, flags),
          onTick() {
            relays.sweep()
            director?.tick()
          },
          isRunning: () => isRunning,
        })
      } finally {
        // Nobody else would: these descriptors are the kernel's, not Node's.
        closeThread(thread, relays, director, wakeFd)
      }
    },
  }
}

/** A pump gives a client whose server cannot be reached back to the scheduler. */
function handBack(thread: Thread, relays: Relays, relay: Relay): void {
  const { threads, handoffs, calls } = thread
  const { fd } = relay.client
  if (threads.isStopping()) return relays.abort(relay)
  const { serviceSlot, serverSlot, template } = relay
  if (!handoffs.put({ fd, serviceSlot, serverSlot, template }, 0, handedBack)) return relays.abort(relay)
  calls.epollCtl(thread.epoll, EPOLL_CTL_DEL, fd, thread.small.address)
  if (watch(thread, threads.epoll(0), fd)) return relays.release(relay)
  handoffs.take(fd, 0)
  relays.abort(relay)
}

function takeOver(thread: Thread, relays: Relays, director: Director | undefined, fd: number, flags: number): void {
  const what = thread.handoffs.take(fd, thread.number)
  try {
    if (what === handedNew) relays.adopt(thread.handoffs.placed(fd), flags)
    else if (what === handedBack && director !== undefined)
      director.placeAgain(relays.readopt(thread.handoffs.placed(fd), flags))
  } catch (error) {
    thread.onFault(error)
    thread.handlers[fd]?.onFault?.()
  }
}

function page(
  thread: Thread,
  relays: Relays,
  director: Director | undefined,
  { part, at }: ConnectionCursor,
): ConnectionPage {
  if (part === 'tcp') {
    const end = Math.min(at + connectionsPerPage, relays.all.length)
    const connections: Connection[] = relays.all.slice(at, end).map((relay) => relays.describe(relay))
    if (end < relays.all.length) return { connections, next: { part, at: end } }
    return { connections, next: director && { part: 'udp', at: 0 } }
  }
  if (director === undefined) return { connections: [], next: undefined }
  if (part === 'udp') {
    const connections = director.sessions(at, connectionsPerPage)
    const isFull = connections.length === connectionsPerPage
    return { connections, next: isFull ? { part, at: at + connectionsPerPage } : { part: 'templates', at: 0 } }
  }
  const { connections, next } = director.scheduling.templates.list(at, connectionsPerPage, thread.nowMs)
  return { connections, next: next === undefined ? undefined : { part, at: next } }
}

function closeThread(thread: Thread, relays: Relays, director: Director | undefined, wakeFd: number): void {
  const { calls } = thread
  director?.close()
  for (const relay of [...relays.all]) relays.abort(relay)
  // What was handed over and not yet taken.
  for (const fd of thread.handoffs.pending(thread.number)) closeWithReset(thread, fd)
  closeDoomed(thread)
  calls.close(wakeFd)
  calls.close(thread.epoll)
}
