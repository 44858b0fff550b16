import { describe, expect, test } from 'vitest'
import { EFD_NONBLOCK, EPOLLIN, loadSocketCalls, SOCK_CLOEXEC } from '../../../os/sockets.ts'
import { Ledger, sharedLedgerMemory } from '../../ledger.ts'
import { openTemplateUse, sharedTemplateMemory } from '../../template-use.ts'
import { openHandoffs, openPlaces, openThreads, sharedEpollMemory } from './memory.ts'
import { openThread, runLoop, setHandler, type Thread, watch } from './thread.ts'

/** A thread whose descriptors are always ready: eventfds that stand above zero. */
function open(): { readonly thread: Thread; readonly faults: string[]; ready(): number; [Symbol.dispose](): void } {
  const memory = sharedEpollMemory(1, 16, 256)
  const calls = loadSocketCalls()
  const faults: string[] = []
  const thread = openThread({
    number: 0,
    calls,
    ledger: new Ledger(sharedLedgerMemory(1, 16), 0),
    settings: { connectTimeoutMs: 1000, udpSessions: 1, templates: 1 },
    places: openPlaces(memory),
    handoffs: openHandoffs(memory),
    threads: openThreads(memory, 1),
    templates: openTemplateUse(sharedTemplateMemory(1)),
    onFault: (error) => faults.push(String(error)),
  })
  const opened: number[] = [thread.epoll]
  return {
    thread,
    faults,
    ready() {
      const fd = calls.eventfd(1, EFD_NONBLOCK | SOCK_CLOEXEC)
      opened.push(fd)
      watch(thread, thread.epoll, fd, EPOLLIN)
      return fd
    },
    [Symbol.dispose]() {
      for (const fd of opened) calls.close(fd)
    },
  }
}

const fail = (): never => {
  throw new Error('a fault')
}

describe('a thread’s loop', () => {
  test('an exception ends the connection that made it, and the others go on', async () => {
    using world = open()
    const { thread, faults } = world
    const spoilt = world.ready()
    let ended = 0
    let served = 0
    setHandler(thread, spoilt, {
      onEvents: fail,
      onFault() {
        ended += 1
        thread.handlers[spoilt] = { onEvents: () => undefined }
      },
    })
    setHandler(thread, world.ready(), { onEvents: () => void (served += 1) })
    thread.unfinished.push({ resume: fail, onFault: () => void (ended += 1) })
    await runLoop(thread, { onStranger: fail, onTick: () => undefined, isRunning: () => served < 3 })
    expect({ ended, served, faults }).toEqual({ ended: 2, served: 3, faults: ['Error: a fault', 'Error: a fault'] })
  })

  test('an exception that is no connection’s ends the loop', async () => {
    using world = open()
    setHandler(world.thread, world.ready(), { onEvents: fail })
    const hooks = { onStranger: fail, onTick: () => undefined, isRunning: () => true }
    await expect(runLoop(world.thread, hooks)).rejects.toThrow('a fault')
  })
})
