/** `baton shutdown`: ask guests to power off, and wait until they have. */
import type { Command } from 'commander'
import { shutdownOrDestroy } from '../../guests/power-off.ts'
import { registerGuestOperation } from '../local/guest-command.ts'

export function register(program: Command): void {
  registerGuestOperation(program, {
    name: 'shutdown',
    description: 'ask guests to power off, and wait until they have',
    timeoutMs: 120_000,
    movesGuest: false,
    drains: true,
    run: ({ hypervisor, guest }, options) => hypervisor.shutdown(guest.definition.name, options),
    runOrDestroy: ({ hypervisor, guest }, options) => shutdownOrDestroy(hypervisor, guest.definition.name, options),
  })
}
