import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Upkeep } from './upkeep.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const said: string[] = []
const report = (kind: string, message: string): void => void said.push(`${kind}: ${message}`)

test('jobs are done in their order, each as often as it says, and no more after the end', () => {
  const done: string[] = []
  const upkeep = new Upkeep(
    [
      { everyMs: 250, run: () => void done.push('often') },
      { everyMs: 500, run: () => void done.push('seldom') },
    ],
    report,
  )
  vi.advanceTimersByTime(1000)
  expect(done.join(' ')).toBe('often often seldom often often seldom')
  upkeep[Symbol.dispose]()
  vi.advanceTimersByTime(1000)
  expect(done).toHaveLength(6)
})

test('one that takes longer is not begun a second time, and holds nobody up', async () => {
  let begun = 0
  let others = 0
  let end = (): void => {}
  using _upkeep = new Upkeep(
    [
      {
        everyMs: 250,
        run: async () => {
          begun += 1
          await new Promise<void>((resolve) => (end = resolve))
        },
      },
      { everyMs: 250, run: () => void (others += 1) },
    ],
    report,
  )
  await vi.advanceTimersByTimeAsync(1000)
  expect([begun, others]).toEqual([1, 4])
  end()
  await vi.advanceTimersByTimeAsync(250)
  expect(begun).toBe(2)
  end()
})

test('trouble is told of once, and that it is over; of one that fails late until the end only', async () => {
  said.length = 0
  let isBroken = true
  let fail = (_error: Error): void => {}
  const upkeep = new Upkeep(
    [
      {
        everyMs: 250,
        run: () => {
          if (isBroken) throw new Error('no table')
        },
      },
      { everyMs: 500, run: () => new Promise<void>((_, reject) => (fail = reject)) },
    ],
    report,
  )
  await vi.advanceTimersByTimeAsync(500)
  isBroken = false
  await vi.advanceTimersByTimeAsync(500)
  expect(said).toEqual(['trouble: no table', 'well: all is well again'])
  fail(new Error('too late'))
  await vi.advanceTimersByTimeAsync(500)
  expect(said.slice(2)).toEqual(['trouble: too late'])
  upkeep[Symbol.dispose]()
  fail(new Error('after the end'))
  await vi.advanceTimersByTimeAsync(0)
  expect(said).toHaveLength(3)
})
