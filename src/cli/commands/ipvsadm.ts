/** `baton ipvsadm`: only its place in the help; `src/cli/main.ts` gives its words to the front before anybody reads them. */
import type { Command } from 'commander'

export function register(program: Command): void {
  program
    .command('ipvsadm')
    .description("the director's table, as ipvsadm edits and lists it")
    .addHelpText(
      'after',
      '\n`baton ipvsadm --help` lists them. A symbolic link ipvsadm, ipvsadm-save or ipvsadm-restore to this program is that program.',
    )
}
