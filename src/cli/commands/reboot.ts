/** `baton reboot`: restart guests. */
import type { Command } from 'commander'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'reboot',
    description: 'restart guests',
    timeoutMs: 120_000,
    movesGuest: true,
    drains: true,
    run: ({ hypervisor, guest }, options) => hypervisor.reboot(guest.definition.name, options),
  })
}
