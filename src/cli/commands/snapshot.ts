/** `baton snapshot create|list|revert|delete`: how a guest stood, kept in its own disks. */
import type { Command } from 'commander'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'
import { snapshotsView } from '../views/machine.ts'

export function register(program: Command): void {
  const snapshot = program
    .command('snapshot')
    .description('how a guest stood, kept in its own disks: with its memory when it runs')
  const named = (name: string, description: string): Command =>
    machineCommand(snapshot, name, description, 300_000).argument('<snapshot>', 'its name')
  machineCommand(snapshot, 'list', 'the snapshots of a guest, the oldest first').action(
    (guest: string, options: MachineOptions) =>
      withGuestMachine(guest, 'snapshots', options, (list, call) => list(guest, call), snapshotsView),
  )
  for (const { verb, description, operation, said } of changes)
    named(verb, description).action((guest: string, name: string, options: MachineOptions) =>
      withGuestMachine(
        guest,
        operation,
        options,
        async (change, call) => {
          await change(guest, name, call)
          return { guest, snapshot: name, did: said }
        },
        (told) => [`${told.did} ${told.snapshot} of ${told.guest}`],
      ),
    )
}

const changes = [
  { verb: 'create', description: 'take one', operation: 'takeSnapshot', said: 'took' },
  {
    verb: 'revert',
    description: 'let the guest be as it was then; what it became since is lost',
    operation: 'revertSnapshot',
    said: 'reverted to',
  },
  { verb: 'delete', description: 'forget one; the guest stays as it is', operation: 'deleteSnapshot', said: 'deleted' },
] as const
