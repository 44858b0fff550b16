/** `baton restore`: let saved guests go on where they were. */
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'restore',
    description: 'let saved guests go on where they were',
    timeoutMs: 120_000,
    movesGuest: true,
    run: async ({ hypervisor, guest }, options) => {
      const { name } = guest.definition
      if (guest.state !== 'saved')
        throw new InfraError('invalid', `restore ${name}: it is ${guest.state}, not saved`, {
          subject: name,
          hint: `baton start ${name} starts it afresh`,
        })
      await hypervisor.start(name, options)
    },
  })
}
