/** `baton genhash`: only its place in the help; `src/cli/main.ts` gives its words to the front before anybody reads them. */
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('genhash')
    .description('print the MD5 digest of a page, for HTTP_GET and SSL_GET of a keepalived.conf')
    .addHelpText(
      'after',
      '\n`baton genhash --help` says more. A symbolic link genhash to this program is that program.',
    )
}
