/** `baton keepalived`: only its place in the help; `src/cli/main.ts` gives its words to the front before anybody reads them. */
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('keepalived')
    .description('serve a keepalived.conf as keepalived does, or check one (-t)')
    .addHelpText(
      'after',
      '\n`baton keepalived --help` says more. A symbolic link keepalived to this program is that program.',
    )
}
