/** `baton export`: a baton.yaml as a file of another program. */
import { Argument, type Command } from 'commander'
import { formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import { exportKeepalived } from '../../compat/keepalived/export.ts'
import { runAction } from '../action.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { readSpec } from '../local/spec-file.ts'

export function register(program: Command): void {
  program
    .command('export')
    .description(
      'print a baton.yaml as a keepalived.conf; what that cannot say is said on standard error, and in comments',
    )
    .addArgument(new Argument('<program>', 'whose file').choices(['keepalived']))
    .argument('[file]', 'the spec')
    .option('--strict', 'print nothing when something cannot be said')
    .action((_: string, named: string | undefined, options: { readonly strict?: true }) =>
      runAction(async ({ output }): Promise<ExitCode> => {
        const { spec, diagnostics } = readSpec(named)
        output.note(diagnostics.map(formatDiagnostic))
        if (spec === undefined) return exitCodes.failed
        const { text, lost } = exportKeepalived(spec)
        output.note(lost.map((one) => `warning: keepalived.conf cannot say the ${one}`))
        if (options.strict === true && lost.length > 0) return exitCodes.failed
        output.print([text.trimEnd()])
        return exitCodes.ok
      }),
    )
}
