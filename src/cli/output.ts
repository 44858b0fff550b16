/** Where a command's words go: results to standard output, everything about the run itself to standard error. */
import { Bug, describeError, isInfraError } from '../errors.ts'
import { choosePaint, type Paint } from './terminal/paint.ts'

export type Output = {
  /** Whether standard output is a terminal, to draw on. */
  readonly isTerminal: boolean
  readonly paint: Paint
  readonly print: (lines: readonly string[]) => void
  /** One line of JSON, or an indented document. */
  readonly json: (value: unknown, style: 'line' | 'document') => void
  /** What standard output is not for: warnings, errors, progress that is nobody's result. */
  readonly note: (lines: readonly string[]) => void
}

/** JSON first: the human text is made from the very value that `--json` prints. */
export function show<T>(
  output: Output,
  asJson: boolean,
  value: T,
  view: (value: T, paint: Paint) => readonly string[],
): void {
  if (asJson) output.json(value, 'document')
  else output.print(view(value, output.paint))
}

type Stream = { readonly isTTY?: boolean | undefined; write(text: string): unknown }

export function streamOutput(
  stdout: Stream,
  stderr: Stream,
  environment: Readonly<Record<string, string | undefined>>,
): Output {
  const isTerminal = stdout.isTTY === true
  const writeLines = (stream: Stream, lines: readonly string[]): void => {
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`)
  }
  return {
    isTerminal,
    paint: choosePaint(isTerminal, environment),
    print: (lines) => writeLines(stdout, lines),
    json: (value, style) => writeLines(stdout, [JSON.stringify(value, undefined, style === 'line' ? 0 : 2)]),
    note: (lines) => writeLines(stderr, lines),
  }
}

/** `baton: …`, and what can be done about it on a second line. */
export function errorLines(error: unknown): string[] {
  if (isInfraError(error)) {
    const hint = error.hint === undefined ? [] : [`hint: ${error.hint}`]
    return [`baton: ${describeError(error)}`, ...hint]
  }
  if (error instanceof Bug || !(error instanceof Error))
    return [`baton: this is a bug in Baton: ${describeError(error)}`, ...(error instanceof Error ? stackOf(error) : [])]
  return [`baton: ${describeError(error)}`, ...stackOf(error)]
}

function stackOf(error: Error): string[] {
  return (error.stack ?? '').split('\n').filter((line) => line.trimStart().startsWith('at '))
}
