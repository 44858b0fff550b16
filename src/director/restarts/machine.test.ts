import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RestartPolicy } from '../control.ts'
import { dueAt, type RestartEvent, type RestartState, step, wellGuest } from './machine.ts'

const policy: RestartPolicy = { afterMs: 60, backOffMs: 30, limit: 2, withinMs: 1000 }
const seen = (health: 'well' | 'sick' | 'unsure' | 'out'): RestartEvent => ({ kind: 'seen', health })
const sick: RestartState = { phase: 'sick', sinceMs: 100, restarts: [] }
const tick: RestartEvent = { kind: 'tick' }
const ended = (how: 'restarted' | 'failed' | 'passed'): RestartEvent => ({ kind: 'ended', how })

type Case = { name: string; from: RestartState; event: RestartEvent; at: number; to: RestartState; effect?: string }

describe('restarting sick guests', () => {
  test.each<Case>([
    { name: 'begins to count when checks fail', from: wellGuest, event: seen('sick'), at: 100, to: sick },
    { name: 'does not count while nobody knows', from: wellGuest, event: seen('unsure'), at: 100, to: wellGuest },
    { name: 'goes on counting while nobody knows', from: sick, event: seen('unsure'), at: 120, to: sick },
    { name: 'counts from the first failure', from: sick, event: seen('sick'), at: 150, to: sick },
    { name: 'is patient', from: sick, event: tick, at: 159, to: sick },
    {
      name: 'restarts when they have failed for long enough',
      from: sick,
      event: tick,
      at: 160,
      to: { phase: 'restarting', sinceMs: 160, restarts: [] },
      effect: 'restart',
    },
    {
      name: 'forgets when they pass again',
      from: sick,
      event: seen('well'),
      at: 150,
      to: { phase: 'well', sinceMs: 150, restarts: [] },
    },
    {
      name: 'leaves alone what a person has taken out',
      from: sick,
      event: seen('out'),
      at: 150,
      to: { phase: 'well', sinceMs: 150, restarts: [] },
    },
    {
      name: 'does not look while it restarts',
      from: { phase: 'restarting', sinceMs: 1, restarts: [] },
      event: seen('sick'),
      at: 9,
      to: { phase: 'restarting', sinceMs: 1, restarts: [] },
    },
    {
      name: 'counts a restart',
      from: { phase: 'restarting', sinceMs: 1, restarts: [] },
      event: ended('restarted'),
      at: 9,
      to: { phase: 'well', sinceMs: 9, restarts: [9] },
    },
    {
      name: 'counts one that failed, and stays sick',
      from: { phase: 'restarting', sinceMs: 1, restarts: [] },
      event: ended('failed'),
      at: 9,
      to: { phase: 'sick', sinceMs: 9, restarts: [9] },
    },
    {
      name: 'does not count what was none',
      from: { phase: 'restarting', sinceMs: 1, restarts: [] },
      event: ended('passed'),
      at: 9,
      to: { phase: 'sick', sinceMs: 9, restarts: [] },
    },
    {
      name: 'gives up at the limit',
      from: { phase: 'sick', sinceMs: 300, restarts: [100, 200] },
      event: tick,
      at: 400,
      to: { phase: 'left', sinceMs: 400, restarts: [100, 200] },
      effect: 'leave',
    },
    {
      name: 'does not count what is long ago',
      from: { phase: 'sick', sinceMs: 1150, restarts: [100, 200] },
      event: tick,
      at: 1210,
      to: { phase: 'restarting', sinceMs: 1210, restarts: [] },
      effect: 'restart',
    },
    {
      name: 'has left it for good while it stays sick',
      from: { phase: 'left', sinceMs: 1, restarts: [1] },
      event: seen('sick'),
      at: 5000,
      to: { phase: 'left', sinceMs: 1, restarts: [1] },
    },
    {
      name: 'begins anew when it is well after all',
      from: { phase: 'left', sinceMs: 1, restarts: [1] },
      event: seen('well'),
      at: 9,
      to: { phase: 'well', sinceMs: 9, restarts: [] },
    },
    {
      name: 'begins anew when a person starts it',
      from: { phase: 'left', sinceMs: 1, restarts: [1] },
      event: { kind: 'started' },
      at: 9,
      to: { phase: 'well', sinceMs: 9, restarts: [] },
    },
  ])('$name', ({ from, event, at, to, effect }) => {
    expect(step(policy, from, event, at)).toEqual({ state: to, ...(effect === undefined ? {} : { effect }) })
  })

  test.each([
    { restarts: [], due: 160 },
    { restarts: [90], due: 160 },
    { restarts: [150], due: 180 },
    { restarts: [40, 150], due: 210 },
  ])('waits twice as long after each: $restarts', ({ restarts, due }) => {
    expect(dueAt(policy, { ...sick, restarts }, 160)).toBe(due)
  })

  test('whatever happens: never without long sickness, never too soon, never too often', () => {
    const event = fc.oneof(
      { weight: 6, arbitrary: fc.constant(tick) },
      fc.constantFrom('well', 'sick', 'sick', 'unsure', 'out').map((health) => seen(health as 'well')),
      fc.constantFrom('restarted', 'failed', 'passed').map((how) => ended(how as 'failed')),
    )
    const timed = fc.array(fc.tuple(event, fc.integer({ min: 0, max: 80 })), { maxLength: 200 })
    fc.assert(
      fc.property(timed, (events) => {
        let [state, now] = [wellGuest, 0]
        let sickSince: number | undefined
        const begun: number[] = []
        for (const [event, waitMs] of events) {
          now += waitMs
          const from = state.phase
          const { state: next, effect } = step(policy, state, event, now)
          if (next.phase === 'sick' && from !== 'sick') sickSince = now
          if (effect === 'restart') {
            expect(now - (sickSince ?? now)).toBeGreaterThanOrEqual(policy.afterMs)
            const last = state.restarts.at(-1)
            if (last !== undefined && last > now - policy.withinMs)
              expect(now - last).toBeGreaterThanOrEqual(policy.backOffMs)
          }
          if (event.kind === 'ended' && event.how !== 'passed' && from === 'restarting') begun.push(now)
          expect(begun.filter((at) => at > now - policy.withinMs).length).toBeLessThanOrEqual(policy.limit)
          state = next
        }
      }),
    )
  })
})
