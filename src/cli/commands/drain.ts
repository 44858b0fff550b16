/** `baton drain`: send no new connections to a server; it stays so until undrain. */
import type { Command } from 'commander'
import { registerDrain } from '../local/drain-command.ts'

export function register(program: Command): void {
  registerDrain(program, 'drain', 'send no new connections to a server; it stays so until undrain')
}
