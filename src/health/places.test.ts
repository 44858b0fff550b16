import { describe, expect, test } from 'vitest'
import { type FakeTiming, fakeTiming } from './fake-timing.ts'
import { Places } from './places.ts'
import { Schedule } from './schedule.ts'

function openWorld(limit: number) {
  const timing: FakeTiming = fakeTiming()
  const places = new Places(new Schedule(timing), limit)
  const begun: number[] = []
  const ask = (name: number): { isWanted: boolean } => {
    const waiter = { isWanted: true, onPlace: () => void begun.push(name) }
    places.ask(waiter)
    return waiter
  }
  return { timing, places, begun, ask }
}

describe('places', () => {
  test('are given in the order of asking, as they come free', () => {
    const { places, begun, ask } = openWorld(2)
    for (const name of [1, 2, 3, 4]) ask(name)
    expect(begun).toEqual([1, 2])
    expect([places.waiting, places.isFull]).toEqual([2, true])
    places.release()
    expect(begun).toEqual([1, 2, 3])
    places.release()
    places.release()
    expect([begun.length, places.waiting, places.isFull]).toEqual([4, 0, false])
  })

  test('whoever does not want his any more is passed over', () => {
    const { places, begun, ask } = openWorld(1)
    ask(1)
    ask(2).isWanted = false
    ask(3)
    places.release()
    expect(begun).toEqual([1, 3])
  })

  test('nobody is given one while they are held', async () => {
    const { places, begun, ask } = openWorld(2)
    let free = (): void => {}
    places.hold(new Promise((resolve) => (free = resolve)))
    ask(1)
    places.release()
    expect(begun).toEqual([])
    free()
    await Promise.resolve()
    expect(begun).toEqual([1])
  })

  test('so many begin at once, and the others with the next ticks, none twice', async () => {
    const { timing, begun, ask } = openWorld(100_000)
    for (let name = 0; name < 5000; name += 1) ask(name)
    expect(begun.length).toBeLessThan(500)
    await timing.advance(1000)
    expect(begun).toEqual(Array.from({ length: 5000 }, (_, name) => name))
    await timing.advance(1000)
    expect(timing.pending()).toBe(0)
  })
})
