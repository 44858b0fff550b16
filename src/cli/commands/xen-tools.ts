/** `baton xen-…-image`: only their places in the help; `src/cli/main.ts` gives their words to the fronts before anybody reads them. */
import type { Command } from 'commander'

const front = (name: string, description: string) => ({
  register(program: Command): void {
    program
      .command(name)
      .description(description)
      .addHelpText(
        'after',
        `\n\`baton ${name} --help\` says more. A symbolic link ${name} to this program is that program.`,
      )
  },
})

export const create = front('xen-create-image', 'make a guest for Xen by the command line of xen-create-image')
export const remove = front(
  'xen-delete-image',
  'take a guest of xen-tools away with its disks, as xen-delete-image does',
)
export const list = front('xen-list-images', 'list the guests that xen-tools made, as xen-list-images does')
export const update = front(
  'xen-update-image',
  'bring the packages of guests that do not run up to date, as xen-update-image does',
)
