/** `baton check`: whether the file is right, and whether this machine can carry it. */
import type { Command } from 'commander'
import { type Diagnostic, formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import { within } from '../../deadline.ts'
import { runAction } from '../action.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { checkMachine, machineMs } from '../local/machine-check.ts'
import { hasErrors, readSpec } from '../local/spec-file.ts'
import { type CheckJson, checkedEngine, checkView } from '../views/check.ts'

export function register(program: Command): void {
  program
    .command('check')
    .description('whether the file is right, and whether this machine can carry it')
    .argument('[file]', 'the spec')
    .option('--json', 'print JSON')
    .action((named: string | undefined, options: { readonly json?: true }) =>
      runAction(async ({ signal, output }): Promise<ExitCode> => {
        const read = readSpec(named)
        const found: readonly Diagnostic[] =
          read.spec === undefined ? [] : await checkMachine(read, read.spec, { signal: within(signal, machineMs) })
        const diagnostics = [...read.diagnostics, ...found]
        const isRight = !hasErrors(diagnostics)
        const json: CheckJson = { file: read.file, ok: isRight, diagnostics, engine: checkedEngine(read) }
        if (options.json === true) output.json(json, 'document')
        else {
          output.note(diagnostics.map(formatDiagnostic))
          if (isRight) output.print(checkView(json, read.spec))
        }
        return isRight ? exitCodes.ok : exitCodes.failed
      }),
    )
}
