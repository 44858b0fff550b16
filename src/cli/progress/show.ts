/** Shows a run while it goes on: a live view on a terminal, plain lines elsewhere, or JSON lines. */
import { performance } from 'node:perf_hooks'
import type { ApplyEvent } from '../../cluster/apply/apply.ts'
import { describeError, isInfraError } from '../../errors.ts'
import type { Output } from '../output.ts'
import { openLiveBlock } from '../terminal/live.ts'
import { eventLines, liveLines } from './frame.ts'
import { advance, startProgress } from './model.ts'

export interface RunView extends Disposable {
  readonly onEvent: (event: ApplyEvent) => void
}

const redrawMs = 100

export function openRunView(total: number, output: Output, asJson: boolean): RunView {
  if (asJson) return { onEvent: (event) => output.json(eventJson(event), 'line'), [Symbol.dispose]: () => {} }
  if (!output.isTerminal) return plainView(output)
  return liveView(total, output)
}

/** What is said while a step goes on is said once for each text: it may come many times a second. */
function plainView(output: Output): RunView {
  const said = new Map<string, string>()
  return {
    onEvent: (event) => {
      if (event.kind === 'started') output.print([`  ${event.step.id}: ${event.step.reason}`])
      else if (event.kind !== 'progress') output.print(eventLines(event, output.paint))
      else if (said.get(event.step.id) !== event.text) {
        said.set(event.step.id, event.text)
        output.print([`  ${event.step.id}: ${event.text}`])
      }
    },
    [Symbol.dispose]: () => {},
  }
}

function liveView(total: number, output: Output): RunView {
  const block = openLiveBlock(process.stdout)
  let progress = startProgress(total)
  const draw = (stay: readonly string[] = []): void => {
    const { columns, rows } = process.stdout
    block.draw(liveLines(progress, performance.now(), { columns, rows }, output.paint), stay)
  }
  const timer = setInterval(draw, redrawMs)
  return {
    onEvent: (event) => {
      progress = advance(progress, event, performance.now())
      draw(eventLines(event, output.paint))
    },
    [Symbol.dispose]: () => {
      clearInterval(timer)
      block[Symbol.dispose]()
    },
  }
}

/** An event as one line of `--json`. */
export function eventJson(event: ApplyEvent): object {
  const { kind, step } = event
  const common = { event: kind, step: step.id }
  switch (kind) {
    case 'started':
      return { ...common, reason: step.reason }
    case 'progress':
      return { ...common, text: event.text }
    case 'finished':
      return { ...common, tookMs: Math.round(event.tookMs) }
    case 'failed':
      return { ...common, tookMs: Math.round(event.tookMs), error: errorJson(event.error) }
    case 'skipped':
      return { ...common, because: event.because ?? null }
  }
}

export function errorJson(error: unknown): object {
  const message = describeError(error)
  return isInfraError(error) ? { message, code: error.code, hint: error.hint ?? null } : { message }
}
