/** `baton start`: start guests; a saved one goes on where it was. */
import type { Command } from 'commander'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'start',
    description: 'start guests; a saved one goes on where it was',
    timeoutMs: 60_000,
    movesGuest: true,
    run: ({ hypervisor, guest }, options) => hypervisor.start(guest.definition.name, options),
  })
}
