/** What `baton replay` prints: each change with its time and reason, and how many there were. */
import type { HealthConfig } from '../../health/machine.ts'
import type { Replay, ReplayedChange } from '../../health/replay.ts'
import type { TraceProblem } from '../../health/trace-parse.ts'
import type { Paint, Style } from '../terminal/paint.ts'
import { printable } from './line.ts'
import { count } from './units.ts'

export type ReplayJson = Replay & {
  readonly file: string
  /** Numbers in place of those of the run; none: it is told as it was. */
  readonly instead: Partial<Pick<HealthConfig, 'rise' | 'fall'>>
  /** How many changes there were as it was. */
  readonly changesAsRun: number
}

/** More wrong lines than these are only counted. */
const mostProblems = 100

export function replayProblemLines(file: string, problems: readonly TraceProblem[]): string[] {
  const lines = problems.slice(0, mostProblems).map(({ line, message }) => `${file}:${line}: ${message}`)
  const others = problems.length - lines.length
  return others > 0 ? [...lines, `${file}: and ${count(others, 'more line')} like these`] : lines
}

export function replayView(
  { file, instead, changes, changesAsRun, servers, results, lost }: ReplayJson,
  paint: Paint,
): string[] {
  const other = Object.entries(instead).map(([name, value]) => `${name} ${value}`)
  const told = `${file}: ${count(servers, 'server')}, ${count(results, 'result')}, ${count(changes.length, 'change')}`
  return [
    ...changes.map((change) => changeLine(change, paint)),
    other.length === 0 ? told : `${told} with ${other.join(' and ')}; ${changesAsRun} as it was`,
    ...(lost > 0 ? [`the trace has lost ${count(lost, 'record')}: what follows them may have been otherwise`] : []),
  ]
}

function changeLine({ at, key, from, to, after, detail }: ReplayedChange, paint: Paint): string {
  const length = after === 0 ? '' : ` after ${count(after, 'result')}`
  return `${at} ${printable(key)}: ${from} → ${paint(styles[to], to)}${length}: ${printable(detail)}`
}

const styles: Readonly<Record<ReplayedChange['to'], Style>> = {
  healthy: 'green',
  unhealthy: 'red',
  unknown: 'yellow',
  maintenance: 'yellow',
}
