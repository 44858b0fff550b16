/** `baton xen-list-images`: only its place in the help; `src/cli/main.ts` gives its words to the front before anybody reads them. */
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('xen-list-images')
    .description('list the guests that xen-tools made, as xen-list-images does')
    .addHelpText(
      'after',
      '\n`baton xen-list-images --help` says more. A symbolic link xen-list-images to this program is that program.',
    )
}
