/** Progress for people: a line for each step that has ended, and a few live lines for those under way. Pure. */
import type { ApplyEvent } from '../../cluster/apply/apply.ts'
import { assertNever, describeError, isInfraError } from '../../errors.ts'
import type { Paint } from '../terminal/paint.ts'
import type { Size } from '../top/frame.ts'
import { cutLine, type Line, paintLine, printable, type Span } from '../views/line.ts'
import { formatDuration } from '../views/units.ts'
import type { Progress } from './model.ts'

/** More steps than this under way are only counted. */
const maxLive = 8

/** The lines below what stays: one for each running step, and how far it all is. They never wrap. */
export function liveLines(progress: Progress, nowMs: number, size: Size, paint: Paint): string[] {
  const room = Math.max(0, Math.min(maxLive, size.rows - 2))
  const running = [...progress.running.values()]
  const steps = running.slice(0, room).map(({ step, startedMs, text }): Line => {
    const said: Span[] = text === undefined ? [] : [{ text: ` ${printable(text)}`, style: 'dim' }]
    return [{ text: '  … ', style: 'cyan' }, step.id, ` ${formatDuration(nowMs - startedMs)}`, ...said]
  })
  const more = running.length > room ? ` and ${running.length - room} more` : ''
  const failed: Span[] = progress.failed === 0 ? [] : [{ text: `, ${progress.failed} failed`, style: 'red' }]
  const summary: Line = [`${bar(progress)} ${progress.ended}/${progress.total}`, ...failed, more]
  // One column is left free: a terminal may wrap when its last one is written.
  return [...steps, summary].map((line) => paintLine(cutLine(line, size.columns - 1), paint))
}

function bar({ ended, total }: Progress): string {
  const width = 20
  const done = total === 0 ? width : Math.floor((width * ended) / total)
  return `[${'#'.repeat(done)}${'-'.repeat(width - done)}]`
}

/** The lines that stay when an event has happened. */
export function eventLines(event: ApplyEvent, paint: Paint): string[] {
  const { id } = event.step
  switch (event.kind) {
    case 'started':
    case 'progress':
      return []
    case 'finished':
      return [`  ${paint('green', 'done')} ${id} ${paint('dim', formatDuration(event.tookMs))}`]
    case 'failed':
      if (isInfraError(event.error, 'cancelled')) return [`  ${paint('yellow', 'stopped')} ${id}`]
      return [`  ${paint('red', 'FAILED')} ${id}: ${printable(describeError(event.error))}`]
    case 'skipped':
      return [
        `  ${paint('yellow', 'skipped')} ${id}: ${event.because === undefined ? 'stopped' : `${event.because} failed`}`,
      ]
    default:
      return assertNever(event)
  }
}
