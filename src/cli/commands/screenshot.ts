/** `baton screenshot`: a picture of a guest's screen. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { InfraError } from '../../errors.ts'
import { type MachineOptions, machineCommand, withGuestMachine } from '../local/guest-machine.ts'

export function register(program: Command): void {
  machineCommand(program, 'screenshot', "a picture of a guest's screen, as PNG or PPM")
    .argument('<file>', 'where it is put; what is there is written over')
    .action((guest: string, file: string, options: MachineOptions) =>
      withGuestMachine(
        guest,
        'screenshot',
        options,
        async (take, call) => {
          const { type, bytes } = await take(guest, call)
          await writeFile(file, bytes).catch((cause: unknown) => {
            throw new InfraError('failed', `write ${file}: ${String(cause)}`, { subject: file, cause })
          })
          return { guest, file, type, bytes: bytes.length }
        },
        (told) => [`${told.file}: ${told.type}, ${told.bytes} bytes`],
      ),
    )
}
