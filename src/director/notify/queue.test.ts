import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { EventRecord } from '../control.ts'
import {
  backOffMs,
  emptyQueue,
  isIdle,
  longestMs,
  mostTries,
  mostWaiting,
  type QueueEffect,
  type QueueEvent,
  type QueueState,
  step,
} from './queue.ts'

const record = (id: number): EventRecord => ({
  id,
  at: `at ${id}`,
  event: { kind: 'cluster.put', cluster: 'shop', services: 1 },
})
const told = (id: number, nowMs = 0): QueueEvent => ({ kind: 'told', record: record(id), nowMs })
const failed = (nowMs: number, more: Partial<QueueEvent & { kind: 'failed' }> = {}): QueueEvent => ({
  kind: 'failed',
  nowMs,
  reason: 'HTTP 500',
  retryable: true,
  chance: 0.5,
  ...more,
})
const delivered: QueueEvent = { kind: 'delivered', nowMs: 0 }
const rested: QueueEvent = { kind: 'rested', nowMs: 0 }

function run(events: readonly QueueEvent[], from: QueueState = emptyQueue) {
  let state = from
  const effects: QueueEffect[] = []
  for (const event of events) {
    const next = step(state, event)
    state = next.state
    effects.push(...next.effects)
  }
  return { state, effects }
}
const send = (id: number): QueueEffect => ({ kind: 'send', record: record(id) })
const lostRecord = (id: number, lost: number, reason: string): QueueEffect => ({
  kind: 'send',
  record: { id, at: `at ${id}`, event: { kind: 'events.lost', to: 'this sink', lost, reason } },
})

describe('notify queue', () => {
  test('one event is under way at a time, in order', () => {
    const { state, effects } = run([told(1), told(2), delivered, delivered])
    expect(effects).toEqual([send(1), send(2)])
    expect(isIdle(state)).toBe(true)
  })

  test('one that fails is tried again after longer and longer rests, and given up after ten tries', () => {
    const tries = Array.from({ length: 9 }, () => [failed(0), rested]).flat()
    const { effects } = run([told(1), ...tries, failed(0)])
    const rests = effects.flatMap((effect) => (effect.kind === 'rest' ? effect.ms / 1000 : []))
    expect(rests).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60])
    expect(effects.filter(({ kind }) => kind === 'send')).toHaveLength(mostTries)
    expect(effects.slice(-2)).toEqual([
      { kind: 'gaveUp' },
      { kind: 'lost', count: 1, reason: 'given up after 10 tries: HTTP 500' },
    ])
  })

  test('the next one goes out then, after the word of the loss', () => {
    const { effects, state } = run([told(1), told(2), failed(0, { retryable: false }), delivered, delivered])
    const why = 'given up after 1 try: HTTP 500'
    expect(effects).toEqual([
      send(1),
      { kind: 'gaveUp' },
      { kind: 'lost', count: 1, reason: why },
      lostRecord(1, 1, why),
      send(2),
    ])
    expect(isIdle(state)).toBe(true)
  })

  test('a loss waits for the next event, so that a dead receiver is not asked for ever', () => {
    const { effects, state } = run([told(1), failed(0, { retryable: false })])
    expect(isIdle(state)).toBe(true)
    expect(effects.at(-1)).toMatchObject({ kind: 'lost' })
    expect(run([told(2)], state).effects).toEqual([lostRecord(1, 1, 'given up after 1 try: HTTP 500')])
  })

  test('nothing is tried for longer than ten minutes', () => {
    const late = run([told(1), failed(longestMs - 999)])
    expect(late.effects.at(-2)).toEqual({ kind: 'gaveUp' })
    expect(run([told(1), failed(longestMs - 1000)]).effects.at(-1)).toEqual({ kind: 'rest', ms: 1000 })
  })

  test.each([
    { asked: 20_000, ms: 20_000 },
    { asked: 10, ms: 1000 },
    { asked: 86_400_000, ms: 300_000 },
  ])('a server that asks for $asked ms gets $ms', ({ asked, ms }) => {
    expect(run([told(1), failed(0, { retryAfterMs: asked })]).effects.at(-1)).toEqual({ kind: 'rest', ms })
  })

  test('with a thousand waiting the oldest is dropped, and said in its place once', () => {
    const many = Array.from({ length: mostWaiting + 3 }, (_, index) => told(index + 1))
    const { state, effects } = run(many)
    expect(effects).toEqual([send(1)])
    expect(state.waiting).toHaveLength(mostWaiting)
    const reason = 'more than 1000 were waiting'
    expect(run([delivered, delivered], state).effects).toEqual([
      { kind: 'lost', count: 2, reason },
      lostRecord(3, 2, reason),
      send(4),
    ])
  })

  test('at the end what rests is tried once more, and nothing is tried twice', () => {
    const { effects } = run([
      told(1),
      told(2),
      failed(0),
      { kind: 'ending', nowMs: 0 },
      failed(0),
      failed(0),
      failed(0),
    ])
    const why = 'given up after 2 tries: HTTP 500'
    expect(effects.filter(({ kind }) => kind === 'rest' || kind === 'send')).toEqual([
      send(1),
      { kind: 'rest', ms: 1000 },
      send(1),
      lostRecord(1, 1, why),
      send(2),
    ])
  })

  test('who refuses everything is asked twice for each event at most, and told once he takes something', () => {
    let { state, effects } = run([1, 2, 3, 4, 5].map((id) => told(id)))
    for (let asked = 1; !isIdle(state); asked += 1) {
      expect(asked).toBeLessThanOrEqual(10)
      const next = step(state, failed(0, { retryable: false }))
      state = next.state
      effects = [...effects, ...next.effects]
    }
    expect(effects.reduce((sum, effect) => sum + (effect.kind === 'lost' ? effect.count : 0), 0)).toBe(5)
    expect(run([told(6)], state).effects).toEqual([lostRecord(5, 5, 'given up after 1 try: HTTP 500')])
  })

  test('rests are within their bounds, and double within a quarter', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (tries, chance) => {
        const ms = backOffMs(tries, chance)
        expect(ms).toBeGreaterThanOrEqual(1000)
        expect(ms).toBeLessThanOrEqual(60_000)
        const exact = Math.min(1000 * 2 ** (tries - 1), 60_000)
        expect(Math.abs(ms - exact)).toBeLessThanOrEqual(exact / 4)
      }),
    )
  })

  test('whatever happens: order is kept, bounds hold, and each event is delivered or counted as lost', () => {
    const happening = fc.oneof(
      fc.record({ kind: fc.constant('told' as const), many: fc.integer({ min: 1, max: 700 }) }),
      fc.record({ kind: fc.constant('delivered' as const) }),
      fc.record({ kind: fc.constant('failed' as const), retryable: fc.boolean() }),
      fc.record({ kind: fc.constant('rested' as const), ms: fc.integer({ min: 0, max: 200_000 }) }),
      fc.record({ kind: fc.constant('ending' as const) }),
    )
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
        let state = emptyQueue
        let [nowMs, last, published, lost, delivered] = [0, 0, 0, 0, 0]
        let underWay: EventRecord | undefined
        let tries = 0
        let isResting = false
        const take = (event: QueueEvent): void => {
          const next = step(state, event)
          state = next.state
          for (const effect of next.effects) {
            if (effect.kind === 'lost') lost += effect.count
            if (effect.kind === 'rest') isResting = true
            if (effect.kind !== 'send') continue
            tries = effect.record === underWay ? tries + 1 : 1
            expect(tries).toBeLessThanOrEqual(mostTries)
            expect(effect.record.id).toBeGreaterThanOrEqual(last)
            last = effect.record.id
            underWay = effect.record
            isResting = false
          }
          expect(state.waiting.length).toBeLessThanOrEqual(mostWaiting)
        }
        for (const one of happenings) {
          if (one.kind === 'told') for (let at = 0; at < one.many; at += 1) take(told(++published, nowMs))
          if (one.kind === 'ending') take({ kind: 'ending', nowMs })
          if (one.kind === 'rested' && isResting) take({ kind: 'rested', nowMs: (nowMs += one.ms) })
          if (state.head === undefined || state.head.isResting) continue
          if (one.kind === 'delivered') {
            if (state.head.stands.kind === 'event') delivered += 1
            take({ kind: 'delivered', nowMs })
          }
          if (one.kind === 'failed') take(failed(nowMs, { retryable: one.retryable }))
        }
        const underWayNow = state.head?.stands.kind === 'event' ? 1 : 0
        const unsaid = state.lost?.unsaid ?? 0
        expect(delivered + lost + unsaid + underWayNow + state.waiting.length).toBe(published)
      }),
      { numRuns: 200 },
    )
  })
})
