/** `baton save`: put the memory of guests into files and end them. */
import type { Command } from 'commander'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'save',
    description: 'put the memory of guests into files and end them',
    timeoutMs: 300_000,
    movesGuest: false,
    drains: true,
    run: ({ hypervisor, guest }, options) => hypervisor.save(guest.definition.name, options),
  })
}
