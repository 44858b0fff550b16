/** `baton replay`: a trace of checks told again, also with other numbers. */
import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { InfraError } from '../../errors.ts'
import { replayTrace } from '../../health/replay.ts'
import { parseTrace } from '../../health/trace-parse.ts'
import { runAction } from '../action.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { show } from '../output.ts'
import { type ReplayJson, replayProblemLines, replayView } from '../views/replay.ts'

type ReplayOptions = { readonly rise?: number; readonly fall?: number; readonly json?: true }

export function register(program: Command): void {
  program
    .command('replay')
    .description('what the results of a trace (`baton director --check-trace FILE`) made of health, or would have made')
    .argument('<file>', 'the trace')
    .option('--rise <count>', 'as if so many successes in a row had been needed', readCount)
    .option('--fall <count>', 'as if so many failures in a row had been needed', readCount)
    .option('--json', 'print JSON')
    .action((file: string, { json, ...instead }: ReplayOptions) =>
      runAction(async ({ output }): Promise<ExitCode> => {
        const { lines, problems } = parseTrace(readTrace(file))
        if (problems.length > 0) {
          output.note(replayProblemLines(file, problems))
          return exitCodes.failed
        }
        const changesAsRun = replayTrace(lines).changes.length
        const value: ReplayJson = { file, instead, changesAsRun, ...replayTrace(lines, instead) }
        show(output, json === true, value, replayView)
        return exitCodes.ok
      }),
    )
}

function readTrace(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new InfraError(code === 'ENOENT' ? 'not-found' : 'failed', `read ${file}: ${code}`, {
      subject: file,
      cause: error,
    })
  }
}

function readCount(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a whole number, at least 1, is wanted')
  return count
}
