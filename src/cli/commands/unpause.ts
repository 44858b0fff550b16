/** `baton unpause`: let paused guests go on. */
import type { Command } from 'commander'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'unpause',
    description: 'let paused guests go on',
    timeoutMs: 30_000,
    movesGuest: false,
    run: ({ hypervisor, guest }, options) => hypervisor.unpause(guest.definition.name, options),
  })
}
