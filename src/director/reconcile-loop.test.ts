import { describe, expect, test } from 'vitest'
import { fakeTiming } from '../health/fake-timing.ts'
import { reconcileLoop } from './reconcile-loop.ts'

function openWorld(roundMs: number) {
  const timing = fakeTiming()
  const stop = new AbortController()
  const begun: number[] = []
  const loop = reconcileLoop(
    async () => {
      begun.push(timing.now())
      if (roundMs > 0) await timing.sleep(roundMs, stop.signal)
      return true
    },
    timing,
    stop.signal,
  )
  /** Something changes every 20 ms. */
  const change = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 20) {
      loop.trigger()
      await timing.advance(20)
    }
  }
  const end = async (): Promise<void> => {
    stop.abort()
    await loop[Symbol.asyncDispose]()
  }
  return { timing, begun, loop, change, end }
}

describe('the loop', () => {
  test('short rounds follow each other at once', async () => {
    const { begun, change, end } = openWorld(0)
    await change(100)
    expect(begun).toEqual([0, 20, 40, 60, 80])
    await end()
  })

  test('after a long one it rests three times as long, and what came meanwhile is one round', async () => {
    const { begun, change, end } = openWorld(100)
    await change(1000)
    expect(begun).toEqual([0, 400, 800])
    await end()
  })

  test('it never rests longer than a second', async () => {
    const { begun, change, end } = openWorld(2000)
    await change(6500)
    expect(begun).toEqual([0, 3000, 6000])
    await end()
  })

  test('whoever waits for a round does not wait for its rest', async () => {
    const { timing, begun, loop, change, end } = openWorld(100)
    await change(200)
    let isSettled = false
    const settled = loop.settle().then(() => (isSettled = true))
    await timing.advance(100)
    expect([begun, isSettled]).toEqual([[0, 200], true])
    await settled
    await end()
    expect(timing.pending()).toBe(0)
  })
})
