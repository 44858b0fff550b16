import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ApplyEvent } from '../../cluster/apply/apply.ts'
import type { Step } from '../../cluster/plan/plan.ts'
import { InfraError } from '../../errors.ts'
import { plainPaint } from '../terminal/paint.ts'
import { eventLines, liveLines } from './frame.ts'
import { advance, type Progress, startProgress } from './model.ts'
import { eventJson } from './show.ts'

const step = (guest: string): Step => ({
  id: `guest.start local/${guest}`,
  action: { kind: 'guest.start', host: 'local', guest },
  reason: 'it is stopped',
  needs: [],
  after: [],
})
const a = step('a')
const b = step('b')
const failure = new InfraError('timeout', 'start a: too slow', { subject: 'a', hint: 'wait' })

function after(total: number, ...events: readonly (readonly [ms: number, event: ApplyEvent])[]): Progress {
  return events.reduce((progress, [ms, event]) => advance(progress, event, ms), startProgress(total))
}
const size = { columns: 80, rows: 24 }

describe('progress', () => {
  test('shows what is under way, for how long, and what it says', () => {
    const progress = after(
      4,
      [0, { kind: 'started', step: a }],
      [500, { kind: 'started', step: b }],
      [600, { kind: 'progress', step: b, text: 'booting' }],
      [900, { kind: 'finished', step: a, tookMs: 900 }],
    )
    expect(liveLines(progress, 2000, size, plainPaint)).toEqual([
      '  … guest.start local/b 1.5s booting',
      '[#####---------------] 1/4',
    ])
  })

  test('failed and skipped steps have ended, too', () => {
    const progress = after(
      2,
      [0, { kind: 'started', step: a }],
      [1, { kind: 'failed', step: a, error: failure, tookMs: 1 }],
      [1, { kind: 'skipped', step: b, because: a.id }],
    )
    expect(liveLines(progress, 1, size, plainPaint)).toEqual(['[####################] 2/2, 1 failed'])
  })

  test('thousands of steps under way take no more lines than there are', () => {
    const many = Array.from({ length: 1000 }, (_, index): [number, ApplyEvent] => [
      0,
      { kind: 'started', step: step(`g${index}`) },
    ])
    const progress = after(1000, ...many)
    expect(liveLines(progress, 0, size, plainPaint)).toHaveLength(9)
    expect(liveLines(progress, 0, size, plainPaint).at(-1)).toBe('[--------------------] 0/1000 and 992 more')
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 30 }), (columns, rows) => {
        const lines = liveLines(progress, 0, { columns, rows }, plainPaint)
        expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1))
        for (const line of lines) expect(line.length).toBeLessThan(columns)
      }),
    )
  })

  test('what has ended is said once, in one line that stays', () => {
    expect(eventLines({ kind: 'started', step: a }, plainPaint)).toEqual([])
    expect(eventLines({ kind: 'finished', step: a, tookMs: 400 }, plainPaint)).toEqual([
      '  done guest.start local/a 0.4s',
    ])
    expect(eventLines({ kind: 'failed', step: a, error: failure, tookMs: 1 }, plainPaint)).toEqual([
      '  FAILED guest.start local/a: start a: too slow',
    ])
    const stopped = new InfraError('cancelled', 'start a: stopped', { subject: 'a' })
    expect(eventLines({ kind: 'failed', step: a, error: stopped, tookMs: 1 }, plainPaint)).toEqual([
      '  stopped guest.start local/a',
    ])
    expect(eventLines({ kind: 'skipped', step: b, because: a.id }, plainPaint)).toEqual([
      '  skipped guest.start local/b: guest.start local/a failed',
    ])
  })

  test('an event as JSON has its step by name, and an error with code and hint', () => {
    expect(eventJson({ kind: 'failed', step: a, error: failure, tookMs: 1.4 })).toEqual({
      event: 'failed',
      step: 'guest.start local/a',
      tookMs: 1,
      error: { message: 'start a: too slow', code: 'timeout', hint: 'wait' },
    })
  })
})
