/** `baton destroy`: end guests at once; their disks stay. */
import type { Command } from 'commander'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'destroy',
    description: 'end guests at once; their disks stay',
    timeoutMs: 30_000,
    movesGuest: false,
    run: ({ hypervisor, guest }, options) => hypervisor.destroy(guest.definition.name, options),
  })
}
