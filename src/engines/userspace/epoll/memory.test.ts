import { describe, expect, test } from 'vitest'
import {
  handedBack,
  handedNew,
  handedNothing,
  openHandoffs,
  openPlaces,
  openThreads,
  sharedEpollMemory,
} from './memory.ts'

describe('memory shared by the threads of the epoll plane', () => {
  test('a client is taken once, by the thread it was handed to, and by no other', () => {
    const handoffs = openHandoffs(sharedEpollMemory(3))
    expect(handoffs.put(40, 2, handedNew, 5, 6)).toBe(true)
    expect(handoffs.take(40, 1)).toBe(handedNothing)
    expect(handoffs.take(40, 2)).toBe(handedNew)
    expect([handoffs.serviceSlot(40), handoffs.serverSlot(40)]).toEqual([5, 6])
    expect(handoffs.take(40, 2)).toBe(handedNothing)
  })

  test('what was handed over and not taken is found', () => {
    const handoffs = openHandoffs(sharedEpollMemory(2))
    handoffs.put(7, 1, handedNew, 0, 0)
    handoffs.put(9, 0, handedBack, 0, 0)
    handoffs.put(11, 1, handedNew, 0, 0)
    handoffs.take(11, 1)
    expect(handoffs.pending(1)).toEqual([7])
    expect(handoffs.pending(0)).toEqual([9])
  })

  test('a descriptor beyond the table is not handed over', () => {
    const handoffs = openHandoffs(sharedEpollMemory(2, 16, 100))
    expect(handoffs.put(100, 1, handedNew, 0, 0)).toBe(false)
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
    places.set(3, [0x7f000001], 80, 900, 2)
    places.set(4, [0x20010db8, 0, 0, 1], 443, 60, 0)
    expect(places.endpoint(3)).toEqual({ address: '127.0.0.1', port: 80 })
    expect(places.endpoint(4)).toEqual({ address: '2001:db8::1', port: 443 })
    expect([places.idleSeconds(3), places.proxyVersion(3), places.idleSeconds(4)]).toEqual([900, 2, 60])
  })
})
