/** `baton import`: a file of another program as a baton.yaml. */
import type { Command } from 'commander'
import { formatDiagnostic } from '../../cluster/spec/diagnostic.ts'
import { printSpec } from '../../cluster/spec/print.ts'
import { readKeepalived } from '../../compat/keepalived/file.ts'
import { readLdirectord } from '../../compat/ldirectord/file.ts'
import { InfraError } from '../../errors.ts'
import { isKeepalived } from '../../formats/keepalived/detect.ts'
import { isLdirectord } from '../../formats/ldirectord/detect.ts'
import { runAction } from '../action.ts'
import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { readText } from '../local/spec-file.ts'

export function register(program: Command): void {
  program
    .command('import')
    .description(
      'print an ldirectord.cf or a keepalived.conf as a baton.yaml; what has no counterpart is said on standard error',
    )
    .argument('<file>', 'an ldirectord.cf or a keepalived.conf')
    .action((file: string) =>
      runAction(async ({ output }): Promise<ExitCode> => {
        const text = readText(file, false)
        const isOfKeepalived = isKeepalived(file, text)
        if (!isOfKeepalived && !isLdirectord(file, text))
          throw new InfraError('invalid', `${file} is none of the files that can be imported`, {
            subject: file,
            hint: 'an ldirectord.cf can be (it has lines that begin with virtual=), and a keepalived.conf (it has blocks like virtual_server)',
          })
        const { spec, diagnostics } = isOfKeepalived ? readKeepalived(file) : await readLdirectord(file, text)
        output.note(diagnostics.map(formatDiagnostic))
        if (spec === undefined) return exitCodes.failed
        output.print([printSpec(spec).trimEnd()])
        return exitCodes.ok
      }),
    )
}
