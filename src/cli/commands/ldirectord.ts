/** `baton ldirectord`: only its place in the help; `src/cli/main.ts` gives its words to the front before anybody reads them. */
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('ldirectord')
    .description('serve an ldirectord.cf, as ldirectord starts, stops and reloads it')
    .addHelpText(
      'after',
      '\n`baton ldirectord --help` says more. A symbolic link ldirectord to this program is that program.',
    )
}
