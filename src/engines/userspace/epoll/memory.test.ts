import { describe, expect, test } from 'vitest'
import {
  handedBack,
  handedNew,
  handedNothing,
  openHandoffs,
  openPlaces,
  openThreads,
  type Placed,
  sharedEpollMemory,
} from './memory.ts'

const client = (fd: number): Placed => ({ fd, serviceSlot: 0, serverSlot: 0, template: 0 })

describe('memory shared by the threads of the epoll plane', () => {
  test('a client is taken once, by the thread it was handed to, and by no other', () => {
    const handoffs = openHandoffs(sharedEpollMemory(3))
    expect(handoffs.put({ ...client(40), serviceSlot: 5, serverSlot: 6, template: 7 }, 2, handedNew)).toBe(true)
    expect(handoffs.take(40, 1)).toBe(handedNothing)
    expect(handoffs.take(40, 2)).toBe(handedNew)
    expect(handoffs.placed(40)).toEqual({ fd: 40, serviceSlot: 5, serverSlot: 6, template: 7 })
    expect(handoffs.take(40, 2)).toBe(handedNothing)
  })

  test('what was handed over and not taken is found', () => {
    const handoffs = openHandoffs(sharedEpollMemory(2))
    handoffs.put(client(7), 1, handedNew)
    handoffs.put(client(9), 0, handedBack)
    handoffs.put(client(11), 1, handedNew)
    handoffs.take(11, 1)
    expect(handoffs.pending(1)).toEqual([7])
    expect(handoffs.pending(0)).toEqual([9])
  })

  test('a descriptor beyond the table is not handed over', () => {
    const handoffs = openHandoffs(sharedEpollMemory(2, 16, 100))
    expect(handoffs.put(client(100), 1, handedNew)).toBe(false)
    expect(handoffs.take(100, 1)).toBe(handedNothing)
  })

  test('the thread with the fewest connections comes next, of equals the last', () => {
    const threads = openThreads(sharedEpollMemory(3), 3)
    const order = Array.from({ length: 6 }, () => {
      const thread = threads.leastLoaded()
      threads.addConnection(thread, 1)
      return thread
    })
    expect(order).toEqual([2, 1, 0, 2, 1, 0])
    threads.addConnection(1, -1)
    expect(threads.leastLoaded()).toBe(1)
  })

  test('places are read back as they were set', () => {
    const places = openPlaces(sharedEpollMemory(1))
    places.set(3, [0x7f000001], 80, { idleSeconds: 900, finSeconds: 120, proxyVersion: 2 })
    places.set(4, [0x20010db8, 0, 0, 1], 443)
    places.end(4)
    expect(places.endpoint(3)).toEqual({ address: '127.0.0.1', port: 80 })
    expect(places.endpoint(4)).toEqual({ address: '2001:db8::1', port: 443 })
    expect([places.idleSeconds(3), places.finSeconds(3), places.proxyVersion(3)]).toEqual([900, 120, 2])
    expect([places.isEnding(3), places.isEnding(4)]).toEqual([false, true])
    places.set(4, [0x7f000001], 80)
    expect(places.isEnding(4)).toBe(false)
  })
})
