/** `baton undrain`: let a drained server take connections again. */
import type { Command } from 'commander'
import { registerDrain } from '../local/drain-command.ts'

export function register(program: Command): void {
  registerDrain(program, 'undrain', 'let a drained server take connections again')
}
