import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Timed, Timers } from './timers.ts'

type Item = Timed & { readonly name: number }
const item = (name: number): Item => ({
  name,
  expiresAtMs: Number.POSITIVE_INFINITY,
  queuedAtMs: Number.POSITIVE_INFINITY,
})

describe('timers', () => {
  test('items end in the order of their times, those of one time in the order in which they were set', () => {
    const timers = new Timers<Item>()
    for (const [name, atMs] of [[1, 30], [2, 10], [3, 30], [4, 20]] as const) timers.set(item(name), atMs) // biome-ignore format: a table
    const ended: number[] = []
    for (let one = timers.take(30); one !== undefined; one = timers.take(30)) ended.push(one.name)
    expect(ended).toEqual([2, 4, 1, 3])
    expect(timers.nextMs).toBe(Number.POSITIVE_INFINITY)
  })

  test('whatever is set, put off, brought forward and cleared: each item ends once, at its last time', () => {
    const action = fc.record({ name: fc.nat(5), atMs: fc.option(fc.nat(100), { nil: undefined }) })
    fc.assert(
      fc.property(fc.array(fc.record({ actions: fc.array(action, { maxLength: 6 }), stepMs: fc.nat(20) })), (turns) => {
        const timers = new Timers<Item>()
        const items = Array.from({ length: 6 }, (_, name) => item(name))
        const model = new Map<number, number>()
        let now = 0
        for (const { actions, stepMs } of turns) {
          for (const { name, atMs } of actions) {
            const one = items[name]
            if (one === undefined) continue
            if (atMs === undefined) timers.clear(one)
            else timers.set(one, now + atMs)
            if (atMs === undefined) model.delete(name)
            else model.set(name, now + atMs)
          }
          now += stepMs
          const ended: number[] = []
          for (let one = timers.take(now); one !== undefined; one = timers.take(now)) ended.push(one.name)
          const due = [...model].filter(([, atMs]) => atMs <= now).map(([name]) => name)
          expect(ended.toSorted()).toEqual(due.toSorted())
          for (const name of due) model.delete(name)
        }
      }),
    )
  })
})
