/** `baton pause`: stop the processors of guests; their memory stays. */
import type { Command } from 'commander'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'pause',
    description: 'stop the processors of guests; their memory stays',
    timeoutMs: 30_000,
    movesGuest: false,
    run: ({ hypervisor, guest }, options) => hypervisor.pause(guest.definition.name, options),
  })
}
