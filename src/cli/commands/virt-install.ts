/** `baton virt-install`: only its place in the help; `src/cli/main.ts` gives its words to the front before anybody reads them. */
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('virt-install')
    .description('make a guest on libvirt by the command line of virt-install')
    .addHelpText(
      'after',
      '\n`baton virt-install --help` says more. A symbolic link virt-install to this program is that program.',
    )
}
